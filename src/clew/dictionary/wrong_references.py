"""References that lead to something other than transcoders, and a message for each."""

from __future__ import annotations

import re
from pathlib import Path

from clew.dictionary.file_listing import FileListing, some_of
from clew.dictionary.formats.array_file import SUFFIXES
from clew.dictionary.formats.registry import layouts
from clew.errors import ClewError

PICKLED = (".pt", ".bin", ".pth", ".ckpt", ".pkl")
MODEL_WEIGHTS = re.compile(r"(model|pytorch_model|consolidated)[\w.-]*\.(safetensors|bin)|[\w.-]+\.gguf")


def refuse_other_files(path: Path) -> None:
    """Raise `ClewError` for a single file that cannot hold weights."""
    if path.suffix == ".clew":
        raise ClewError(f"{path} is a graph, not transcoders; name a folder of weights.")
    if path.suffix == ".json":
        raise ClewError(f"{path} is a JSON file, not transcoders; name a folder of weights.")
    if path.suffix == ".gguf":
        raise _model(str(path))
    if path.suffix in PICKLED:
        raise _pickled(str(path), path.name)
    if path.suffix not in SUFFIXES:
        raise ClewError(
            f"{path} is neither a .safetensors nor an .npz file; name weights in one of the formats "
            f"{layouts()}."
        )


def refuse_other_folders(listing: FileListing, weights: list[str]) -> None:
    """Raise `ClewError` for a folder or repository that is a model, is pickled, or has no weights."""
    top = [file for file in listing.files if "/" not in file]
    if any(MODEL_WEIGHTS.fullmatch(file) for file in top):
        raise _model(listing.name)
    if weights:
        return
    pickled = [file for file in listing.files if file.endswith(PICKLED)]
    if pickled:
        raise _pickled(listing.name, pickled[0])
    raise ClewError(
        f"{listing.name} holds no transcoders (its files: {some_of(listing.files) or 'none'}); name weights "
        f"in one of the formats {layouts()}."
    )


def refuse_several_sets(listing: FileListing) -> None:
    """Raise `ClewError` for several subfolders with a config.yaml each, if the folder itself has none."""
    sets = sorted(file.rpartition("/")[0] for file in listing.files if file.endswith("/config.yaml"))
    if sets and "config.yaml" not in listing.files:
        raise ClewError(f"{listing.name} holds transcoders in subfolders; name one of {some_of(sets)}.")


def _model(name: str) -> ClewError:
    return ClewError(
        f"{name} is a model, not transcoders; pass it as the model, and a folder of weights as the "
        "dictionary."
    )


def _pickled(name: str, file: str) -> ClewError:
    return ClewError(
        f"{name} holds pickled weights ({file}), and loading a pickle runs code from it; if you trust them, "
        "convert them to safetensors."
    )
