"""The indexes that say what the features of graphs fire on, kept open."""

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
from clew.server.errors import RequestError

Pair = tuple[str, str]
"""A model's name and a dictionary's."""
Mark = tuple[int, int]
"""Device and inode: another one is another file."""


class Indexes:
    """Those named when the server began, and those in their usual place, whenever they come there."""

    def __init__(self, named: Sequence[Path] = ()) -> None:
        """Raises `ClewError` where a file that is named is no index."""
        self._named: dict[Pair, Path] = {}
        for path in named:
            with open_index(path) as index:
                self._named[index.metadata.model, index.metadata.dictionary] = path
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[Mark, Index]] = {}

    def of(self, graph: Graph) -> Index | None:
        """The index of a graph's features, if there is one; raises `ClewError` where it cannot be read."""
        path = self._place(graph)
        if path is None:
            return None
        with self._lock:
            try:
                found = path.stat()
            except OSError:
                return None
            mark = found.st_dev, found.st_ino
            known = self._open.get(path)
            if known is None or known[0] != mark or not known[1].metadata.complete:
                known = self._open[path] = mark, open_index(path)
            return known[1]

    def needed(self, graph: Graph) -> Index:
        """The same; raises `RequestError` where there is none."""
        found = self.of(graph)
        if found is None:
            raise RequestError(404, no_index(graph))
        return found

    def readable(self, graph: Graph) -> Index | None:
        """The same; None where it cannot be read, too."""
        try:
            return self.of(graph)
        except ClewError:
            return None

    def named(self, graph: Graph) -> Graph:
        """The graph with what its index calls features, where there is one."""
        found = self.readable(graph)
        return graph if found is None else with_index_labels(graph, found)

    @contextmanager
    def to_label(self, graph: Graph) -> Iterator[Index]:
        """The index of a graph's features, open to change labels."""
        self.needed(graph)
        path = self._place(graph, to_change=True)
        assert path is not None  # one was found just before
        with open_index(path, writable=True) as index:
            yield index

    def close(self) -> None:
        with self._lock:
            for _, index in self._open.values():
                index.close()
            self._open.clear()

    def _place(self, graph: Graph, *, to_change: bool = False) -> Path | None:
        pair = graph.info.model, graph.info.dictionary
        return self._named.get(pair) or find_index(*pair, to_change=to_change)


def no_index(graph: Graph) -> str:
    model, dictionary = graph.info.model, graph.info.dictionary
    return f"There is no index of {model} with {dictionary} yet; make one with clew index."
