"""Turns what a user names (a short name, a folder, a GGUF file, a hub id) into a model folder on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clew.errors import ClewError
from clew.model.cache import CONVERSION_VERSION, conversions
from clew.model.gguf import GgufSource, converted
from clew.model.hub import fetch, is_hub_id
from clew.model.short_names import NAMED_MODELS, NamedModel, wheel_assembler, wheel_parts


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk that transformers can load: `name` is for people, `folder` for `from_pretrained`."""

    name: str
    folder: Path


def resolve(reference: str | Path, *, on_note: Callable[[str], None] | None = None) -> ModelFiles:
    """Finds, fetches or converts the model that a user named.

    ```python
    resolve("smollm2").folder        # a known name
    resolve("my-model")              # a folder with config.json and safetensors
    resolve("my-model.Q4_1.gguf")    # converted once, then found in clew's cache
    resolve("org/name@revision")     # the Hugging Face hub, or its cache
    ```

    `on_note` hears what takes long. Raises ClewError, always one sentence, for what cannot be had.
    """
    note = on_note or _silent
    if isinstance(reference, str):
        reference = reference.strip()
        if known := NAMED_MODELS.get(reference.lower()):
            return _known(known, note)
        if not reference:
            raise ClewError(f"No model was named: give {_accepted()}.")
    try:
        if local := _local(Path(reference).expanduser(), note):
            return local
    except (OSError, RuntimeError) as error:
        raise ClewError(f"{reference} cannot be read ({error}).") from error
    text = str(reference)
    if isinstance(reference, str) and is_hub_id(text) and not _looks_like_path(text):
        return _hub(text, note)
    if isinstance(reference, Path) or _looks_like_path(text):
        raise ClewError(f"{text} does not exist: give {_accepted()}.")
    raise ClewError(f"{text!r} is no model that clew knows: give {_accepted()}.")


def _known(known: NamedModel, note: Callable[[str], None]) -> ModelFiles:
    """The installed wheel first, then an earlier conversion, then the hub."""
    if parts := wheel_parts(known):
        folder = converted(GgufSource(known.name, parts, wheel_assembler(known)), note)
        return ModelFiles(known.name, folder)
    for conversion in conversions():
        if conversion.name == known.name and conversion.version == CONVERSION_VERSION:
            return ModelFiles(known.name, conversion.folder)
    try:
        return ModelFiles(known.name, _hub(known.hub_id, note).folder)
    except ClewError as error:
        terms = f" ({known.terms})" if known.terms else ""
        raise ClewError(
            f"{known.name} is not on this machine and the hub does not give it: "
            f"`{known.command}` brings it{terms}."
        ) from error


def _local(path: Path, note: Callable[[str], None]) -> ModelFiles | None:
    if path.is_dir():
        _check_folder(path)
        return ModelFiles(path.resolve().name, path)
    if not path.is_file():
        return None
    if path.suffix.lower() != ".gguf":
        raise ClewError(f"{path} is a file but not a .gguf file: give {_accepted()}.")
    return ModelFiles(path.name, converted(GgufSource(path.name, (path,)), note))


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        ggufs = sorted(path.name for path in folder.glob("*.gguf"))
        hint = f"name its file {ggufs[0]} instead" if ggufs else f"give {_accepted()}"
        raise ClewError(f"The folder {folder} has no config.json: {hint}.")
    if not any(folder.glob("*.safetensors")):
        raise ClewError(
            f"The folder {folder} has a config.json but no .safetensors weights: save the model there "
            "with `save_pretrained`."
        )


def _hub(reference: str, note: Callable[[str], None]) -> ModelFiles:
    note(f"Looking for {reference} on the Hugging Face hub ...")
    found = fetch(reference)
    if found.is_dir():
        return ModelFiles(reference, found)
    return ModelFiles(reference, converted(GgufSource(found.name, (found,)), note))


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.lower().endswith(".gguf") or "\\" in text


def _accepted() -> str:
    names = ", ".join(NAMED_MODELS)
    return f"a known name ({names}), a folder with config.json, a .gguf file, or a hub id such as org/name"


def _silent(_: str) -> None:
    pass
