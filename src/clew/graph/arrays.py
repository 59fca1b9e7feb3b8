"""The arrays of an attribution graph, the kinds of its nodes, and their ids and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from numbers import Integral
from typing import Any, Self, TypeVar

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64, UInt8

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.info import Annotations, FeatureFacts, GraphInfo, IndexLabel, Size, Target
from clew.graph.labels import label_of
from clew.sink import Sink
from clew.token_text import quote

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
"""Types of the arrays that every graph has, in memory and in a `.clew` file."""

OPTIONAL_NODE_ARRAYS = ("node_constant", "node_total", "node_left_out")
"""Arrays that a graph may lack: one float32 per node."""


class NodeKind(IntEnum):
    """Kinds of nodes; the numbers are those of the `.clew` file."""

    FEATURE = 0
    ERROR = 1
    TOKEN = 2
    TARGET = 3


@dataclass(frozen=True)
class OutputTokens:
    """Tokens that features write towards: unembedding times decoder, through the final gain.

    For feature node `node[k]`, `token[k]` holds the ten highest tokens (descending), then the ten lowest
    (ascending). `logit[k]` holds their logits per unit of activation, before the final norm's scale.
    """

    node: Int32[np.ndarray, " described"]
    token: Int32[np.ndarray, "described twenty"]
    logit: Float32[np.ndarray, "described twenty"]


@dataclass(frozen=True, eq=False, repr=False)
class GraphArrays:
    """The arrays of an attribution graph, and the names of its nodes.

    Nodes are ordered by kind (features, errors, tokens, targets), then by layer, position and index. An
    edge's weight is the direct, linear effect of one node on another. Edges are in CSR order over their
    targets: the edges into node `t` are `edge_offset[t]:edge_offset[t + 1]`. In a whole graph, a row's edges
    plus its constant add up to its total.
    """

    node_kind: UInt8[np.ndarray, " node"]
    node_layer: Int16[np.ndarray, " node"]
    """-1 for tokens, the number of layers for targets."""
    node_position: Int32[np.ndarray, " node"]
    node_feature: Int64[np.ndarray, " node"]
    """Feature index; token id for tokens and targets; -1 for errors and differences.

    Imported graphs may hold further nodes, whose numbers keep ids unique: attention ("lorsa") features are
    even, `-2 * (index + 1)`; attention errors are -3, and biases -5, -7, ...
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
    """Sum that biases and the sink position add to a row; NaN for nodes without a row."""
    node_total: Float32[np.ndarray, " node"] | None = None
    """Value that a row adds up to (pre-activation or centred logit); NaN for nodes without a row."""
    node_left_out: Float32[np.ndarray, " node"] | None = None
    """Error in each row of a pruned graph: the row's error nodes, and all that pruning left out.

    It is the sum over (layer, position) of the absolute net contribution. Scores use it in place of the
    edges from error nodes.
    """
    index_labels: Mapping[str, IndexLabel] = field(default_factory=dict)
    """Labels from an index of the dictionary, by `feature_name`; files do not hold them."""
    index_facts: Mapping[str, FeatureFacts] = field(default_factory=dict)
    """Facts from an index about the most influential features, by `feature_name`; files do not hold it."""
    foreign: dict[str, Any] | None = None
    """Fields of an imported file that clew does not use; an export writes them again."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_kind)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.edge_source)

    @property
    def size(self) -> Size:
        """Numbers of nodes, features and edges."""
        return Size(self.n_nodes, len(self.of_kind(NodeKind.FEATURE)), self.n_edges)

    @property
    def sink(self) -> Sink | None:
        """The prompt's sink; other tools' graphs do not name theirs, but their first token is one."""
        if self.info.sink is not None or self.foreign is None or not len(self.token_ids):
            return self.info.sink
        return Sink(self.info.tokens[0], int(self.token_ids[0]))

    @property
    def n_layers(self) -> int:
        """Number of layers of the model, as the targets know it."""
        return int(self.node_layer.max()) if self.n_nodes else 0

    @property
    def edge_target(self) -> Int32[np.ndarray, " edge"]:
        """The target node of each edge, from the CSR offsets."""
        counts = np.diff(self.edge_offset)
        return np.repeat(np.arange(self.n_nodes, dtype=np.int32), counts)

    @property
    def target_weight(self) -> Float32[np.ndarray, " node"]:
        """Weight of each node as an explained output; zero for all but targets."""
        return np.where(self.node_kind == NodeKind.TARGET, self.node_activation, 0).astype(np.float32)

    def of_kind(self, kind: NodeKind) -> Int64[np.ndarray, " chosen"]:
        """Indices of the nodes of one kind, in node order.

        Args:
            kind: Kind of the nodes.
        """
        return np.flatnonzero(self.node_kind == kind)

    @property
    def node_ids(self) -> list[str]:
        """Neuronpedia's spelling: `{layer}_{feature}_{position}`, `E_{token}_{position}` for tokens."""
        return [self.node_id(node) for node in range(self.n_nodes)]

    def check_node(self, node: object, kind: NodeKind | None = None) -> None:
        """Raise `ClewError` for what is not the index of a node, or of a node of this kind.

        Args:
            node: Index of the node.
            kind: The kind that it must have, if any.
        """
        if not isinstance(node, Integral) or not 0 <= int(node) < self.n_nodes:
            raise ClewError(
                f"Node {node!r} does not exist: the graph has nodes 0 to {self.n_nodes - 1}, as graph.nodes "
                "numbers them."
            )
        if kind is not None and self.node_kind[int(node)] != kind:
            other = NodeKind(self.node_kind[int(node)]).name.lower()
            raise ClewError(f"Node {node} is of the kind {other}; name one of the kind {kind.name.lower()}.")

    def node_id(self, node: int) -> str:
        """The id of a node, as in `node_ids`.

        Args:
            node: Index of the node.
        """
        self.check_node(node)
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
        """A short name to read: `L12/4031@5`, `error L3@5`, `" France"@4`, `" Paris" (0.77)`.

        Args:
            node: Index of the node.
        """
        self.check_node(node)
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
                target = self.target(node)
                return f"{quote(target.text)} ({target.weight:.2f})"

    def target(self, node: int) -> Target:
        """The description of a target node.

        Args:
            node: Index of a target node.
        """
        self.check_node(node, NodeKind.TARGET)
        return self.info.targets[node - self.n_nodes + len(self.info.targets)]

    def feature(self, node: int) -> Feature:
        """The feature of a feature node.

        Args:
            node: Index of a feature node.
        """
        return Feature(int(self.node_layer[node]), int(self.node_feature[node]))

    def feature_at(self, node: int) -> FeatureAt:
        """The feature and position of a feature node.

        Args:
            node: Index of a feature node.
        """
        return self.feature(node).at(int(self.node_position[node]))

    def feature_name(self, node: int) -> str:
        """The name of a node's feature wherever it appears: `L12/4031`, or `A12/31` for one of attention.

        Args:
            node: Index of a feature node.
        """
        self.check_node(node, NodeKind.FEATURE)
        return str(self.feature(node))

    def label(self, node: int, *, by_rule: bool = True) -> str | None:
        """The label of a node.

        Args:
            node: Index of the node.
            by_rule: Include labels that an index made of tokens.

        Returns:
            The node's own label, else the label of its feature, else the index's label of that feature,
            else None.
        """
        self.check_node(node)
        feature = self.feature(node) if self.node_kind[node] == NodeKind.FEATURE else None
        return label_of(self.node_id(node), feature, self.annotations, self.index_labels, by_rule=by_rule)

    def output_texts(self, node: int, count: int = 10, *, bottom: bool = False) -> list[str]:
        """Tokens that a feature promotes most.

        Args:
            node: Index of a feature node.
            count: Number of tokens, at most 10.
            bottom: Give the tokens that it promotes least, lowest first.

        Returns:
            The tokens' texts; an empty list if the graph stores no output tokens of this node.
        """
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
        """Tokens that a feature makes likelier on this prompt.

        A neuron whose activation is negative promotes the tokens that it writes against.

        Args:
            node: Index of a feature node.
            count: Number of tokens, at most 10.

        Returns:
            The tokens' texts; an empty list if the graph stores no output tokens of this node.
        """
        return self.output_texts(node, count, bottom=bool(self.node_activation[node] < 0))

    def with_info(self, **changes: Any) -> Self:
        """The same graph with some fields of `info` replaced.

        Args:
            changes: New values of fields of `GraphInfo`.
        """
        return replace(self, info=replace(self.info, **changes))


G = TypeVar("G", bound=GraphArrays)
"""The class of graph that a function takes and returns."""


def check_is_graph(value: object) -> None:
    """Raise `ClewError` for what is not a graph, such as the name of its file."""
    if not isinstance(value, GraphArrays):
        raise ClewError(f"A graph is what model.trace or clew.open gives, not {value!r}.")
