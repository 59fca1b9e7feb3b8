"""Rows of all chosen features and outputs: what the stream is made of, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from clew.attribution.adjacency import Adjacency, assemble
from clew.attribution.frozen_attention import FrozenAttention
from clew.attribution.linear import LinearMap
from clew.attribution.sources import Sources, Targets, Writes
from clew.attribution.sweep import OnStep, sweep
from clew.attribution.targets import OutputTargets
from clew.dictionary.protocols import ActiveFeatures, Encoding


@dataclass(frozen=True)
class Rows:
    """Direct effects on features and outputs, with what each row must add up to."""

    adjacency: Adjacency
    total: Float[np.ndarray, " target"]
    sources: Sources


def compute_rows(
    linear: LinearMap,
    encoding: Encoding,
    features: ActiveFeatures,
    outputs: OutputTargets,
    first_position: int,
    memory: int,
    on_progress: OnStep = lambda done, total: None,
) -> Rows:
    """Sweep the rows of all chosen features and outputs over all features, errors and tokens."""
    sources = gather_sources(linear, encoding, features, first_position)
    direction, offset, total = feature_reads(linear, encoding, features)
    n_layers, last = linear.model.n_layers, linear.recording.n_positions - 1
    n_outputs = len(outputs.targets)
    targets = Targets(
        direction=torch.cat([direction, outputs.direction]),
        layer=torch.cat([features.layer, features.layer.new_full((n_outputs,), n_layers)]),
        position=torch.cat([features.position, features.position.new_full((n_outputs,), last)]),
        before_attention=linear.model.parallel_blocks,
    )
    attention = _remembered(linear, memory)
    blocks = sweep(targets, sources, attention, memory, on_progress)
    adjacency = assemble(targets, sources, blocks)
    adjacency.constant[:] += torch.cat([offset, outputs.offset]).cpu().numpy()
    return Rows(adjacency, torch.cat([total, outputs.total]).cpu().numpy(), sources)


def _remembered(linear: LinearMap, memory: int) -> Callable[[int], FrozenAttention]:
    """Folded attention blocks, kept for all chunks where they take little of the budget."""
    block = linear.attention(0)
    size = 4 * linear.model.n_layers * (block.value.numel() + block.pattern.numel())
    return lru_cache(maxsize=None if size <= memory // 4 else 1)(linear.attention)


def gather_sources(
    linear: LinearMap, encoding: Encoding, features: ActiveFeatures, first_position: int
) -> Sources:
    """All that the stream is made of, with the features not chosen in the errors."""
    recording = linear.recording
    remainder = recording.mlp_write.clone()
    writes, constants, attention_constants, bypass = [], [], [], []
    for layer in range(linear.model.n_layers):
        writers, decoder = encoding.writes(features, layer)
        position = features.position[writers]
        vector = linear.write_to_stream(encoding.write_point, layer, position, decoder)
        vector = vector * features.activation[writers, None]
        remainder[layer].index_add_(0, position, vector, alpha=-1)
        skip = encoding.skip(layer)
        around = linear.bypass(encoding.read_point, encoding.write_point, layer, skip)
        if around is not None:
            remainder[layer] -= around.written(recording.residual_mid[layer])
        bypass.append(around)
        constant = linear.write_constant(encoding.write_point, layer, _offset(linear, encoding, layer, skip))
        if constant is not None:
            constant = constant.clone()
            constant[:first_position] = 0
            remainder[layer] -= constant
        order = torch.argsort(position, stable=True)
        writes.append(Writes(writers[order], position[order], vector[order]))
        constants.append(constant)
        attention_constants.append(linear.attention_constant(layer))
    return Sources(
        feature_layer=features.layer,
        feature_position=features.position,
        writes=tuple(writes),
        remainder=remainder,
        constant=tuple(constants),
        attention_constant=tuple(attention_constants),
        bypass=tuple(bypass),
        embedding=recording.embedding,
        first_position=first_position,
    )


def _offset(linear: LinearMap, encoding: Encoding, layer: int, skip: Tensor | None) -> Tensor | None:
    """What the dictionary adds at the write point whatever the stream is."""
    offset, bias = encoding.offset(layer), linear.read_bias(encoding.read_point, layer)
    if skip is None or bias is None:
        return offset
    return skip @ bias if offset is None else offset + skip @ bias


def feature_reads(
    linear: LinearMap, encoding: Encoding, features: ActiveFeatures
) -> tuple[Tensor, Tensor, Tensor]:
    """Directions on the stream, constants and totals of the chosen features' rows."""
    direction, offset, total = encoding.reads(features)
    direction, offset = direction.clone(), offset.clone()
    for layer in features.layer.unique().tolist():
        chosen = torch.nonzero(features.layer == layer).squeeze(1)
        offset[chosen] += linear.read_constant(encoding.read_point, layer, direction[chosen])
        direction[chosen] = linear.read_from_stream(
            encoding.read_point, layer, features.position[chosen], direction[chosen]
        )
    return direction, offset, total
