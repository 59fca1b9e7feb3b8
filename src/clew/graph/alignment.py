"""Alignment of two graphs: pairs of positions, and pairs of nodes, that correspond."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from clew.graph.arrays import GraphArrays, NodeKind

Pairs = tuple[tuple[int, int], ...]


def aligned_positions(left: Sequence[str], right: Sequence[str]) -> Pairs:
    """Pairs of positions, ascending, whose tokens are equal or replace each other.

    Between runs of equal tokens, two runs of different tokens correspond if they are equally long:
    `The capital of [France] is` and `The capital of [Germany] is`. The result is symmetric in the two sides.
    """
    if list(right) < list(left):
        return tuple((one, other) for other, one in aligned_positions(right, left))
    pairs = []
    for tag, start, end, other, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and end - start == other_end - other):
            pairs += zip(range(start, end), range(other, other_end), strict=True)
    return tuple(pairs)


def matched_nodes(left: GraphArrays, right: GraphArrays, positions: Pairs) -> Pairs:
    """Pairs of nodes in the order of the left graph; no node is in two pairs.

    Features match if the feature is the same and the positions are aligned; model and dictionary must be the
    same. Errors need the same model only. Tokens match by position, targets by token.
    """
    keys = _keys(right, {position: position for position in range(len(right.info.tokens))})
    node_of = {key: node for node, key in enumerate(keys) if key is not None}
    same_model = left.info.model == right.info.model and left.n_layers == right.n_layers
    same_features = same_model and left.info.dictionary == right.info.dictionary
    matches = {NodeKind.FEATURE: same_features, NodeKind.ERROR: same_model}
    pairs = []
    for node, key in enumerate(_keys(left, dict(positions))):
        if key in node_of and matches.get(NodeKind(left.node_kind[node]), True):
            pairs.append((node, node_of.pop(key)))
    return tuple(pairs)


def _keys(graph: GraphArrays, other_position: dict[int, int]) -> list[tuple | None]:
    """A key for each node, with its position in the other prompt; None if it has none there."""
    keys: list[tuple | None] = []
    for node, (kind, layer, position, feature) in enumerate(
        zip(
            graph.node_kind.tolist(),
            graph.node_layer.tolist(),
            graph.node_position.tolist(),
            graph.node_feature.tolist(),
            strict=True,
        )
    ):
        if kind == NodeKind.TARGET:
            target = graph.target(node)
            keys.append((kind, target.text, target.token_id, target.minus_id))
        elif position not in other_position:
            keys.append(None)
        else:
            keys.append(
                (kind, other_position[position], *(() if kind == NodeKind.TOKEN else (layer, feature)))
            )
    return keys
