"""Features at positions, whatever they are named by."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TypeAlias

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.again import place_of
from clew.intervention.intervention import Feature, refuse_name, spelled
from clew.intervention.naming import is_name_of, nodes_named
from clew.intervention.prediction import Place

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
