"""Limits of requests and tokens in any minute, by a clock that moves only when somebody sleeps."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.index.labels.rate_limits import (
    MINUTE,
    Budget,
    CapReached,
    Pacer,
    Prices,
    RateLimits,
    SentRequest,
    earliest,
)

from .stand_in_endpoint import Clock


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 120)), max_size=30),
    st.integers(1, 4),
    st.integers(100, 300),
)
def test_no_minute_ever_holds_more_than_agreed(asked: list[tuple[float, int]], requests: int, tokens: int):
    limits, now, sent = RateLimits(requests, tokens), 0.0, []
    for gap, size in asked:
        now = earliest(sent, now + gap, size, limits)
        sent.append(SentRequest(now, size))
    for one in sent:
        minute = [other for other in sent if one.at <= other.at < one.at + MINUTE - 1e-6]
        assert len(minute) <= requests
        assert sum(other.tokens for other in minute) <= tokens or len(minute) == 1


def test_without_limits_nobody_waits():
    assert earliest([SentRequest(0.0, 10**9)] * 1000, 0.0, 10**9, RateLimits()) == 0.0


def test_a_pace_sleeps_as_long_as_it_must():
    clock = Clock()
    pace = Pacer(RateLimits(requests=2), clock, clock.sleep)
    for _ in range(5):
        pace.wait(1)
    assert clock.slept == [60.0, 60.0]


def test_a_pause_holds_for_every_request():
    clock = Clock()
    pace = Pacer(RateLimits(), clock, clock.sleep)
    pace.pause(30)
    pace.pause(10)
    pace.wait(1)
    pace.wait(1)
    assert clock.slept == [30.0]


def test_threads_share_a_pace():
    clock = Clock()
    pace = Pacer(RateLimits(requests=5), clock, clock.sleep)
    threads = [threading.Thread(target=pace.wait, args=(1,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now >= 1000 + 3 * MINUTE


def test_money_under_way_counts_until_it_is_settled():
    budget = Budget(Prices(1e6, 1e6), max_cost=10)
    first, second = budget.reserve(3, 2), budget.reserve(2, 2)
    waiting = threading.Thread(target=budget.reserve, args=(4, 1))
    waiting.start()
    budget.settle(first, 1, 0)
    waiting.join(5)
    assert not waiting.is_alive(), "5 of 10 were set aside, 1 was spent"
    budget.settle(second, 2, 2)
    budget.settle(5.0, 4, 1)
    assert budget.spent.cost == 10
    with pytest.raises(CapReached, match="the cap of 10 for all requests"):
        budget.reserve(1, 0)


def test_requests_are_counted_exactly_by_many_threads():
    budget = Budget(Prices(), max_requests=50)
    refused = []

    def spend() -> None:
        for _ in range(20):
            try:
                budget.settle(budget.reserve(1, 1), 1, 1)
            except CapReached:
                refused.append(1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (budget.spent.requests, budget.spent.read, len(refused)) == (50, 50, 110)
