"""Tensors of a GGUF file in the names and layout of a Hugging Face network, written as safetensors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import _type_traits as UNPACKED
from gguf.quants import dequantize

from clew.model.gguf.architectures import GgufArchitecture
from clew.model.gguf.header import Damaged, GgufError, GgufHeader, GgufTensor
from clew.model.gguf.rope import ROPE_TENSORS

VALUES_AT_ONCE = 2**20
Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Placement:
    """A parameter of the network, the tensors that make it up, and what is done with their joined values."""

    name: str
    shape: tuple[int, ...]
    sources: tuple[GgufTensor, ...]
    change: Change
    interleaved: bool = False
    """True where the rows of two tensors take turns."""


def rope_tensors(header: GgufHeader) -> dict[str, np.ndarray]:
    """The small tensors that change a rotation; they belong to the settings and not to the weights."""
    return {name: unpack(header, header.tensors[name]) for name in ROPE_TENSORS if name in header.tensors}


def placements(header: GgufHeader, row: GgufArchitecture, network: Any) -> list[Placement]:
    """The places of a file's tensors in a network, which may be on the meta device.

    Raises `GgufError`, by the tensor's name, for one that the network has no place for, for one of a type
    that cannot be unpacked, and for a parameter that the file does not hold.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in network.state_dict().items()}
    config = network.config
    sources: dict[str, list[GgufTensor]] = {}
    changes: dict[str, Change] = {}
    for tensor in header.tensors.values():
        if tensor.name in ROPE_TENSORS:
            continue
        _check_kind(tensor)
        stem, name = _place(tensor.name, row, shapes)
        sources.setdefault(name, []).append(tensor)
        changes[name] = _change(stem, tensor.name, row, config)
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    if missing := sorted(shapes.keys() - sources.keys()):
        raise GgufError(f"{len(missing)} weights are missing, such as {missing[0]}", "fetch it again")
    found = [
        Placement(name, shapes[name], _in_order(sources[name]), changes[name], row.interleaved_experts)
        for name in shapes
    ]
    for placement in found:
        _check_shape(placement)
    return found


def _place(name: str, row: GgufArchitecture, shapes: dict[str, tuple[int, ...]]) -> tuple[str, str]:
    """The stem of a tensor's name and the parameter that it belongs to."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?([a-z0-9_]+)\.(weight|bias)", name)
    if match is not None:
        layer, stem, suffix = match.groups()
        place = (row.top if layer is None else row.layer).get(stem)
        path = place if layer is None else f"{row.layers}.{layer}.{place}"
        bare = path if suffix == "weight" else f"{path}_{suffix}"  # experts and sinks are no modules
        for parameter in (f"{path}.{suffix}", bare):
            if place is not None and parameter in shapes:
                return stem, parameter
    raise GgufError(f"nothing in a network of its architecture reads the tensor {name}")


def _change(stem: str, name: str, row: GgufArchitecture, config: Any) -> Change:
    if row.permuted and stem in ("attn_q", "attn_k"):
        heads = config.num_attention_heads if stem == "attn_q" else config.num_key_value_heads
        return lambda values: _halves_apart(values, heads)
    if stem in row.transposed and name.endswith(".weight"):
        return np.transpose
    if row.interleaved_experts and stem.endswith("_exps") and name.endswith(".weight"):
        return _inputs_first
    if row.norm_offset and name.endswith("norm.weight"):
        return lambda values: values - np.float32(row.norm_offset)
    return lambda values: values


def _halves_apart(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys, with the first halves of a head's rotations in front of the second ones."""
    pairs = values.reshape(heads, -1, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def _inputs_first(experts: np.ndarray) -> np.ndarray:
    return experts.swapaxes(1, 2)


def _in_order(sources: list[GgufTensor]) -> tuple[GgufTensor, ...]:
    """Gates in front of what they gate, where one parameter holds both."""
    return tuple(sorted(sources, key=lambda tensor: "ffn_up" in tensor.name))


def _check_kind(tensor: GgufTensor) -> None:
    kind = GGMLQuantizationType(tensor.kind)
    if kind not in (GGMLQuantizationType.F32, GGMLQuantizationType.F16, *UNPACKED):
        raise GgufError(f"the tensor {tensor.name} has the type {kind.name}, which clew cannot unpack")


def _check_shape(placement: Placement) -> None:
    """The shapes of a parameter's tensors must join to its own."""
    held = [tensor.shape for tensor in placement.sources]
    joined = list(held[0])
    if len(held) > 1:
        joined[1] = sum(shape[1] for shape in held)
    turned = tuple(joined[::-1]) if placement.change is np.transpose else tuple(joined)
    if placement.change is _inputs_first:
        turned = (joined[0], *joined[:0:-1])
    if turned != placement.shape or len(held) != (2 if "experts.gate_up_proj" in placement.name else 1):
        raise Damaged(
            f"the tensor {placement.sources[0].name} has the shape {shown_shape(turned)}, and its metadata "
            f"asks for {shown_shape(placement.shape)}"
        )


def shown_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def unpack(header: GgufHeader, tensor: GgufTensor) -> np.ndarray:
    """A tensor's values as float32. Raises `GgufError` for values that are not finite."""
    kind = GGMLQuantizationType(tensor.kind)
    block, size = GGML_QUANT_SIZES[kind]
    stored = np.memmap(header.path, np.uint8, "r", tensor.start, (tensor.size,))
    step = size * max(1, VALUES_AT_ONCE // block)
    values = np.empty(tensor.size // size * block, dtype=np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, tensor.size, step):
            part = dequantize(stored[start : start + step], kind)
            values[start // size * block :][: part.size] = part
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise Damaged(f"the tensor {tensor.name} holds values that are not finite")
    return values.reshape(tensor.shape)


def write_weights(path: Path, header: GgufHeader, found: list[Placement]) -> None:
    """Write a safetensors file, one tensor after the other, so that memory holds only one."""
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for placement in found:
        end = start + 4 * int(np.prod(placement.shape))
        described[placement.name] = {"dtype": "F32", "shape": placement.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in _in_layout(header, found):
            file.write(values.data)


def _in_layout(header: GgufHeader, found: list[Placement]) -> Iterator[np.ndarray]:
    for placement in found:
        parts = [unpack(header, tensor) for tensor in placement.sources]
        yield np.ascontiguousarray(placement.change(_joined(parts, placement.interleaved)))


def _joined(parts: list[np.ndarray], interleaved: bool) -> np.ndarray:
    """Rows of experts `[expert, row, ...]`: one tensor's behind the other's, or taking turns."""
    if len(parts) == 1:
        return parts[0]
    if not interleaved:
        return np.concatenate(parts, axis=1)
    experts, rows, *rest = parts[0].shape
    return np.stack(parts, axis=2).reshape(experts, len(parts) * rows, *rest)
