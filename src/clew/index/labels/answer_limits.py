"""Limits of an endpoint's answers: their bytes and seconds, as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

MOST_BYTES = 4 * 2**20
"""Bytes of an answer; one of a thousand tokens has some thousands."""


class EndlessAnswer(Exception):
    """An answer that does not end within its limits; the message says which."""


def limited_client(seconds: float) -> Any:
    """A client for openai whose every answer, an error too, has `MOST_BYTES` and some seconds at most."""
    from openai import DefaultHttpxClient

    # openai changed from httpx to its successor, which has the same names.
    http: Any = import_module(DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    class Limited(http.SyncByteStream):
        def __init__(self, response: Any) -> None:
            self._stream, self._request = response.stream, response.request

        def __iter__(self) -> Iterator[bytes]:
            begun, size = time.monotonic(), 0
            for piece in self._stream:
                size += len(piece)
                if size > MOST_BYTES:
                    raise EndlessAnswer(f"it has more than {MOST_BYTES:,} bytes")
                if time.monotonic() - begun > seconds:
                    raise http.ReadTimeout("the answer does not end", request=self._request)
                yield piece

        def close(self) -> None:
            self._stream.close()

    def limit(response: Any) -> None:
        if (coding := response.headers.get("content-encoding", "identity")) != "identity":
            raise EndlessAnswer(f"it is packed ({coding[:40]}), which nobody asked for")
        response.stream = Limited(response)

    # Packed bytes could grow a thousand times.
    return DefaultHttpxClient(
        timeout=seconds, headers={"accept-encoding": "identity"}, event_hooks={"response": [limit]}
    )
