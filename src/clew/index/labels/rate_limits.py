"""Limits of labelling: requests and tokens in any minute, and requests and money in all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

MINUTE = 60.0


class SentRequest(NamedTuple):
    """A request that was sent, or will be."""

    at: float
    """Seconds, on the sender's clock."""
    tokens: int


@dataclass(frozen=True)
class RateLimits:
    """The most requests and tokens in any minute; None for no limit."""

    requests: int | None = None
    tokens: int | None = None


def earliest(sent: Iterable[SentRequest], begin: float, tokens: int, limits: RateLimits) -> float:
    """The first time from `begin` on at which a request of so many tokens keeps the limits.

    A request of more tokens than a minute allows goes when no other one is within a minute of it.
    """
    recent = deque(request for request in sent if request.at > begin - MINUTE)
    total = sum(request.tokens for request in recent)
    while recent and (
        (limits.requests is not None and len(recent) >= limits.requests)
        or (limits.tokens is not None and total + tokens > limits.tokens)
    ):
        oldest = recent.popleft()
        total -= oldest.tokens
        begin = max(begin, oldest.at + MINUTE)
    return begin


class Pacer:
    """Makes several threads wait, so that together they keep rate limits."""

    def __init__(
        self, limits: RateLimits, clock: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        self.sleep = sleep
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._sent: deque[SentRequest] = deque()
        self._not_before = 0.0

    def wait(self, tokens: int) -> None:
        """Return when a request of so many tokens may be sent."""
        while True:
            with self._lock:
                now = self._clock()
                at = earliest(self._sent, max(now, self._not_before), tokens, self._limits)
                if at <= now:
                    self._sent.append(SentRequest(now, tokens))
                    while self._sent[0].at <= now - MINUTE:
                        self._sent.popleft()
                    return
            self.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Send nothing for a while, because the endpoint asks for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in any currency."""

    read: float = 0.0
    written: float = 0.0

    def of(self, read: float, written: float) -> float:
        return (read * self.read + written * self.written) / 1e6


@dataclass(frozen=True)
class Spent:
    """Requests, tokens and money spent so far, also on failed requests."""

    requests: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0


class CapReached(Exception):
    """The next request would exceed a cap; the message names the cap."""


class Budget:
    """Counts requests and money for several threads, and never exceeds `max_requests` and `max_cost`.

    A request counts when it is sent, and its highest possible price is set aside until it is answered. An
    endpoint may charge for a request that timed out, so the whole price of such a request counts.
    """

    def __init__(
        self, prices: Prices, max_requests: int | None = None, max_cost: float | None = None
    ) -> None:
        self.prices, self.max_requests, self.max_cost = prices, max_requests, max_cost
        self._changed = threading.Condition()
        self._spent = Spent()
        self._reserved: list[float] = []

    @property
    def spent(self) -> Spent:
        with self._changed:
            return self._spent

    @property
    def requests_left(self) -> float:
        """The requests that may still be sent; infinite without a cap."""
        return float("inf") if self.max_requests is None else self.max_requests - self.spent.requests

    def reserve(self, read: int, written: int) -> float:
        """Count one request of at most so many tokens; returns the price to give back to `settle`.

        Waits for requests under way where their price decides. Raises `CapReached`.
        """
        price = self.prices.of(read, written)
        with self._changed:
            while True:
                if self.max_requests is not None and self._spent.requests >= self.max_requests:
                    raise CapReached(f"the cap of {self.max_requests:,} requests")
                if self.max_cost is None or self._spent.cost + sum(self._reserved) + price <= self.max_cost:
                    break
                if not self._reserved:
                    raise CapReached(f"the cap of {self.max_cost:g} for all requests")
                self._changed.wait()
            self._spent = replace(self._spent, requests=self._spent.requests + 1)
            self._reserved.append(price)
        return price

    def settle(self, reserved: float, read: int, written: int, cost: float | None = None) -> None:
        """Record what a request used; `cost` is by default that of its tokens."""
        with self._changed:
            self._reserved.remove(reserved)
            so_far = self._spent
            self._spent = replace(
                so_far,
                read=so_far.read + read,
                written=so_far.written + written,
                cost=so_far.cost + (self.prices.of(read, written) if cost is None else cost),
            )
            self._changed.notify_all()
