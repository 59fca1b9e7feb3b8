"""The settings of `clew serve`; nothing here needs a web server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

PORT = 8417


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """The address of the page, and the memory of its model."""

    host: str = "127.0.0.1"
    """Address to listen at; any but this machine's own needs a token."""
    port: Annotated[int, Ge(0), Le(65535)] | None = None
    """Port to listen at; 0 takes any free one (by default 8417, or the next that is free)."""
    memory_budget: Annotated[float, Gt(0)] | None = None
    """Bytes that the model in memory may take (by default all that is free)."""
