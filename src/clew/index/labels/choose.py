"""Which features a person wants labelled: those of a graph, or a list of names."""

from __future__ import annotations

import re

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind

NAME = re.compile(r"L?(\d{1,9})/(\d{1,18})")


def features_of_graph(graph: Graph) -> dict[tuple[int, int], bool]:
    """Features (layer, index), the most influential first, and whether they are negative in the graph.

    A feature's influence is what it has at all positions; its side is that of most of it.
    """
    influence: dict[tuple[int, int], float] = {}
    turned: dict[tuple[int, int], float] = {}
    for node in graph.of_kind(NodeKind.FEATURE).tolist():
        place = int(graph.node_layer[node]), int(graph.node_feature[node])
        if place[1] < 0:  # attention's features are not in an index
            continue
        found = float(graph.node_influence[node])
        influence[place] = influence.get(place, 0.0) + found
        turned[place] = turned.get(place, 0.0) + found * float(np.sign(graph.node_activation[node] or 0.0))
    order = sorted(influence, key=lambda place: -influence[place])
    return {place: turned[place] < 0 for place in order}


def features_named(names: str) -> list[tuple[int, int]]:
    """`L12/4031,L3/7`; raises `ClewError` for what is no feature's name."""
    found = []
    for name in filter(None, re.split(r"[,\s]+", names)):
        match = NAME.fullmatch(name)
        if match is None:
            raise ClewError(f"{name[:40]!r} is no feature; expected names such as L12/4031,L3/7.")
        found.append((int(match[1]), int(match[2])))
    return found
