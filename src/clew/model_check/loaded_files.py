"""A model in memory against the files that it came from, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clew.files import cannot_read
from clew.model.cache import models_folder
from clew.model.language_model import LanguageModel
from clew.model_check.findings import Finding, not_measured

AGAIN = "load the model again, and change nothing in it"


def origin(folder: Path) -> str:
    """The kind of a folder: a conversion of a GGUF file, a download, or the user's own."""
    if folder.resolve().is_relative_to(models_folder().resolve()):
        return "converted from GGUF"
    return "from the hub" if "snapshots" in folder.resolve().parts else "folder"


def check_source(model: LanguageModel) -> Finding:
    """The place that a model was loaded from."""
    folder = model.folder
    if folder is None:
        return Finding("loaded from", "made in memory")
    return Finding("loaded from", f"{folder} ({origin(folder)})")


def check_tensors(model: LanguageModel) -> Finding:
    """Every tensor of the network against the tensor of the same name in the files."""
    folder = model.folder
    if folder is None:
        return not_measured("tensors", "The model was made in memory, so there are no files to compare with.")
    there = model.network.state_dict()
    same, different, elsewhere = [], [], []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    if name not in there:
                        elsewhere.append(name)
                    elif _equal(file.get_tensor(name), there[name]):
                        same.append(name)
                    else:
                        different.append(name)
        except (SafetensorError, OSError) as error:
            raise cannot_read(path, error) from error
    return _finding(there, same, different, elsewhere)


def _finding(
    there: dict[str, Tensor], same: list[str], different: list[str], elsewhere: list[str]
) -> Finding:
    compared = {there[name].data_ptr() for name in (*same, *different)}
    # A tied head has no tensor of its own in the files; a class may rename or fuse others as it loads them.
    lonely = [name for name, tensor in there.items() if tensor.data_ptr() not in compared]
    value = f"{len(same)} of {len(there)} equal those of the files"
    tied = len(there) - len(lonely) - len(same) - len(different)
    value += f", {tied} tied" if tied else ""
    if elsewhere and lonely:
        value += f"; {len(lonely)} are kept under other names"
    if different:
        return Finding("tensors", value, False, "all equal", f"{_named(different)} differ; {AGAIN}.")
    if lonely and not elsewhere:
        return Finding(
            "tensors", value, False, "all equal", f"The files lack {_named(lonely)}; get them again."
        )
    return Finding("tensors", value, True, "all equal")


def _equal(stored: Tensor, loaded: Tensor) -> bool:
    return stored.shape == loaded.shape and torch.equal(stored.to(loaded.dtype), loaded.cpu())


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"
