"""Labels, supernodes and pins that a person adds to a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from clew.errors import ClewError
from clew.feature import Feature, suggestion
from clew.graph.arrays import G, GraphArrays
from clew.utf8 import check_text


def annotate(
    graph: G,
    *,
    labels: Mapping[str, str] | None = None,
    supernodes: Mapping[str, Sequence[str]] | None = None,
    pins: Iterable[str] = (),
    feature_labels: Mapping[str, str] | None = None,
) -> G:
    """The same graph with annotations added to its own; see `Graph.annotate`."""
    notes, nodes = graph.annotations, _ids(graph)
    node_labels = dict(notes.labels)
    for node, text in _pairs("labels", labels):
        node_labels[node_id(nodes, node)] = _text(text, f"The label of {node}")
    groups = dict(notes.supernodes)
    for name, members in _pairs("supernodes", supernodes):
        if not _text(name, "The name of a supernode"):
            raise ClewError("A supernode needs a name; give it one.")
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise ClewError(f"The members of supernode {name!r} are {members!r}; give a list of nodes.")
        groups[name] = tuple(dict.fromkeys(node_id(nodes, member) for member in members))
    features = dict(notes.feature_labels)
    for name, text in _pairs("feature_labels", feature_labels):
        if Feature.match(str(name)) is None:
            raise ClewError(
                f"{name!r} is not a feature; name one as L24/1005. Use labels for a node at a position."
            )
        features[name] = _text(text, f"The label of {name}")
    if isinstance(pins, str):
        raise ClewError(f"pins is {pins!r}; give a list of nodes.")
    pinned = dict.fromkeys([*notes.pins, *(node_id(nodes, node) for node in pins)])
    groups = {name: members for name, members in groups.items() if members}
    return replace(
        graph,
        annotations=replace(
            notes,
            labels={node: text for node, text in node_labels.items() if text},
            supernodes=tuple(groups.items()),
            pins=tuple(pinned),
            feature_labels={name: text for name, text in features.items() if text},
            supernode_colors={name: c for name, c in notes.supernode_colors.items() if name in groups},
            supernode_places={name: p for name, p in notes.supernode_places.items() if name in groups},
        ),
    )


def node_id(ids: Mapping[str, str], node: str) -> str:
    """The id of a node that is named by id or by name; `ids` is the result of `_ids`."""
    if isinstance(node, str) and node in ids:
        return ids[node]
    raise ClewError(
        f"The graph has no node {node!r}. Give an id such as 24_1005_5 or a name such as L24/1005@5; "
        f"pruning may have removed the node.{suggestion(str(node))}"
    )


def _ids(graph: GraphArrays) -> dict[str, str]:
    """The id of each node, by id and by name."""
    ids = graph.node_ids
    names = {graph.node_name(node): given for node, given in enumerate(ids)}
    return names | {given: given for given in ids}


def _pairs(option: str, value: object) -> list[tuple]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise ClewError(f"{option} is {value!r}; give a dictionary.")
    return list(value.items())


def _text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise ClewError(f"{what} is {text!r}; give a text.")
    return check_text(text, what)
