"""What the server cannot do for a request: a sentence, and the HTTP status that says which kind it is."""

from __future__ import annotations

from clew.errors import ClewError


class RequestError(ClewError):
    """A `ClewError` with an HTTP status; any other `ClewError` is answered with 422."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def no_graph(graph: str) -> RequestError:
    return RequestError(404, f"There is no graph {graph[:40]!r} in this library; it may have been deleted.")
