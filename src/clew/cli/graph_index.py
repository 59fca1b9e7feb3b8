"""The index that tells what a graph's features mean, where there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.graph.graph import Graph
    from clew.index.storage.index import Index


@contextmanager
def only_warned(*, strictly: bool = False) -> Iterator[None]:
    """An index that cannot be read is told on stderr, and what needs it left out; unless `strictly`."""
    try:
        yield
    except ClewError as error:
        if strictly:
            raise
        print(f"Warning: nothing is told from the index: {error}", file=sys.stderr)


def with_labels_found(graph: Graph) -> Graph:
    """The graph with the labels of the index in its usual place, if that can be read."""
    from clew.index.labels.graph_features import with_index_labels

    with only_warned():
        return with_index_labels(graph)
    return graph


@contextmanager
def index_for(graph: Graph, named: Path | None) -> Iterator[Index | None]:
    """The index that was named, or else the one in its usual place; None where there is none to be read.

    Raises `ClewError` where the one that was named cannot be read.
    """
    from clew.index.storage.index import open_index
    from clew.index.storage.locations import find_index

    place = named or find_index(graph.info.model, graph.info.dictionary)
    index = None
    with only_warned(strictly=named is not None):
        index = place and open_index(place)
    if index is None:
        yield None
        return
    with index:
        _warn_of_others(graph, index)
        yield index


def _warn_of_others(graph: Graph, index: Index) -> None:
    about, info = index.metadata, graph.info
    for kind, its, wanted in (
        ("model", about.model, info.model),
        ("dictionary", about.dictionary, info.dictionary),
    ):
        if its and wanted and its != wanted:
            print(f"Warning: {index.path} is of the {kind} {its}, the graph of {wanted}.", file=sys.stderr)
