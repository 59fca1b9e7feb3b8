"""One question to an endpoint, in every way that it can fail; nobody waits: the clock is made up."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from clew.errors import ClewError
from clew.index.labels.answer_limits import MOST_BYTES
from clew.index.labels.endpoint import (
    ANSWER_TOKENS,
    ATTEMPTS,
    ChatModel,
    Endpoint,
    NoAnswer,
    Stopped,
    read_retry_after,
    sleep_until,
)
from clew.index.labels.prompts import Malformed, size
from clew.index.labels.rate_limits import Budget, CapReached, Pacer, Prices, RateLimits, Spent

from .stand_in_endpoint import Answer, Clock, Request, Speaker, problem, said, serving

MESSAGES = [{"role": "system", "content": "task"}, {"role": "user", "content": '{"texts":[]}'}]
FINE = said("fine")


def in_turn(answers: list[Answer]) -> Speaker:
    """One after the other; the last for good."""
    return lambda request, before: answers[min(before, len(answers) - 1)]


class Talk:
    """The outcome of one question."""

    def __init__(self, speak: Speaker | list[Answer], budget: Budget | None = None, **service: Any) -> None:
        self.clock, self.budget = Clock(), budget or Budget(Prices(1.0, 2.0))
        with serving(in_turn(speak) if isinstance(speak, list) else speak) as server:
            self.server = server
            pace = Pacer(RateLimits(), self.clock, self.clock.sleep)
            self.endpoint = Endpoint(ChatModel(server.url, "stand-in", **service), pace, self.budget)
            self.text, self.error = "", None
            try:
                self.text = self.endpoint.ask(MESSAGES)
            except Exception as error:
                self.error = error

    @property
    def requests(self) -> list[Request]:
        return self.server.requests


def test_a_question_is_answered():
    talk = Talk([FINE], key="secret")
    assert (talk.text, talk.error, talk.clock.slept) == ("fine", None, [])
    (request,) = talk.requests
    assert (request.path, request.key) == ("/v1/chat/completions", "Bearer secret")
    assert request.body == {
        "model": "stand-in",
        "messages": MESSAGES,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
    }
    spent = talk.budget.spent
    assert spent == Spent(1, 100, 10, spent.cost)
    assert spent.cost == pytest.approx(120e-6)


def test_a_key_is_not_shown():
    assert "secret" not in repr(ChatModel("http://localhost/v1", "m", "secret"))


def test_retry_after_is_honoured():
    talk = Talk([problem(429, "slow down", retry_after="17"), FINE])
    assert talk.text == "fine"
    assert talk.clock.slept == [17.0]


def test_too_fast_without_a_time_waits_longer_each_time():
    talk = Talk([problem(429), problem(429), problem(429), FINE])
    assert talk.text == "fine"
    assert talk.clock.slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
def test_a_servers_fault_is_asked_again(status: int):
    talk = Talk([problem(status), FINE])
    assert talk.text == "fine"
    assert talk.clock.slept == [1.0]


def test_a_server_that_stays_broken():
    talk = Talk([problem(500, "out of\x1b[2J memory\n" + "x" * 5000)])
    assert isinstance(talk.error, NoAnswer)
    assert str(talk.error).startswith("500: out of [2J memory xxx")
    assert len(str(talk.error)) < 220
    assert len(talk.requests) == ATTEMPTS == talk.budget.spent.requests
    assert talk.budget.spent.cost == 0, "nobody is charged for what failed"


def test_slow_is_asked_again_and_counted_as_if_charged():
    talk = Talk([Answer(silent=True), FINE], timeout=0.1)
    assert talk.text == "fine"
    most = (size(MESSAGES) + 50 + 2 * ANSWER_TOKENS) / 1e6
    assert (talk.budget.spent.requests, talk.budget.spent.read) == (2, 100)
    assert talk.budget.spent.cost == pytest.approx(120e-6 + most)


def test_always_slow():
    talk = Talk([Answer(silent=True)], timeout=0.05)
    assert isinstance(talk.error, NoAnswer)
    assert str(talk.error) == "no answer within 0.05 s"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the answer is not JSON"),
        (b"<html>gateway</html>", "the answer is a web page, so the address may be wrong"),
        (b'{"choices": [', "the answer is not JSON"),
        (b"[" * 100_000, "the answer is not JSON"),
        (b"\xff\xfe\x00", "the answer is not JSON"),
        (b"null", "the answer holds no text"),
        (b"[]", "the answer holds no text"),
        (b'{"choices": []}', "the answer holds no text"),
        (b'{"choices": null}', "the answer holds no text"),
        (b'{"choices": "text"}', "the answer holds no text"),
        (b'{"choices": [{"message": "text"}]}', "the answer holds no text"),
        (b'{"choices": [{"message": {"content": null}}]}', "the answer holds no text"),
        (b'{"choices": [{"message": {"content": ["a"]}}]}', "the answer holds no text"),
    ],
)
def test_answers_that_are_none_are_not_asked_for_again(body: bytes, told: str):
    talk = Talk([Answer(body)])
    assert isinstance(talk.error, Malformed)
    assert str(talk.error) == told
    assert len(talk.requests) == 1


def test_an_answer_that_was_cut_off():
    choice = {"finish_reason": "length", "message": {"content": '{"label": "ca'}}
    talk = Talk([Answer(json.dumps({"choices": [choice]}).encode())])
    assert isinstance(talk.error, Malformed)


@pytest.mark.parametrize("used", [None, "many", {"prompt_tokens": -5, "completion_tokens": True}, {}, [1]])
def test_usage_that_cannot_be_counts_as_the_most_it_can_be(used: object):
    talk = Talk([said("fine", usage=used)])
    assert talk.text == "fine"
    assert talk.budget.spent.cost == pytest.approx((size(MESSAGES) + 50 + 2 * ANSWER_TOKENS) / 1e6)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (problem(401, "bad key"), r"refused the key \(401: bad key\); no key was sent"),
        (problem(403, "not you"), r"refused the key \(403: not you\); no key was sent"),
        (problem(404, "unknown"), r"has no model 'stand-in' \(404: unknown\)\."),
        (problem(429, "pay", code="insufficient_quota"), r"is used up \(pay\)\."),
        (
            problem(429, "tomorrow", retry_after="86400"),
            r"a pause of 1440 minutes; start again then\.",
        ),
    ],
)
def test_what_would_go_wrong_every_time(answer: Answer, told: str):
    talk = Talk([answer])
    assert isinstance(talk.error, ClewError)
    with pytest.raises(ClewError, match=told):
        raise talk.error
    assert len(talk.requests) == 1


def test_a_question_that_is_refused():
    talk = Talk([problem(400, "too long")])
    assert isinstance(talk.error, NoAnswer)
    assert str(talk.error) == "400: too long"
    assert len(talk.requests) == 1


def test_newer_models_want_other_words():
    def picky(request: Request, before: int) -> Answer:
        if "max_tokens" in request.body:
            return problem(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "temperature" in request.body:
            return problem(400, "Unsupported value: 'temperature' does not support 0.")
        return FINE

    talk = Talk(picky)
    assert talk.text == "fine"
    assert talk.clock.slept == []
    assert talk.requests[-1].body["max_completion_tokens"] == ANSWER_TOKENS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(b" " * (MOST_BYTES + 1)), "it has more than 4,194,304 bytes; check the address."),
        (Answer(b" " * (MOST_BYTES + 1), status=400), "it has more than 4,194,304 bytes"),
        (Answer(gzip.compress(FINE.body), headers={"content-encoding": "gzip"}), "it is packed \\(gzip\\)"),
    ],
)
def test_an_answer_without_bounds_is_not_read(answer: Answer, told: str):
    talk = Talk([answer])
    assert isinstance(talk.error, ClewError)
    with pytest.raises(ClewError, match=told):
        raise talk.error
    assert len(talk.requests) == 1


def test_an_answer_that_drips_is_given_up_like_a_slow_one():
    dripping = Answer(b"{", headers={"content-length": "1000000"}, endless=True)
    talk = Talk([dripping, FINE], timeout=0.15)
    assert talk.text == "fine"
    assert len(talk.requests) == 2


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    clock, budget = Clock(), Budget(Prices())
    endpoint = Endpoint(ChatModel(url, "m"), Pacer(RateLimits(), clock, clock.sleep), budget)
    with pytest.raises(ClewError, match=f"Nothing answers at {url}"):
        endpoint.ask(MESSAGES)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]


def test_a_stopped_run_sends_nothing_more():
    stop = threading.Event()
    stop.set()
    clock = Clock()
    with serving() as server:
        pace = Pacer(RateLimits(), clock, sleep_until(stop))
        with pytest.raises(Stopped):
            Endpoint(ChatModel(server.url, "m"), pace, Budget(Prices()), stop).ask(MESSAGES)
        with pytest.raises(Stopped):
            pace.sleep(3600)
        assert server.requests == []


def test_a_cap_counts_repeated_requests_and_is_never_passed():
    talk = Talk([problem(500)], Budget(Prices(), max_requests=3))
    assert isinstance(talk.error, CapReached)
    assert len(talk.requests) == 3


def test_money_is_set_aside_before_a_request_is_sent():
    most = (size(MESSAGES) + 50 + 2 * ANSWER_TOKENS) / 1e6
    talk = Talk([FINE], Budget(Prices(1.0, 2.0), max_cost=most - 1e-6))
    assert isinstance(talk.error, CapReached)
    assert talk.requests == []
    assert Talk([FINE], Budget(Prices(1.0, 2.0), max_cost=most)).text == "fine"


@pytest.mark.parametrize(
    ("service", "told"),
    [
        (("localhost:11434", "m"), "'localhost:11434' is not an address; write one such as http://localhost"),
        (("file:///etc/passwd", "m"), "is not an address"),
        (("http://", "m"), "is not an address"),
        (("http://[", "m"), "is not an address"),
        (("http://localhost/v1", ""), "No model is named to ask; name one with --api-model"),
        (("https://api.openai.com/v1", "m"), "https://api.openai.com/v1 needs a key"),
    ],
)
def test_services_that_cannot_be(service: tuple[str, str], told: str):
    with pytest.raises(ClewError) as error:
        ChatModel(*service)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_how_long_a_server_wants_to_rest(text: str, seconds: float | None):
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert read_retry_after({"retry-after": text}, now) == seconds
