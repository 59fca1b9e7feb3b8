"""Alignment of two graphs: positions, nodes and features that correspond."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from clew.fingerprints import same_weights
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import output_shares

Pairs = tuple[tuple[int, int], ...]


def same_features(left: GraphArrays, right: GraphArrays) -> bool:
    """True for one model and one dictionary, with the same weights as far as the graphs say them."""
    one, other = left.info, right.info
    same = (one.model, one.dictionary) == (other.model, other.dictionary)
    return same and not other_weights(left, right)


def other_weights(left: GraphArrays, right: GraphArrays) -> str:
    """The name of the model or the dictionary that had other weights; empty for neither, or unknown ones."""
    one, other = left.info.settings, right.info.settings
    for name, what in (("weights", left.info.model), ("dictionary_weights", left.info.dictionary)):
        if one.get(name) and other.get(name) and not same_weights(str(one[name]), str(other[name])):
            return what
    return ""


def corresponding_positions(left: GraphArrays, right: GraphArrays) -> Pairs:
    """Pairs of positions, ascending: sink with sink, answer with answer, between them tokens by content."""
    sinks = int(left.sink is not None), int(right.sink is not None)
    tokens = [side[sink:] for side, sink in zip(_comparable_tokens(left, right), sinks, strict=True)]
    inner = [(one + sinks[0], other + sinks[1]) for one, other in aligned_positions(*tokens)]
    return (((0, 0),) if all(sinks) else ()) + tuple(inner)


def _comparable_tokens(left: GraphArrays, right: GraphArrays) -> tuple[Sequence[str | int], ...]:
    """The two prompts' token ids where they mean the same tokens, else their texts."""
    ids = left.token_ids.tolist(), right.token_ids.tolist()
    by_id = left.info.model == right.info.model and min(*ids[0], *ids[1], 0) == 0
    return ids if by_id else (left.info.tokens, right.info.tokens)


def aligned_positions(left: Sequence[str | int], right: Sequence[str | int]) -> Pairs:
    """Pairs of positions, ascending, whose tokens are equal or replace each other; the last is with the last.

    Between runs of equal tokens, two runs of different tokens correspond if they are equally long:
    `The capital of [France] is` and `The capital of [Germany] is`. The result is symmetric in the two sides.
    """
    if not left or not right:
        return ()
    if list(right) < list(left):
        return tuple((one, other) for other, one in aligned_positions(right, left))
    pairs = []
    before, behind = left[:-1], right[:-1]
    for tag, start, end, other, other_end in SequenceMatcher(None, before, behind, False).get_opcodes():
        if tag == "equal" or (tag == "replace" and end - start == other_end - other):
            pairs += zip(range(start, end), range(other, other_end), strict=True)
    return (*pairs, (len(before), len(behind)))


def matched_nodes(left: GraphArrays, right: GraphArrays, positions: Pairs) -> Pairs:
    """Pairs of nodes in the order of the left graph; no node is in two pairs.

    Features match if the feature is the same and the positions are aligned; model and dictionary must be the
    same. Errors need the same model only. Tokens match by position, targets by token id (by text where the
    models differ).
    """
    by_id = left.info.model == right.info.model
    keys = _keys(right, {position: position for position in range(len(right.info.tokens))}, by_id)
    node_of = {key: node for node, key in enumerate(keys) if key is not None}
    same_model = left.info.model == right.info.model and left.n_layers == right.n_layers
    matches = {NodeKind.FEATURE: same_model and same_features(left, right), NodeKind.ERROR: same_model}
    pairs = []
    for node, key in enumerate(_keys(left, dict(positions), by_id)):
        if key in node_of and matches.get(NodeKind(left.node_kind[node]), True):
            pairs.append((node, node_of.pop(key)))
    return tuple(pairs)


def _keys(graph: GraphArrays, other_position: dict[int, int], by_id: bool) -> list[tuple | None]:
    """A key for each node, with its position in the other prompt; None if it has none there.

    Ids are the same tokens only for one model; otherwise, and where a graph has no id, texts are compared.
    """
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
            named = by_id and target.token_id >= 0
            keys.append((kind, target.token_id, target.minus_id) if named else (kind, target.text))
        elif position not in other_position:
            keys.append(None)
        else:
            keys.append(
                (kind, other_position[position], *(() if kind == NodeKind.TOKEN else (layer, feature)))
            )
    return keys


def features_elsewhere(left: GraphArrays, right: GraphArrays, matched: Pairs) -> Pairs:
    """Pairs of nodes of one feature at positions that do not correspond, in the order of the left graph.

    Each node that has no partner, but whose feature is in the other graph, stands with the most influential
    node of that feature there; so a node can be in several pairs.
    """
    if left.info.model != right.info.model or not same_features(left, right):
        return ()
    strongest = [strongest_by_feature(graph) for graph in (left, right)]
    paired = [{pair[side] for pair in matched} for side in (0, 1)]
    pairs = set()
    for side, graph in enumerate((left, right)):
        for node in graph.of_kind(NodeKind.FEATURE).tolist():
            other = strongest[1 - side].get(_feature(graph, node))
            if node not in paired[side] and other is not None:
                pairs.add((node, other) if side == 0 else (other, node))
    return tuple(sorted(pairs))


def _feature(graph: GraphArrays, node: int) -> tuple[int, int]:
    return int(graph.node_layer[node]), int(graph.node_feature[node])


def strongest_by_feature(graph: GraphArrays) -> dict[tuple[int, int], int]:
    """The most influential node of every feature."""
    nodes, share = graph.of_kind(NodeKind.FEATURE), output_shares(graph)
    ranked = sorted(nodes.tolist(), key=lambda node: share[node])
    return {_feature(graph, node): node for node in ranked}
