"""Which positions of two prompts, and which nodes of two graphs, correspond to each other."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from clew.graph.arrays import GraphArrays, NodeKind

Pairs = tuple[tuple[int, int], ...]


def aligned_positions(left: Sequence[str], right: Sequence[str]) -> Pairs:
    """Pairs of positions, ascending, of tokens that are the same or stand in each other's place.

    Between runs of equal tokens, runs of different ones correspond where they are equally long:
    `The capital of [France] is` and `The capital of [Germany] is`. Swapping the sides swaps the pairs.
    """
    if list(right) < list(left):
        return tuple((one, other) for other, one in aligned_positions(right, left))
    found = []
    for tag, start, end, other, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and end - start == other_end - other):
            found += zip(range(start, end), range(other, other_end), strict=True)
    return tuple(found)


def matched_nodes(left: GraphArrays, right: GraphArrays, positions: Pairs) -> Pairs:
    """Pairs of nodes, in the order of the left graph; none is in two of them.

    Features are the same in the same layer and at aligned positions, where model and dictionary are the
    same; errors where the model is. Tokens match by position alone, targets by what they are.
    """
    place = dict(positions)
    keys = _keys(right, {position: position for position in range(len(right.info.tokens))})
    where = {key: node for node, key in enumerate(keys) if key is not None}
    same_model = left.info.model == right.info.model and left.n_layers == right.n_layers
    same_features = same_model and left.info.dictionary == right.info.dictionary
    matches = {NodeKind.FEATURE: same_features, NodeKind.ERROR: same_model}
    found = []
    for node, key in enumerate(_keys(left, place)):
        if key in where and matches.get(NodeKind(left.node_kind[node]), True):
            found.append((node, where.pop(key)))
    return tuple(found)


def _keys(graph: GraphArrays, place: dict[int, int]) -> list[tuple | None]:
    """What tells a node apart, at its position in the other prompt; None where it has none there."""
    first = graph.n_nodes - len(graph.info.targets)
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
            target = graph.info.targets[node - first]
            keys.append((kind, target.text, target.token_id, target.minus_id))
        elif position not in place:
            keys.append(None)
        else:
            keys.append((kind, place[position], *(() if kind == NodeKind.TOKEN else (layer, feature))))
    return keys
