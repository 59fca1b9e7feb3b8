"""Names of features, supernodes and labels as the features, and places, that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import TypeAlias

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.graph_compatibility import place_of
from clew.intervention.intervention import Feature, Intervention, refuse_name, spelled
from clew.intervention.prediction import Place


def with_names_resolved(interventions: Sequence[Intervention], graph: Graph | None) -> list[Intervention]:
    """The same interventions of features alone; one without positions applies where a name's nodes are.

    A supernode means its feature nodes, a label all feature nodes that carry it. Raises `ClewError` for a
    name that is unknown or means two things.
    """
    found = []
    for intervention in interventions:
        if not isinstance(intervention, Intervention):
            raise ClewError(
                f"{intervention} is no intervention; give Intervention(features, positions, how, value)."
            )
        names = [each for each in intervention.given if isinstance(each, str) and not Feature.named(each)]
        features = [each for each in intervention.given if each not in names]
        if features or not names:
            found.append(replace(intervention, features=features))
        for name in names:
            feature, position = spelled(name)
            if feature is None:
                found += _at_nodes(intervention, name, graph)
            elif intervention.positions is None:
                found.append(replace(intervention, features=feature, positions=position))
            else:
                raise ClewError(f"{name} names a position, and so does its intervention; leave one out.")
    return found


def _at_nodes(intervention: Intervention, name: str, graph: Graph | None) -> list[Intervention]:
    if graph is None:
        refuse_name(name)
    places: dict[Feature, list[int]] = {}
    for node in nodes_named(name, graph):
        feature = Feature(int(graph.node_layer[node]), int(graph.node_feature[node]))
        places.setdefault(feature, []).append(int(graph.node_position[node]))
    if intervention.positions is not None:
        return [replace(intervention, features=list(places))]
    return [replace(intervention, features=feature, positions=at) for feature, at in places.items()]


def is_name_of(name: str, graph: Graph) -> bool:
    """Whether a supernode or a label is called so."""
    return name in names_of(graph)


def nodes_named(name: str, graph: Graph) -> list[int]:
    """The feature nodes that a supernode or a label of a graph names."""
    supernodes = [members for given, members in graph.annotations.supernodes if given == name]
    labelled = [graph.node_id(node) for node in range(graph.n_nodes) if graph.label(node) == name]
    if len(supernodes) > 1:
        raise ClewError(f"The graph has {len(supernodes)} supernodes {name!r}; rename them or name features.")
    if supernodes and set(labelled) - set(supernodes[0]):
        raise ClewError(
            f"In the graph {name!r} is a supernode, and also the label of other nodes; rename one of them."
        )
    if not is_name_of(name, graph):
        refuse_name(name, f"The graph has no supernode and no label {name!r}; {_known(graph)}.")
    features = np.flatnonzero((graph.node_kind == NodeKind.FEATURE) & (graph.node_feature >= 0))
    nodes = {graph.node_id(node): node for node in features.tolist()}
    found = [nodes[member] for member in (supernodes[0] if supernodes else labelled) if member in nodes]
    if not found:
        raise ClewError(f"{name!r} holds no features of this graph, and nothing else can be changed.")
    return found


def _known(graph: Graph, most: int = 8) -> str:
    """What names there are, for the end of a message."""
    names = names_of(graph)
    if not names:
        return "it has no names at all, so name features such as L12/4031"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"it has {', '.join(map(repr, names[:most]))}{more}"


def names_of(graph: Graph) -> list[str]:
    """Of supernodes and labels, each once."""
    notes = graph.annotations
    names = [name for name, _ in notes.supernodes]
    return list(dict.fromkeys([*names, *notes.labels.values(), *notes.feature_labels.values()]))


PlaceLike: TypeAlias = "str | Feature | Place | tuple[Feature, int]"
"""`"L24/1005@5"`, `(24, 5, 1005)` (layer, position, index), `(Feature(24, 1005), 5)`; without a position the
feature at every position; of a graph also the id of a node, or the name of a supernode or a label."""


def places_named(
    given: PlaceLike | Sequence[PlaceLike], graph: Graph | None, positions: range
) -> list[Place]:
    """The places that are meant, each once; `positions` are those of a feature that names none.

    Raises `ClewError` for what names no place; whether there is such a feature is not looked at.
    """
    if isinstance(given, str | Feature) or (isinstance(given, tuple) and _is_place(given)):
        given = [given]  # type: ignore[list-item]
    if not isinstance(given, Sequence):
        raise _no_place(given)
    return list(dict.fromkeys(place for each in given for place in _places(each, graph, positions)))


def _places(given: object, graph: Graph | None, positions: range) -> list[Place]:
    match given:
        case str():
            return _of_text(given, graph, positions)
        case Feature():
            return [(given.layer, position, given.index) for position in positions]
        case (Feature() as feature, Integral() as position):
            return [(feature.layer, int(position), feature.index)]
        case (layer, position, index) if _is_place(given):
            return [(int(layer), int(position), int(index))]
    raise _no_place(given)


def _of_text(text: str, graph: Graph | None, positions: range) -> list[Place]:
    feature, position = spelled(text)
    if graph is not None and is_name_of(text, graph):
        return [place_of(graph, node) for node in nodes_named(text, graph)]
    if feature is not None:
        end = positions.stop
        chosen = positions if position is None else [position + end if -end <= position < 0 else position]
        return [(feature.layer, place, feature.index) for place in chosen]
    if graph is None:
        refuse_name(text)
    ids = {graph.node_id(node): node for node in graph.of_kind(NodeKind.FEATURE).tolist()}
    nodes = [ids[text]] if text in ids else nodes_named(text, graph)
    return [place_of(graph, node) for node in nodes]


def _is_place(given: object) -> bool:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return False
    numbers = given[1:] if len(given) == 2 and isinstance(given[0], Feature) else given
    expected = 1 if numbers is not given else 3
    return len(numbers) == expected and all(
        isinstance(each, Integral) and not isinstance(each, bool) for each in numbers
    )


def _no_place(given: object) -> ClewError:
    return ClewError(
        f"{given!r} is no feature at a position: give 'L24/1005@5', (layer, position, index), "
        "(Feature, position), or of a graph the id of a node or the name of a supernode."
    )
