"""Open indexes, found by the model and the dictionary of a graph."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.index.labels.graph_features import with_index_labels
from clew.index.storage.index import Index, open_index
from clew.index.storage.locations import find_index
from clew.index.storage.metadata import check_weights
from clew.server.errors import RequestError

ModelAndDictionary = tuple[str, str]
FileId = tuple[int, int]
"""Device and inode, which differ for a file that took another's place."""


class Indexes:
    """Indexes that were named (`ClewError` for a file that is none), and those in their usual place."""

    def __init__(self, named: Sequence[Path] = ()) -> None:
        self._named: dict[ModelAndDictionary, Path] = {}
        for path in named:
            with open_index(path) as index:
                self._named[index.metadata.model, index.metadata.dictionary] = path
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[FileId, Index]] = {}

    def of(self, graph: Graph) -> Index | None:
        """The index of a graph's features; raises `ClewError` where it cannot be read."""
        path = self._path(graph)
        if path is None:
            return None
        with self._lock:
            try:
                status = path.stat()
            except OSError:
                return None
            file_id = status.st_dev, status.st_ino
            opened = self._open.get(path)
            if opened is None or opened[0] != file_id or not opened[1].metadata.complete:
                opened = self._open[path] = file_id, open_index(path)
        check_weights(opened[1].metadata, graph.info.settings, path)
        return opened[1]

    def required(self, graph: Graph) -> Index:
        """The index of a graph's features; raises `RequestError` where there is none."""
        index = self.of(graph)
        if index is None:
            names = f"{graph.info.model} with {graph.info.dictionary}"
            raise RequestError(404, f"There is no index of {names} yet; make one with clew index.")
        return index

    def readable(self, graph: Graph) -> Index | None:
        """The index of a graph's features; None where there is none, or where it cannot be read."""
        try:
            return self.of(graph)
        except ClewError:
            return None

    def with_labels(self, graph: Graph) -> Graph:
        """The graph with its index's labels of features, where there is an index."""
        index = self.readable(graph)
        return graph if index is None else with_index_labels(graph, index)

    @contextmanager
    def writable(self, graph: Graph) -> Iterator[Index]:
        """The index of a graph's features, open to change labels."""
        self.required(graph)
        path = self._path(graph, to_change=True)
        assert path is not None  # one was found just before
        with open_index(path, writable=True) as index:
            yield index

    def close(self) -> None:
        with self._lock:
            for _, index in self._open.values():
                index.close()
            self._open.clear()

    def _path(self, graph: Graph, *, to_change: bool = False) -> Path | None:
        names = graph.info.model, graph.info.dictionary
        return self._named.get(names) or find_index(*names, to_change=to_change)
