"""When a request that failed is sent again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

ATTEMPTS = 5
FIRST_WAIT = 1.0
"""Seconds; each further wait is twice as long."""
LONGEST_WAIT = 600.0
"""Seconds; an endpoint that asks for more is left alone until the next run."""
PASSING = frozenset({408, 409, 425, 429})


def is_passing(status: int) -> bool:
    """Whether the same request may well be answered later."""
    return status in PASSING or status >= 500


def backoff(attempt: int) -> float:
    """Seconds to wait after attempt 0, 1, ..."""
    return FIRST_WAIT * 2**attempt


def wait_asked_for(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; None where it asks for nothing clear."""
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
