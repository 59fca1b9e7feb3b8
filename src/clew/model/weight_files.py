"""The safetensors files of a model folder: their headers, and signs that they hold something else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.model.config_file import read_json_object
from clew.model.library_calls import library_call
from clew.progress import OnNote, ignore_note

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Endings of weights that are pickles; none of them is ever opened."""
COPIES = ("consolidated",)
"""Beginnings of the names of files that hold the weights once more, under another library's names."""

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
MERGE = "merge it into its model with `merge_and_unload()` and save that with `save_pretrained`"
FOREIGN_NAMES = (
    (r"(^|[._])lora_|(^|\.)base_layer\.|(^|\.)modules_to_save\.", "an adapter that is not merged", MERGE),
    (r"^base_model\.model\.", "a model wrapped by PEFT", MERGE),
    (r"(^|\.)_orig_mod\.", "a compiled model", "save `model._orig_mod` with `save_pretrained`"),
    (
        r"^module\.|\._?(fsdp_wrapped_module|checkpoint_wrapped_module)\.|^_fsdp_wrapped_module\.",
        "a model wrapped for several devices",
        "save the unwrapped model (`model.module`) with `save_pretrained`",
    ),
    (
        r"\.(qweight|qzeros|g_idx|weight_packed|weight_scale|weight_scale_inv|absmax|SCB|quant_state\..*)$"
        r"|_(blocks|scales)$",
        "quantised weights",
        "clew traces in float weights only, so take the unquantised model",
    ),
)
"""Patterns of tensor names, with what they are signs of and what to do."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as its file's header describes it."""

    file: str
    kind: str
    """The element type in the spelling of safetensors."""
    shape: tuple[int, ...]


def read_headers(folder: Path, on_note: OnNote = ignore_note) -> dict[str, StoredTensor]:
    """All tensors that transformers will read from a model folder, by name.

    Raises `ClewError` for files that are damaged or missing, for an index that does not describe them, and
    for tensors that are no plain model's.
    """
    check_no_adapter(folder)
    path, index = folder / SINGLE, folder / INDEX
    weight_map = _read_index(index) if index.exists() else None
    if weight_map is not None and path.exists() and set(weight_map.values()) != {SINGLE}:
        raise ClewError(
            f"{folder} holds both {SINGLE} and {INDEX}, which names other files; remove the one that is not "
            "meant."
        )
    files = sorted(set(weight_map.values())) if weight_map else [SINGLE]
    tensors = _tensors_of(folder, files)
    if weight_map is not None:
        _check_index(folder, weight_map, tensors)
    _check_names(folder, tensors)
    if others := _not_read(folder, files):
        on_note(f"Files in {folder} that are not read: {', '.join(others[:4])}.")
    return tensors


def check_no_adapter(folder: Path) -> None:
    """Raise `ClewError` for a folder with an adapter, which transformers passes over without `peft`."""
    for name in ADAPTER_FILES:
        if (folder / name).exists():
            raise ClewError(
                f"{folder} holds an adapter ({name}), which clew does not apply; {MERGE}, or remove the "
                "adapter's files to trace the model without it."
            )


def _read_index(path: Path) -> dict[str, str]:
    weight_map = read_json_object(path).get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(isinstance(file, str) and Path(file).name == file for file in weight_map.values())
    ):
        raise ClewError(
            f"{path} has no weight_map that says which file of its folder holds which tensor; fetch it again."
        )
    return weight_map


def _tensors_of(folder: Path, files: Iterable[str]) -> dict[str, StoredTensor]:
    from safetensors import safe_open

    tensors: dict[str, StoredTensor] = {}
    for name in files:
        path = folder / name
        if not path.is_file():
            found = sorted(each.name for each in folder.glob("*.safetensors"))
            _refuse_pickles(folder, found)
            raise ClewError(
                f"{folder} lacks {name}"
                + (f", which {INDEX} names" if (folder / INDEX).exists() else f" and {INDEX}")
                + f" (it holds {', '.join(found[:3]) or 'no safetensors files'}); fetch all files."
            )
        with library_call(partial(damaged, path)), safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            found = {key: (each.get_dtype(), tuple(each.get_shape())) for key, each in slices.items()}
        for key, (kind, shape) in found.items():
            if key in tensors:
                raise ClewError(
                    f"{folder} holds {key} twice, in {tensors[key].file} and in {name}; fetch all files of "
                    "the model again."
                )
            tensors[key] = StoredTensor(name, kind, shape)
    return tensors


def _refuse_pickles(folder: Path, found: list[str]) -> None:
    """Raise `ClewError` for a folder whose weights are pickles alone."""
    pickles = sorted(each.name for ending in PICKLED for each in folder.glob(f"*{ending}"))
    if pickles and not found:
        raise ClewError(
            f"{folder} holds pickled weights alone ({', '.join(pickles[:3])}), and loading a pickle can "
            "run code from it, so clew reads none; if you trust them, save them as safetensors with "
            "`save_pretrained`."
        )


def damaged(path: Path, reason: str) -> str:
    """The sentence about a file that is no safetensors file."""
    return f"{path} is damaged or not a safetensors file: {reason}; fetch it again."


def _check_index(folder: Path, weight_map: Mapping[str, str], tensors: Mapping[str, StoredTensor]) -> None:
    """Raise `ClewError` where an index does not describe the files beside it."""
    for key, file in weight_map.items():
        if key not in tensors or tensors[key].file != file:
            place = f"it lies in {tensors[key].file}" if key in tensors else "no file holds it"
            raise ClewError(
                f"{folder / INDEX} says that {key} lies in {file}, but {place}; fetch all files of the model "
                "again."
            )
    shard = re.compile(r".*-\d+-of-\d+\.safetensors")
    for path in sorted(folder.glob("*.safetensors")):
        if shard.fullmatch(path.name) and path.name not in weight_map.values():
            raise ClewError(
                f"{folder / INDEX} does not name {path.name}, which lies beside it; fetch both again, or "
                "remove the file if it is of another model."
            )


def _check_names(folder: Path, tensors: Mapping[str, StoredTensor]) -> None:
    for pattern, what, advice in FOREIGN_NAMES:
        if foreign := [name for name in tensors if re.search(pattern, name)]:
            raise ClewError(f"{folder} holds {what}: {listed(foreign)}; {advice}.")
    for name in tensors:
        inner = name.partition(".")[2]
        for _ in range(2):  # a prefix of one or two modules
            if inner in tensors:
                raise ClewError(
                    f"{folder} holds one tensor under two names, {name} and {inner}; save the model again."
                )
            inner = inner.partition(".")[2]


def check_experts(folder: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise `ClewError` where experts are not alike, or not numbered from 0 on.

    transformers stacks the experts that it finds, whatever their numbers.
    """
    counts: dict[str, int] = defaultdict(int)
    projections = set()
    for name in tensors:
        if match := re.fullmatch(r"(.*\.experts\.)(\d+)(\..*)", name):
            counts[match[1]] = max(counts[match[1]], int(match[2]) + 1)
            projections.add(match[3])
    for before, count in counts.items():
        for after in sorted(projections):
            names = [f"{before}{number}{after}" for number in range(count)]
            if lacking := [name for name in names if name not in tensors]:
                raise ClewError(
                    f"The files in {folder} lack {listed(lacking)}, though they hold others of these "
                    "experts; fetch or save the model again."
                )
            if odd := [name for name in names if tensors[name].shape != tensors[names[0]].shape]:
                raise ClewError(
                    f"The files in {folder} hold {listed(odd)} in another shape than {names[0]}; fetch or "
                    "save the model again."
                )


def _not_read(folder: Path, files: Iterable[str]) -> list[str]:
    """Weights beside those that are read."""
    beside = [*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.pth")]
    names = sorted(path.name for path in beside)
    return [name for name in names if name not in files and not name.startswith(COPIES)]


def listed(names: Iterable[str], longest: int = 3) -> str:
    """The first few names, and how many more there are: `a, b, c and 12 more`."""
    ordered = sorted(names, key=_by_number)
    more = len(ordered) - longest
    return ", ".join(ordered[:longest]) + (f" and {more} more" if more > 0 else "")


def _by_number(name: str) -> list[Any]:
    """A key that sorts layer 2 before layer 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
