"""Sources of edges: everything that the residual stream is the sum of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.linear_map import LinearMap, SkipConnection
from clew.dictionary.protocols import ActiveFeatures, Encoding


@dataclass(frozen=True)
class FeatureWrites:
    """Writes of the chosen features to the stream at one layer, sorted by position."""

    feature: Int[Tensor, " writer"]
    position: Int[Tensor, " writer"]
    vector: Float[Tensor, "writer d_model"]
    """Decoder direction on the stream times activation."""

    @cached_property
    def by_position(self) -> list[tuple[int, Tensor, Tensor]]:
        """For each position that has writers: the position, their feature numbers, their vectors."""
        positions, counts = torch.unique_consecutive(self.position, return_counts=True)
        sizes = counts.tolist()
        split = zip(positions.tolist(), self.feature.split(sizes), self.vector.split(sizes), strict=True)
        return list(split)


@dataclass(frozen=True)
class Sources:
    """All terms of the stream; columns are features, then errors (layer-major), then tokens.

    Positions before `first_position` (the sink) have no feature and error columns: their whole
    remainder is part of the constant.
    """

    feature_layer: Int[Tensor, " feature"]
    feature_position: Int[Tensor, " feature"]
    writes: tuple[FeatureWrites, ...]
    """Per layer."""
    remainder: Float[Tensor, "layer position d_model"]
    """The MLP's output less the chosen features and constants: the error nodes' vectors."""
    constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    attention_constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    skip: tuple[SkipConnection | None, ...]
    """Skip connections by layer: no sources, but they pass on the sources below."""
    embedding: Float[Tensor, "position d_model"]
    first_position: int

    @property
    def skip_floats(self) -> int:
        """Number of floats that a skip connection needs to work in, for each position and column."""
        return self.embedding.shape[1] if any(self.skip) else 0

    @property
    def n_layers(self) -> int:
        return len(self.writes)

    @property
    def n_positions(self) -> int:
        return len(self.embedding)

    @property
    def n_columns(self) -> int:
        return len(self.layer)

    @cached_property
    def layer(self) -> Int[Tensor, " column"]:
        """The layer that each column (first) writes at; -1 for tokens."""
        errors = torch.arange(self.n_layers).repeat_interleave(self.n_positions - self.first_position)
        return self._columns(self.feature_layer, errors, torch.full((self.n_positions,), -1))

    @cached_property
    def position(self) -> Int[Tensor, " column"]:
        errors = torch.arange(self.first_position, self.n_positions).repeat(self.n_layers)
        return self._columns(self.feature_position, errors, torch.arange(self.n_positions))

    def _columns(self, features: Tensor, errors: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat([features, errors.to(features.device), tokens.to(features.device)])

    def error_columns(self, layer: int, n_positions: int) -> slice:
        """Columns of a layer's errors at the first `n_positions` positions; the sink has none."""
        start = len(self.feature_layer) + layer * (self.n_positions - self.first_position)
        return slice(start, start + max(0, n_positions - self.first_position))

    def token_columns(self, n_positions: int) -> slice:
        start = self.n_columns - self.n_positions
        return slice(start, start + n_positions)


def gather_sources(
    linear: LinearMap, encoding: Encoding, features: ActiveFeatures, first_position: int
) -> Sources:
    """The sources of all edges; active features that were not chosen are part of the errors."""
    recording = linear.recording
    remainder = recording.mlp_write.clone()
    writes, constants, attention_constants, skips = [], [], [], []
    for layer in range(linear.model.n_layers):
        writers, decoder = encoding.writes(features, layer)
        position = features.position[writers]
        vector = linear.write_to_stream(encoding.write_point, layer, position, decoder)
        vector = vector * features.activation[writers, None]
        remainder[layer].index_add_(0, position, vector, alpha=-1)
        matrix = encoding.skip(layer)
        skip = linear.skip_connection(encoding.read_point, encoding.write_point, layer, matrix)
        if skip is not None:
            remainder[layer] -= skip.written(recording.residual_mid[layer])
        skips.append(skip)
        offset = _offset(linear, encoding, layer, matrix)
        constant = linear.write_constant(encoding.write_point, layer, offset)
        if constant is not None:
            constant = constant.clone()
            constant[:first_position] = 0
            remainder[layer] -= constant
        order = torch.argsort(position, stable=True)
        writes.append(FeatureWrites(writers[order], position[order], vector[order]))
        constants.append(constant)
        attention_constants.append(linear.attention_constant(layer))
    return Sources(
        feature_layer=features.layer,
        feature_position=features.position,
        writes=tuple(writes),
        remainder=remainder,
        constant=tuple(constants),
        attention_constant=tuple(attention_constants),
        skip=tuple(skips),
        embedding=recording.embedding,
        first_position=first_position,
    )


def _offset(linear: LinearMap, encoding: Encoding, layer: int, skip: Tensor | None) -> Tensor | None:
    """The vector that the dictionary adds at the write point for every stream."""
    offset, bias = encoding.offset(layer), linear.read_bias(encoding.read_point, layer)
    if skip is None or bias is None:
        return offset
    return skip @ bias if offset is None else offset + skip @ bias
