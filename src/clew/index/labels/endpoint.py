"""A language model behind an OpenAI-compatible endpoint: asked in turn, again where that can help."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from clew.errors import ClewError
from clew.index.labels.answers import Malformed
from clew.index.labels.budget import Budget
from clew.index.labels.pace import Pace
from clew.index.labels.prompts import Messages, clean, size
from clew.index.labels.retry import ATTEMPTS, LONGEST_WAIT, backoff, is_passing, wait_asked_for

ANSWER_TOKENS = 1_000
"""An answer may have so many; a plain one has twenty, models that think aloud need more."""
BYTES_PER_TOKEN = 4
"""Of English, for estimates; caps count every byte as a token."""
OVERHEAD = 50
"""Tokens that an endpoint may put around the messages."""
PUBLIC = "https://api.openai.com/v1"
MOST_USED = 10_000_000
"""Tokens; an answer that says it used more is not believed."""


@dataclass(frozen=True)
class Service:
    """Where the language model is, and which one."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    """Empty for a server that wants none."""
    timeout: float = 60.0
    """Seconds without a sign of an answer."""

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise ClewError(f"{self.url!r} is no address; expected one such as http://localhost:11434/v1.")
        if not self.model:
            raise ClewError("Which model should be asked? Name it with --api-model, or in CLEW_LABEL_MODEL.")
        if self.url.startswith(PUBLIC.removesuffix("/v1")) and not self.key:
            raise ClewError(f"{PUBLIC} needs a key: put it into the environment as OPENAI_API_KEY.")


class Stopped(Exception):
    """The run was stopped while a thread waited."""


def sleep_until(stop: threading.Event) -> Callable[[float], None]:
    """A sleep that ends with `Stopped` as soon as the run is stopped."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    return sleep


class NoAnswer(Exception):
    """A request failed for good; the message says why."""


class Endpoint:
    """Sends one question at a time for each thread, within a pace and a budget.

    What is too fast (429), too slow or a server's own fault (5xx) is asked again, later each time, or when
    the endpoint says so (`Retry-After`).
    """

    def __init__(
        self, service: Service, pace: Pace, budget: Budget, stop: threading.Event | None = None
    ) -> None:
        from openai import OpenAI

        self.service = service
        self._pace, self._budget = pace, budget
        self._stop = stop or threading.Event()
        self._client = OpenAI(
            base_url=service.url, api_key=service.key or "none", timeout=service.timeout, max_retries=0
        )
        self._limit_name, self._temperature = "max_tokens", True

    def ask(self, messages: Messages) -> str:
        """The answer's text.

        Raises `Malformed` for one that is no chat completion, `NoAnswer` where asking again did not help,
        `CapReached` before what the budget does not allow, `Stopped`, and `ClewError` for what would go
        wrong with every question (a wrong key, no such model, nobody there).
        """
        import openai

        trouble = ""
        for attempt in range(ATTEMPTS):
            try:
                return self._send(messages)
            except openai.APITimeoutError:
                trouble = f"no answer within {self.service.timeout:g} s"
                self._pace.sleep(backoff(attempt))
            except openai.APIConnectionError as error:
                if attempt == ATTEMPTS - 1:
                    raise ClewError(f"Nothing answers at {self.service.url} ({_reason(error)}).") from error
                self._pace.sleep(backoff(attempt))
            except openai.APIStatusError as error:
                trouble = self._after_status(error, attempt)
        raise NoAnswer(trouble)

    def _send(self, messages: Messages) -> str:
        import openai

        bytes_sent = size(messages)
        self._pace.wait(bytes_sent // BYTES_PER_TOKEN + 2 * OVERHEAD)
        if self._stop.is_set():
            raise Stopped
        reserved = self._budget.reserve(bytes_sent + OVERHEAD, ANSWER_TOKENS)
        used = (0, 0, 0.0)
        try:
            answer = self._client.chat.completions.with_raw_response.create(
                **self._request(messages),
            )
            text, read, written = _read(answer.content)
            used = (read, written, None if read or written else reserved)
        except (openai.APITimeoutError, Malformed):
            used = (0, 0, reserved)
            raise
        finally:
            self._budget.settle(reserved, *used)
        if text is None:
            raise Malformed("the answer holds no text")
        return text

    def _request(self, messages: Messages) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self.service.model, "messages": messages}
        request[self._limit_name] = ANSWER_TOKENS
        return request | ({"temperature": 0} if self._temperature else {})

    def _after_status(self, error: Any, attempt: int) -> str:
        """Wait where asking again may help and say what was wrong; raises where it cannot."""
        status, reason = error.status_code, _reason(error)
        where = self.service.url
        if status in (401, 403):
            raise ClewError(f"{where} refused the key ({status}: {reason}).") from error
        if status == 404:
            raise ClewError(f"{where} has no model {self.service.model!r} ({status}: {reason}).") from error
        if error.code == "insufficient_quota":
            raise ClewError(f"{where} says that the quota is used up ({reason}).") from error
        if status == 400 and self._speaks_otherwise(reason):
            return reason
        if not is_passing(status):
            raise NoAnswer(f"{status}: {reason}") from error
        asked = wait_asked_for(error.response.headers)
        if asked is not None and asked > LONGEST_WAIT:
            raise ClewError(f"{where} wants {asked / 60:.0f} minutes of rest; go on then.") from error
        wait = backoff(attempt) if asked is None else asked
        if status == 429 or asked is not None:
            self._pace.pause(wait)
        else:
            self._pace.sleep(wait)
        return f"{status}: {reason}"

    def _speaks_otherwise(self, reason: str) -> bool:
        """Newer models want another name for the limit, or no temperature; remembered for what follows."""
        if self._limit_name == "max_tokens" and "max_completion_tokens" in reason:
            self._limit_name = "max_completion_tokens"
            return True
        if self._temperature and "temperature" in reason:
            self._temperature = False
            return True
        return False


def _read(content: bytes) -> tuple[str | None, int, int]:
    """Text of a chat completion and tokens used; 0 for those it does not tell."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        page = content.lstrip()[:1] == b"<"
        said = "a web page, so the address may be wrong" if page else "no JSON"
        raise Malformed(f"the answer is {said}") from None
    used = data.get("usage") if isinstance(data, Mapping) else None
    used = used if isinstance(used, Mapping) else {}
    read, written = _count(used.get("prompt_tokens")), _count(used.get("completion_tokens"))
    match data:
        case {"choices": [{"finish_reason": "length"}, *_]}:
            return None, read, written
        case {"choices": [{"message": {"content": str() as text}}, *_]}:
            return text, read, written
    return None, read, written


def _is_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        return False


def _count(value: Any) -> int:
    believable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_USED
    return value if believable else 0


def _reason(error: Any) -> str:
    """What the endpoint said, in one short line without control characters."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, Mapping) else None
    text = said if isinstance(said, str) and said else str(error.__cause__ or error)
    return " ".join(clean(text[:2_000]).split())[:200].rstrip(".") or type(error).__name__
