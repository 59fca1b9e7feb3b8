"""The index of a graph's features, where there is one."""

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
def index_errors_as_warnings(*, strictly: bool = False) -> Iterator[None]:
    """Turn the error of an index that cannot be read into a warning on stderr, unless `strictly`."""
    try:
        yield
    except ClewError as error:
        if strictly:
            raise
        print(f"Warning: the index is not used: {error}", file=sys.stderr)


def with_labels_of_index(graph: Graph) -> Graph:
    """The graph with labels from the index in its usual place, if that can be read."""
    from clew.index.labels.graph_features import with_index_labels

    with index_errors_as_warnings():
        return with_index_labels(graph)
    return graph


@contextmanager
def index_of_graph(graph: Graph, path: Path | None) -> Iterator[Index | None]:
    """The index at `path`, or else the one in its usual place; None if that cannot be read.

    Raises `ClewError` if the one at `path` cannot be read.
    """
    from clew.index.storage.locations import find_index

    location = path or find_index(graph.info.model, graph.info.dictionary)
    index = None
    with index_errors_as_warnings(strictly=path is not None):
        index = location and _opened(location, graph)
    if index is None:
        yield None
        return
    with index:
        warn_of_differences(graph, index)
        yield index


def _opened(path: Path, graph: Graph) -> Index:
    from clew.index.storage.index import open_index
    from clew.index.storage.metadata import check_weights

    index = open_index(path)
    try:
        check_weights(index.metadata, graph.info.settings, path)
    except ClewError:
        index.close()
        raise
    return index


def open_graph_of_index(index: Index, file: str) -> Graph:
    """A graph whose features an index should have; warns where the two name different models.

    Raises `ClewError` where the index has none of its features, or is of other weights.
    """
    from clew.graph.reader import open_graph
    from clew.index.labels.graph_features import features_of
    from clew.index.storage.metadata import check_weights

    graph = open_graph(file)
    check_weights(index.metadata, graph.info.settings, index.path)
    features = features_of(graph)
    if features and not any(feature in index for feature in features):
        raise ClewError(f"{index.path} has no feature of {file}; it is of another dictionary.")
    warn_of_differences(graph, index)
    return graph


def warn_of_differences(graph: Graph, index: Index) -> None:
    """Warn on stderr where an index and a graph name different models or dictionaries."""
    from clew.index.labels.graph_features import sink_note

    metadata, info = index.metadata, graph.info
    for kind, of_index, of_graph in (
        ("model", metadata.model, info.model),
        ("dictionary", metadata.dictionary, info.dictionary),
    ):
        if of_index and of_graph and of_index != of_graph:
            print(
                f"Warning: {index.path} has the {kind} {of_index}, but the graph has {of_graph}.",
                file=sys.stderr,
            )
    if note := sink_note(graph, index):
        print(f"Warning: {note}", file=sys.stderr)
