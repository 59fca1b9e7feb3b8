"""How fast requests may be sent: never more requests or tokens in any minute than agreed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True)
class Sent:
    """A request that was, or will be, sent."""

    at: float
    """Seconds, on the clock of whoever sends it."""
    tokens: int


@dataclass(frozen=True)
class Limits:
    """For any minute; None for no limit."""

    requests: int | None = None
    tokens: int | None = None


def earliest(sent: Iterable[Sent], begin: float, tokens: int, limits: Limits) -> float:
    """When, from `begin` on, one more request keeps to the limits; `sent` are in order.

    One that is larger than a whole minute's tokens goes when no other is within a minute of it.
    """
    recent = deque(one for one in sent if one.at > begin - MINUTE)
    total = sum(one.tokens for one in recent)
    while recent and (
        (limits.requests is not None and len(recent) >= limits.requests)
        or (limits.tokens is not None and total + tokens > limits.tokens)
    ):
        oldest = recent.popleft()
        total -= oldest.tokens
        begin = max(begin, oldest.at + MINUTE)
    return begin


class Pace:
    """Lets several threads send in turn; what it waits with, and by which clock, is given."""

    def __init__(self, limits: Limits, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self.limits = limits
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._sent: deque[Sent] = deque()
        self._not_before = 0.0

    def wait(self, tokens: int) -> None:
        """Return when a request of so many tokens may be sent."""
        while True:
            with self._lock:
                now = self._clock()
                begin = max(now, self._not_before)
                at = earliest(self._sent, begin, tokens, self.limits)
                if at <= now:
                    self._sent.append(Sent(now, tokens))
                    while self._sent[0].at <= now - MINUTE:
                        self._sent.popleft()
                    return
            self._sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Send nothing for a while: the endpoint asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds)
