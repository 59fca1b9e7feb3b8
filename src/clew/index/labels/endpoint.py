"""A language model behind an OpenAI-compatible endpoint, asked within limits of pace and money."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from clew.errors import ClewError
from clew.index.labels.answer_limits import EndlessAnswer, limited_client
from clew.index.labels.prompts import Malformed, Messages, clean, size
from clew.index.labels.rate_limits import Budget, Pacer

ANSWER_TOKENS = 1_000
"""Tokens that an answer may have. A plain one has twenty; models that think aloud need more."""
BYTES_PER_TOKEN = 4
"""Bytes of English in a token, for estimates; caps count every byte as a token."""
OVERHEAD = 50
"""Tokens that an endpoint may add to the messages."""
PUBLIC = "https://api.openai.com/v1"
MOST_USED = 10_000_000
"""Tokens; a larger number of used tokens in an answer is ignored."""
ATTEMPTS = 5
FIRST_WAIT = 1.0
"""Seconds; each further wait is twice as long."""
LONGEST_WAIT = 600.0
"""Seconds; a run stops where an endpoint asks for a longer pause."""
TEMPORARY = frozenset({408, 409, 425, 429})
"""Statuses, beside 5xx, after which the same request may succeed later."""


@dataclass(frozen=True)
class ChatModel:
    """A language model and the endpoint that serves it."""

    url: str
    name: str
    key: str = field(default="", repr=False)
    """Empty for a server that needs none."""
    timeout: float = 60.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise ClewError(f"{self.url!r} is not an address; write one such as http://localhost:11434/v1.")
        if not self.name:
            raise ClewError("No model is named to ask; name one with --api-model, or in CLEW_LABEL_MODEL.")
        if self.url.startswith(PUBLIC.removesuffix("/v1")) and not self.key:
            raise ClewError(f"{PUBLIC} needs a key; put it into the environment variable OPENAI_API_KEY.")


class Stopped(Exception):
    """The run was stopped while a thread waited."""


class NoAnswer(Exception):
    """A request failed for good; the message gives the reason."""


def sleep_until(stop: threading.Event) -> Callable[[float], None]:
    """A function that sleeps, and raises `Stopped` as soon as the run is stopped."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    return sleep


class Endpoint:
    """Sends one question at a time for each thread.

    A request that was too fast (429), timed out, or failed on the server (5xx) is sent again, later each time
    or when the endpoint says so (`Retry-After`).
    """

    def __init__(
        self, model: ChatModel, pacer: Pacer, budget: Budget, stop: threading.Event | None = None
    ) -> None:
        from openai import OpenAI

        self.model = model
        self._pacer, self._budget = pacer, budget
        self._stop = stop or threading.Event()
        # Its own retries would be counted by no budget, and Ctrl-C could not end their waits.
        self._client = OpenAI(
            base_url=model.url,
            api_key=model.key or "none",
            timeout=model.timeout,
            max_retries=0,
            http_client=limited_client(model.timeout),
        )
        self._limit_name, self._temperature = "max_tokens", True

    def ask(self, messages: Messages) -> str:
        """The text of the answer.

        Raises `Malformed` for an answer that is not a chat completion, `NoAnswer` where no attempt succeeded,
        `CapReached` where the budget does not allow the request, `Stopped`, and `ClewError` for what every
        question would meet (a wrong key, no such model, no server).
        """
        import openai

        trouble = ""
        for attempt in range(ATTEMPTS):
            try:
                return self._send(messages)
            except openai.APITimeoutError:
                trouble = f"no answer within {self.model.timeout:g} s"
                self._pacer.sleep(backoff(attempt))
            except EndlessAnswer as error:
                raise ClewError(
                    f"The answer of {self.model.url} is not a language model's: {error}; check the address."
                ) from error
            except openai.APIConnectionError as error:
                if attempt == ATTEMPTS - 1:
                    raise ClewError(f"Nothing answers at {self.model.url} ({_reason(error)}).") from error
                self._pacer.sleep(backoff(attempt))
            except openai.APIStatusError as error:
                trouble = self._after_status(error, attempt)
        raise NoAnswer(trouble)

    def _send(self, messages: Messages) -> str:
        import openai

        bytes_sent = size(messages)
        self._pacer.wait(bytes_sent // BYTES_PER_TOKEN + 2 * OVERHEAD)
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
        request: dict[str, Any] = {"model": self.model.name, "messages": messages}
        request[self._limit_name] = ANSWER_TOKENS
        return request | ({"temperature": 0} if self._temperature else {})

    def _after_status(self, error: Any, attempt: int) -> str:
        """Wait where another attempt may help and return the reason; raises where none can help."""
        status, reason, url = error.status_code, _reason(error), self.model.url
        if status in (401, 403):
            none = "" if self.model.key else "; no key was sent, name its variable with --api-key-from"
            raise ClewError(f"{url} refused the key ({status}: {reason}){none}.") from error
        if status == 404:
            raise ClewError(f"{url} has no model {self.model.name!r} ({status}: {reason}).") from error
        if error.code == "insufficient_quota":
            raise ClewError(f"The quota at {url} is used up ({reason}).") from error
        if status == 400 and self._adapts_request(reason):
            return reason
        if status not in TEMPORARY and status < 500:
            raise NoAnswer(f"{status}: {reason}") from error
        retry_after = read_retry_after(error.response.headers)
        if retry_after is not None and retry_after > LONGEST_WAIT:
            raise ClewError(
                f"{url} asks for a pause of {retry_after / 60:.0f} minutes; start again then."
            ) from error
        wait = backoff(attempt) if retry_after is None else retry_after
        if status == 429 or retry_after is not None:
            self._pacer.pause(wait)
        else:
            self._pacer.sleep(wait)
        return f"{status}: {reason}"

    def _adapts_request(self, reason: str) -> bool:
        """True where the model needs another name of the limit, or no temperature; later requests do so."""
        if self._limit_name == "max_tokens" and "max_completion_tokens" in reason:
            self._limit_name = "max_completion_tokens"
            return True
        if self._temperature and "temperature" in reason:
            self._temperature = False
            return True
        return False


def backoff(attempt: int) -> float:
    """Seconds to wait after attempt 0, 1, ..."""
    return FIRST_WAIT * 2**attempt


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or a date; None where it is unclear."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _read(content: bytes) -> tuple[str | None, int, int]:
    """The text of a chat completion and the tokens used; 0 where it does not give them."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        is_page = content.lstrip()[:1] == b"<"
        kind = "a web page, so the address may be wrong" if is_page else "not JSON"
        raise Malformed(f"the answer is {kind}") from None
    usage = data.get("usage") if isinstance(data, Mapping) else None
    usage = usage if isinstance(usage, Mapping) else {}
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
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
    except ValueError:  # brackets without an end, a port that is not a number
        return False


def same_host(url: str, other: str) -> bool:
    """True for two addresses of one server: the same scheme, host and port."""
    try:
        one, two = urlsplit(url), urlsplit(other)
        return (one.scheme, one.hostname, one.port) == (two.scheme, two.hostname, two.port)
    except ValueError:
        return False


def _count(value: Any) -> int:
    believable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_USED
    return value if believable else 0


def _reason(error: Any) -> str:
    """The endpoint's own words, in one short line without control characters."""
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, Mapping) else None
    text = message if isinstance(message, str) and message else str(error.__cause__ or error)
    return " ".join(clean(text[:2_000]).split())[:200].rstrip(".") or type(error).__name__
