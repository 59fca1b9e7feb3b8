"""What labelling may cost at most, and what it has cost; no request is sent that could exceed it."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in whatever currency."""

    read: float = 0.0
    written: float = 0.0

    def of(self, read: float, written: float) -> float:
        return (read * self.read + written * self.written) / 1e6


@dataclass(frozen=True)
class Spent:
    """All requests so far, those that failed included."""

    requests: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0


class CapReached(Exception):
    """The next request would exceed a cap; the message says which."""


class Budget:
    """Counts for several threads at once; `--max-requests` and `--max-cost` are never exceeded.

    A request is counted when it is sent, and its highest possible price is set aside until it is answered.
    One that was answered by nothing at all (it took too long) may be charged for, so all of that counts.
    """

    def __init__(
        self, prices: Prices, max_requests: int | None = None, max_cost: float | None = None
    ) -> None:
        self.prices, self.max_requests, self.max_cost = prices, max_requests, max_cost
        self._changed = threading.Condition()
        self._spent = Spent()
        self._under_way: list[float] = []

    @property
    def spent(self) -> Spent:
        with self._changed:
            return self._spent

    @property
    def requests_left(self) -> float:
        """Infinite where there is no cap."""
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
                if self.max_cost is None or self._promised() + price <= self.max_cost:
                    break
                if not self._under_way:
                    raise CapReached(f"the cap of {self.max_cost:g} for all requests")
                self._changed.wait()
            self._spent = Spent(
                self._spent.requests + 1, self._spent.read, self._spent.written, self._spent.cost
            )
            self._under_way.append(price)
        return price

    def settle(self, reserved: float, read: int, written: int, cost: float | None = None) -> None:
        """What a request has used; `cost` where it is known better than from the prices."""
        with self._changed:
            self._under_way.remove(reserved)
            so_far = self._spent
            self._spent = Spent(
                so_far.requests,
                so_far.read + read,
                so_far.written + written,
                so_far.cost + (self.prices.of(read, written) if cost is None else cost),
            )
            self._changed.notify_all()

    def _promised(self) -> float:
        return self._spent.cost + sum(self._under_way)
