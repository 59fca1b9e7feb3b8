"""Events of the library and its jobs, sent to every page that listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

MOST_UNREAD = 1000
"""A page with more unread events than this is cut off; it connects again and reads everything anew."""

EventName = Literal["job", "library", "annotations", "label"]


@dataclass(frozen=True)
class Event:
    """One message; its data is JSON."""

    name: EventName
    data: dict[str, Any]


class Events:
    """Passes events from any thread on to the listeners of the server's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Queue[Event | None], asyncio.AbstractEventLoop] = {}
        self._closed = False

    def publish(self, name: EventName, **data: Any) -> None:
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            try:
                loop.call_soon_threadsafe(_put, queue, Event(name, data))
            except RuntimeError:  # the loop has ended
                continue

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(_end, queue)

    async def listen(self) -> AsyncIterator[Event]:
        """All events from now on."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MOST_UNREAD + 1)
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


def _put(queue: asyncio.Queue[Event | None], event: Event) -> None:
    if queue.qsize() < MOST_UNREAD:
        queue.put_nowait(event)
    else:
        _end(queue)


def _end(queue: asyncio.Queue[Event | None]) -> None:
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
