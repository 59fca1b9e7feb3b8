"""The arrays of an attribution graph, the kinds of its nodes, and their ids and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Self, TypeVar

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64, UInt8

from clew.feature import Feature, FeatureAt
from clew.graph.info import Annotations, GraphInfo, IndexLabel, Size

ARRAY_TYPES: dict[str, str] = {
    "node_kind": "uint8",
    "node_layer": "int16",
    "node_position": "int32",
    "node_feature": "int64",
    "node_activation": "float32",
    "node_influence": "float32",
    "edge_offset": "int64",
    "edge_source": "int32",
    "edge_weight": "float32",
    "token_ids": "int64",
}
"""The arrays that every graph has, and their types (formats: "The `.clew` file")."""

OPTIONAL_NODE_ARRAYS = ("node_constant", "node_total", "node_left_out")
"""One float32 a node, where they are known."""


class NodeKind(IntEnum):
    """What a node stands for; the numbers are those of the `.clew` file."""

    FEATURE = 0
    ERROR = 1
    TOKEN = 2
    TARGET = 3


@dataclass(frozen=True)
class OutputTokens:
    """The tokens that features write towards: unembedding times decoder, through the final gain.

    For feature node `node[k]`, `token[k]` holds the ten highest (descending), then the ten lowest
    (ascending); `logit[k]` their values per unit of activation, before the final norm's scale.
    """

    node: Int32[np.ndarray, " described"]
    token: Int32[np.ndarray, "described twenty"]
    logit: Float32[np.ndarray, "described twenty"]


@dataclass(frozen=True, eq=False, repr=False)
class GraphArrays:
    """The arrays of an attribution graph: `edge_weight` is the direct, linear effect of one node on another.

    Nodes are ordered features, errors, tokens, targets, each by layer, position and index. Edges
    are in CSR order over their targets: those into node `t` are `edge_offset[t]:edge_offset[t+1]`.
    Arrays and meanings follow the `.clew` format; `node_constant` and `node_total` let anyone
    check a whole graph: a row's edges plus its constant add up to its total.
    """

    node_kind: UInt8[np.ndarray, " node"]
    node_layer: Int16[np.ndarray, " node"]
    """-1 for tokens, the number of layers for targets."""
    node_position: Int32[np.ndarray, " node"]
    node_feature: Int64[np.ndarray, " node"]
    """Feature index; token id for tokens and targets; -1 for errors and differences.

    Imported graphs may hold more, so spelled that ids stay unique: attention ("lorsa") features
    are even, `-2 * (index + 1)`; among errors, attention errors are -3 and biases -5, -7, ...
    """
    node_activation: Float32[np.ndarray, " node"]
    """Activation of a feature, weight of a target, NaN otherwise."""
    node_influence: Float32[np.ndarray, " node"]
    """Influence on the weighted targets, computed on the whole graph."""
    edge_offset: Int64[np.ndarray, " node_plus_1"]
    edge_source: Int32[np.ndarray, " edge"]
    edge_weight: Float32[np.ndarray, " edge"]
    token_ids: Int64[np.ndarray, " position"]
    info: GraphInfo
    annotations: Annotations = field(default_factory=Annotations)
    output_tokens: OutputTokens | None = None
    node_constant: Float32[np.ndarray, " node"] | None = None
    """What biases and the sink position add to a row; NaN for nodes without a row."""
    node_total: Float32[np.ndarray, " node"] | None = None
    """What a row adds up to (pre-activation or centred logit); NaN for nodes without a row."""
    node_left_out: Float32[np.ndarray, " node"] | None = None
    """Where something was pruned: how much of each row counts as error, its error nodes included.

    The sum over (layer, position) of the absolute net contribution of error nodes and of all that was left
    out. Scores take it in place of the edges from error nodes.
    """
    index_labels: Mapping[str, IndexLabel] = field(default_factory=dict)
    """What an index of the dictionary calls features, by `feature_name`; files do not hold it."""
    foreign: dict[str, Any] | None = None
    """Fields of an imported file that clew has no use for, kept so that exporting loses nothing."""

    @property
    def n_nodes(self) -> int:
        return len(self.node_kind)

    @property
    def n_edges(self) -> int:
        return len(self.edge_source)

    @property
    def size(self) -> Size:
        return Size(self.n_nodes, len(self.of_kind(NodeKind.FEATURE)), self.n_edges)

    @property
    def n_layers(self) -> int:
        """Number of layers of the model, as the targets know it."""
        return int(self.node_layer.max()) if self.n_nodes else 0

    @property
    def edge_target(self) -> Int32[np.ndarray, " edge"]:
        """The target node of each edge, spelled out from the CSR offsets."""
        counts = np.diff(self.edge_offset)
        return np.repeat(np.arange(self.n_nodes, dtype=np.int32), counts)

    @property
    def target_weight(self) -> Float32[np.ndarray, " node"]:
        """Weight of each node as an explained output: zero for all but targets."""
        return np.where(self.node_kind == NodeKind.TARGET, self.node_activation, 0).astype(np.float32)

    def of_kind(self, kind: NodeKind) -> Int64[np.ndarray, " chosen"]:
        """Indices of the nodes of one kind, in node order."""
        return np.flatnonzero(self.node_kind == kind)

    @property
    def node_ids(self) -> list[str]:
        """Neuronpedia's spelling: `{layer}_{feature}_{position}`, `E_{token}_{position}` for tokens."""
        return [self.node_id(node) for node in range(self.n_nodes)]

    def node_id(self, node: int) -> str:
        kind, layer = NodeKind(self.node_kind[node]), int(self.node_layer[node])
        feature, position = int(self.node_feature[node]), int(self.node_position[node])
        match kind:
            case NodeKind.TOKEN:
                return f"E_{feature}_{position}"
            case NodeKind.TARGET if feature < 0:
                rank = node - int(self.of_kind(NodeKind.TARGET)[0])
                return f"{layer + 1}_-{rank + 1}_{position}"
            case NodeKind.TARGET:
                return f"{layer + 1}_{feature}_{position}"
            case _:
                return f"{layer}_{feature}_{position}"

    def node_name(self, node: int) -> str:
        """A short name for a person: `L12/4031@5`, `error L3@5`, `" France"@4`, `" Paris" (0.77)`."""
        kind, layer = NodeKind(self.node_kind[node]), int(self.node_layer[node])
        position = int(self.node_position[node])
        match kind:
            case NodeKind.FEATURE:
                return str(self.feature_at(node))
            case NodeKind.ERROR:
                source = {-1: "error", -3: "attention error"}.get(int(self.node_feature[node]), "bias")
                return f"{source} L{layer}@{position}"
            case NodeKind.TOKEN:
                return f"{quote(self.info.tokens[position])}@{position}"
            case NodeKind.TARGET:
                target = self.info.targets[node - int(self.of_kind(NodeKind.TARGET)[0])]
                return f"{quote(target.text)} ({target.weight:.2f})"

    def feature(self, node: int) -> Feature:
        """The feature that a feature node is of."""
        return Feature(int(self.node_layer[node]), int(self.node_feature[node]))

    def feature_at(self, node: int) -> FeatureAt:
        """The feature and position that a feature node stands for."""
        return self.feature(node).at(int(self.node_position[node]))

    def feature_name(self, node: int) -> str:
        """A feature wherever it appears: `L12/4031`, or `A12/31` for one of attention."""
        return str(self.feature(node))

    def label(self, node: int, *, by_rule: bool = True) -> str | None:
        """What a node is called: its own label, else that of its feature, else what an index calls that.

        None where nobody called it anything; labels made by rule count unless `by_rule` is False.
        """
        own = self.annotations.labels.get(self.node_id(node))
        if own or self.node_kind[node] != NodeKind.FEATURE:
            return own or None
        name = self.feature_name(node)
        if given := self.annotations.feature_labels.get(name):
            return given
        known = self.index_labels.get(name)
        return known.text if known and (by_rule or not known.by_rule) else None

    def output_texts(self, node: int, count: int = 10, *, bottom: bool = False) -> list[str]:
        """Spellings of the tokens that a feature promotes most (or least); empty when not stored."""
        if self.output_tokens is None:
            return []
        row = np.flatnonzero(self.output_tokens.node == node)
        if not len(row):
            return []
        tokens = self.output_tokens.token[row[0]]
        half = len(tokens) // 2
        chosen = tokens[half:] if bottom else tokens[:half]
        return [self.info.token_text.get(int(token), f"<{token}>") for token in chosen[:count]]

    def promoted(self, node: int, count: int = 10) -> list[str]:
        """Spellings of the tokens that a feature pushes up on this prompt; empty when not stored.

        A neuron's activation may be negative; what it then promotes is what it writes against.
        """
        return self.output_texts(node, count, bottom=bool(self.node_activation[node] < 0))

    def with_info(self, **changes: Any) -> Self:
        """The same graph with some fields of `info` replaced."""
        return replace(self, info=replace(self.info, **changes))


G = TypeVar("G", bound=GraphArrays)
"""A graph of any class, which a function gives back as the same class."""


def quote(text: str) -> str:
    """A token in quotes, so that its spaces show; what a terminal would not print, as its escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in escaped) + '"'
