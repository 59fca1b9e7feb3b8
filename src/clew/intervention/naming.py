"""Names of features, supernodes and labels as the features, and places, that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import Feature, Intervention, refuse_name, spelled


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
