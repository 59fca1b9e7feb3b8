"""What people name by mistake where transcoders are wanted, each with a fitting sentence."""

from __future__ import annotations

import re
from pathlib import Path

from clew.dictionary.file_listing import FileListing
from clew.dictionary.formats.array_file import SUFFIXES
from clew.dictionary.formats.registry import layouts
from clew.errors import ClewError

PICKLED = (".pt", ".bin", ".pth", ".ckpt", ".pkl")
MODEL_WEIGHTS = re.compile(r"(model|pytorch_model|consolidated)[\w.-]*\.(safetensors|bin)|[\w.-]+\.gguf")
SHOWN = 8


def refuse_other_files(path: Path) -> None:
    """Raises ClewError for a single file that cannot hold weights."""
    if path.suffix == ".clew" or path.suffix == ".json":
        raise ClewError(
            f"{path} is {'a graph' if path.suffix == '.clew' else 'a JSON file'}, not transcoders: look at a "
            "graph with `clew show`, and name a folder of weights here."
        )
    if path.suffix == ".gguf":
        raise ClewError(f"{path} is a model, not transcoders: give it as the model.")
    if path.suffix in PICKLED:
        raise ClewError(_pickled(str(path), path.name))
    if path.suffix not in SUFFIXES:
        raise ClewError(
            f"{path} is neither a .safetensors nor an .npz file: the known formats are {layouts()}."
        )


def refuse_other_folders(listing: FileListing, chosen: list[str]) -> None:
    """Raises ClewError for a folder or repository that is a model, is pickled, or holds no weights."""
    top = [file for file in listing.files if "/" not in file]
    if any(MODEL_WEIGHTS.fullmatch(file) for file in top):
        raise ClewError(
            f"{listing.name} is a model, not transcoders: give it as the model, and name a folder of "
            "transcoders here."
        )
    if chosen:
        return
    pickled = [file for file in listing.files if file.endswith(PICKLED)]
    if pickled:
        raise ClewError(_pickled(listing.name, pickled[0]))
    shown = ", ".join(listing.files[:SHOWN]) + (", ..." if len(listing.files) > SHOWN else "")
    raise ClewError(
        f"{listing.name} holds no weights that clew knows (it holds {shown or 'nothing'}): the known formats "
        f"are {layouts()}."
    )


def refuse_several_sets(listing: FileListing) -> None:
    """Raises ClewError where several folders below have a config.yaml each and the place itself has none."""
    sets = sorted(file.rpartition("/")[0] for file in listing.files if file.endswith("/config.yaml"))
    if sets and "config.yaml" not in listing.files:
        shown = ", ".join(sets[:SHOWN]) + (", ..." if len(sets) > SHOWN else "")
        raise ClewError(f"{listing.name} holds transcoders in subfolders ({shown}): name one of them.")


def _pickled(name: str, file: str) -> str:
    return (
        f"{name} holds pickled weights ({file}), and to load a pickle is to run code from it: convert them "
        "to safetensors where you trust them."
    )
