"""Events of the library and its jobs, sent to every page that listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi.sse import ServerSentEvent

MOST_UNREAD = 1000
"""A page with more unread events than this is cut off; it connects again and reads everything anew."""

EventName = Literal["job", "library", "annotations", "label"]
Messages = asyncio.Queue[ServerSentEvent | None]
"""Unread events of one page; None after the last."""


class Events:
    """Passes events from any thread on to the listeners of the server's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[Messages, asyncio.AbstractEventLoop] = {}
        self._closed = False

    def publish(self, name: EventName, **data: Any) -> None:
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            try:
                loop.call_soon_threadsafe(_put, queue, ServerSentEvent(event=name, data=data))
            except RuntimeError:  # the loop has ended
                continue

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(_end, queue)

    async def listen(self) -> AsyncIterator[ServerSentEvent]:
        """All events from now on."""
        queue: Messages = asyncio.Queue(MOST_UNREAD + 1)
        with self._lock:
            if self._closed:
                return
            self._listeners[queue] = asyncio.get_running_loop()
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            with self._lock:
                self._listeners.pop(queue, None)


def _put(queue: Messages, event: ServerSentEvent) -> None:
    if queue.qsize() < MOST_UNREAD:
        queue.put_nowait(event)
    else:
        _end(queue)


def _end(queue: Messages) -> None:
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
