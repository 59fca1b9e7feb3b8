"""References to models: short names, folders, GGUF files and hub ids lead to a model folder on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clew.errors import ClewError
from clew.files import cannot_read, named_path
from clew.model.cache import conversion_at, conversions
from clew.model.gguf.conversion import GgufFile, convert
from clew.model.hub import fetch, is_hub_id
from clew.model.short_names import NAMED_MODELS, NamedModel, wheel_assembler, wheel_parts
from clew.model.weight_files import check_no_adapter
from clew.progress import OnNote, ignore_note

ACCEPTED = (
    f"a short name ({', '.join(NAMED_MODELS)}), a folder with config.json, a .gguf file, or a hub id such as "
    "org/name"
)
"""The kinds of reference, for the end of a message."""


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk: `name` is for people, `folder` for `from_pretrained` of transformers."""

    name: str
    folder: Path
    sources: tuple[Path, ...] = ()
    """The files of the user's own that the folder was converted from."""


def resolve(reference: str | Path, *, on_note: OnNote | None = None) -> ModelFiles:
    """Find, fetch or convert the model of a reference.

    ```python
    resolve("smollm2").folder        # a short name
    resolve("my-model")              # a folder with config.json and safetensors
    resolve("my-model.Q4_1.gguf")    # converted once, then read from clew's cache
    resolve("org/name@revision")     # the Hugging Face hub, or its cache
    ```

    Args:
        reference: A short name, a folder, a GGUF file or a hub id.
        on_note: Called with a sentence before something takes long; by default nothing is called.

    Returns:
        The name of the model and a folder that transformers can load.

    Raises:
        ClewError: The reference leads to no model; the message is one sentence.
    """
    note = on_note or ignore_note
    if not isinstance(reference, str | os.PathLike):
        raise ClewError(f"{reference!r} is not a model; pass {ACCEPTED}.")
    if isinstance(reference, str):
        reference = reference.strip()
        if named := NAMED_MODELS.get(reference.lower()):
            return _named(named, note)
        if not reference:
            raise ClewError(f"The reference to a model is empty; pass {ACCEPTED}.")
    try:
        if local := _local(named_path(reference), note):
            return local
    except (OSError, RuntimeError) as error:
        raise cannot_read(reference, error) from error
    text = str(reference)
    if isinstance(reference, str) and is_hub_id(text) and not _looks_like_path(text):
        return _hub(text, note)
    if isinstance(reference, Path) or _looks_like_path(text):
        raise ClewError(f"{text} does not exist; pass {ACCEPTED}.")
    raise ClewError(f"{text!r} is not a model; pass {ACCEPTED}.")


def _named(model: NamedModel, note: OnNote) -> ModelFiles:
    """The installed wheel, or else an earlier conversion, or else the hub's repository."""
    if parts := wheel_parts(model):
        folder = convert(GgufFile(model.name, parts, wheel_assembler(model)), note)
        return ModelFiles(model.name, folder)
    for conversion in conversions():
        if conversion.name == model.name and conversion.current:
            return ModelFiles(model.name, conversion.folder)
    try:
        return ModelFiles(model.name, _hub(model.hub_id, note).folder)
    except ClewError as error:
        terms = f" ({model.terms})" if model.terms else ""
        raise ClewError(
            f"{model.name} is not on this machine and cannot be fetched from the hub; run "
            f"`{model.command}`{terms}."
        ) from error


def _local(path: Path, note: OnNote) -> ModelFiles | None:
    if path.is_dir():
        _check_folder(path)
        return ModelFiles(path.resolve().name, path)
    if not path.is_file():
        return None
    if path.suffix.lower() != ".gguf":
        raise ClewError(f"{path} is a file but not a .gguf file; pass {ACCEPTED}.")
    return ModelFiles(path.name, convert(GgufFile(path.name, (path,)), note), (path,))


def _check_folder(folder: Path) -> None:
    check_no_adapter(folder)
    conversion = conversion_at(folder)
    if conversion is not None and not conversion.current:
        raise ClewError(
            f"Another version of clew converted {folder} from {conversion.name}, maybe in another way; name "
            f"{conversion.name} itself, and delete the folder."
        )
    if not (folder / "config.json").is_file():
        ggufs = sorted(path.name for path in folder.glob("*.gguf"))
        advice = f"name its file {ggufs[0]}" if ggufs else f"pass {ACCEPTED}"
        raise ClewError(f"The folder {folder} has no config.json; {advice}.")
    if not any(folder.glob("*.safetensors")):
        raise ClewError(
            f"The folder {folder} has a config.json but no .safetensors weights; save the model there "
            "with `save_pretrained`."
        )


def _hub(reference: str, note: OnNote) -> ModelFiles:
    note(f"Looking for {reference} on the Hugging Face hub ...")
    path = fetch(reference)
    folder = path if path.is_dir() else convert(GgufFile(path.name, (path,)), note)
    return ModelFiles(reference, folder)


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.lower().endswith(".gguf") or "\\" in text
