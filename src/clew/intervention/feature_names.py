"""Features that a user names: by feature names, node ids, supernodes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

import numpy as np

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import FeatureAtLike, Intervention, feature_named, refuse_name


def resolve_names(interventions: Sequence[Intervention], graph: Graph | None) -> list[Intervention]:
    """The same interventions with features in place of names.

    A supernode means its feature nodes, a label all feature nodes that carry it; an intervention without
    positions applies where these nodes are. Raises `ClewError` for a name that is unknown or ambiguous.
    """
    resolved = []
    for intervention in interventions:
        if not isinstance(intervention, Intervention):
            raise ClewError(
                f"{intervention} is not an intervention; give Intervention(features, positions, how, value)."
            )
        names = [each for each in intervention.given if isinstance(each, str) and not Feature.match(each)]
        features = [each for each in intervention.given if each not in names]
        if features or not names:
            resolved.append(replace(intervention, features=features))
        for name in names:
            named = feature_named(name)
            if not isinstance(named, FeatureAt):
                resolved += _at_nodes(intervention, name, graph)
            elif intervention.positions is None:
                resolved.append(replace(intervention, features=named.feature, positions=named.position))
            else:
                raise ClewError(f"{name} has a position, and so does its intervention; leave one out.")
    return resolved


def _at_nodes(intervention: Intervention, name: str, graph: Graph | None) -> list[Intervention]:
    if graph is None:
        refuse_name(name)
    positions: dict[Feature, list[int]] = {}
    for feature in _features_of(name, graph):
        positions.setdefault(feature.feature, []).append(feature.position)
    if intervention.positions is not None:
        return [replace(intervention, features=list(positions))]
    return [replace(intervention, features=feature, positions=at) for feature, at in positions.items()]


def _features_of(name: str, graph: Graph) -> list[FeatureAt]:
    """The features of a supernode or a label."""
    supernodes = [members for given, members in graph.annotations.supernodes if given == name]
    labelled = [graph.node_id(node) for node in range(graph.n_nodes) if graph.label(node) == name]
    if len(supernodes) > 1:
        raise ClewError(
            f"The graph has {len(supernodes)} supernodes {name!r}; rename them, or name their features."
        )
    if supernodes and set(labelled) - set(supernodes[0]):
        raise ClewError(
            f"In the graph {name!r} is a supernode, and also the label of other nodes; rename one of them."
        )
    names = names_of(graph)
    if name not in names:
        refuse_name(name, f"The graph has no supernode and no label {name!r}; {_listed(names)}.")
    nodes = np.flatnonzero((graph.node_kind == NodeKind.FEATURE) & (graph.node_feature >= 0))
    features = {graph.node_id(node): graph.feature_at(node) for node in nodes.tolist()}
    members = [features[id] for id in (supernodes[0] if supernodes else labelled) if id in features]
    if not members:
        raise ClewError(f"{name!r} holds no features of this graph; only features can be changed.")
    return members


def _listed(names: Sequence[str], most: int = 8) -> str:
    """The names of a graph, for the end of a message."""
    if not names:
        return "it has no names at all, so name features such as L12/4031"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"it has {', '.join(map(repr, names[:most]))}{more}"


def names_of(graph: Graph) -> list[str]:
    """The names of supernodes and the labels of a graph, each once."""
    notes = graph.annotations
    names = [name for name, _ in notes.supernodes]
    return list(dict.fromkeys([*names, *notes.labels.values(), *notes.feature_labels.values()]))


def features_at(
    given: FeatureAtLike | Sequence[FeatureAtLike], graph: Graph | None, positions: range
) -> list[FeatureAt]:
    """The features at positions that are meant, each once; those without a position are at all `positions`.

    Raises `ClewError` for other values. The dictionary may lack the features: this is not checked.
    """
    if isinstance(given, str | Feature | FeatureAt) or (isinstance(given, tuple) and _as_tuple(given)):
        given = [given]  # type: ignore[list-item]
    if not isinstance(given, Sequence):
        raise _not_a_feature(given)
    return list(dict.fromkeys(feature for each in given for feature in _meant(each, graph, positions)))


def _meant(given: object, graph: Graph | None, positions: range) -> list[FeatureAt]:
    match given:
        case str():
            return _meant_by_text(given, graph, positions)
        case Feature():
            return [given.at(position) for position in positions]
        case FeatureAt():
            return [given]
    if (feature := _as_tuple(given)) is None:
        raise _not_a_feature(given)
    return [feature]


def _meant_by_text(text: str, graph: Graph | None, positions: range) -> list[FeatureAt]:
    if graph is not None and text in names_of(graph):
        return _features_of(text, graph)
    match feature_named(text):
        case Feature() as feature:
            return [feature.at(position) for position in positions]
        case FeatureAt() as feature:
            from_end = -positions.stop <= feature.position < 0
            return [replace(feature, position=feature.position + positions.stop) if from_end else feature]
    if graph is None:
        refuse_name(text)
    for node in graph.of_kind(NodeKind.FEATURE).tolist():
        if graph.node_id(node) == text:
            return [graph.feature_at(node)]
    return _features_of(text, graph)


def _as_tuple(given: object) -> FeatureAt | None:
    """The feature of `(layer, position, index)` or `(feature, position)`; None for other values."""
    match given:
        case (Feature() as feature, Integral() as position) if not isinstance(position, bool):
            return feature.at(int(position))
        case (Integral(), Integral(), Integral()) if not any(isinstance(number, bool) for number in given):
            return FeatureAt(*map(int, given))
    return None


def _not_a_feature(given: object) -> ClewError:
    return ClewError(
        f"{given!r} is not a feature at a position; give 'L24/1005@5', Feature(24, 1005).at(5), (layer, "
        "position, index), or, with a graph, a node's id or the name of a supernode."
    )
