"""The settings of a trace; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Le

from clew.graph.thresholds import Thresholds
from clew.options import Share
from clew.progress import OnProgress, ignore_progress

TargetRequest: TypeAlias = str | int
"""A token's text, its id, or `"A minus B"`."""


@dataclass(frozen=True, kw_only=True)
class PromptSettings:
    """How a prompt becomes tokens."""

    sink: str | None = None
    """Text of the first token, which soaks up attention; "none" for none (by default chosen)."""


@dataclass(frozen=True, kw_only=True)
class TraceSettings(PromptSettings, Thresholds):
    """What to trace; every default is a recommendation.

    Features that pruning at the thresholds keeps get output tokens; the graph stays whole.
    """

    targets: TargetRequest | Sequence[TargetRequest] | None = None
    """Next tokens to explain: text, id or 'A minus B' (by default the likeliest)."""
    max_targets: Annotated[int, Ge(1), Le(1000)] = 10
    """At most so many of the likeliest tokens are explained."""
    target_probability: Share = 0.95
    """Explain as few of the likeliest tokens as reach this probability together."""
    max_nodes: Annotated[int, Ge(1)] = 4096
    """At most so many features become nodes; the rest counts into the error nodes."""
    selection: Literal["attribution", "influence"] = "attribution"
    """Choose features by their total attribution, or (as published, and slower) by influence."""
    memory: Annotated[int, Ge(16 * 2**20)] = 96 * 2**20
    """Bytes that the sweep may work in, besides the model and the result."""


@dataclass(frozen=True, kw_only=True)
class TraceCall(TraceSettings):
    """The settings of a trace, and who hears of its progress."""

    on_progress: OnProgress = ignore_progress
    """Called with a phase, how much of it is done, and how much there is."""
