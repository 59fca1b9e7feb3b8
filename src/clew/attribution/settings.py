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
    """The tokenization of a prompt."""

    sink: str | None = None
    """Text of the first token, which soaks up attention; "none" for none (by default chosen)."""


@dataclass(frozen=True, kw_only=True)
class TraceSettings(PromptSettings, Thresholds):
    """Targets, features and thresholds of a trace; every default is a recommendation.

    Features that pruning at the thresholds keeps get output tokens; the graph stays whole.
    """

    targets: TargetRequest | Sequence[TargetRequest] | None = None
    """Next tokens to explain: text, id or 'A minus B' (by default the likeliest)."""
    max_targets: Annotated[int, Ge(1), Le(1000)] = 10
    """Explain at most so many of the likeliest tokens."""
    target_probability: Share = 0.95
    """Explain as few of the likeliest tokens as reach this probability together."""
    max_nodes: Annotated[int, Ge(1)] = 4096
    """Make nodes of at most so many features; the others are part of the error nodes."""
    selection: Literal["attribution", "influence"] = "attribution"
    """Choose features by total attribution, or by influence (as published, but slower)."""
    memory: Annotated[int, Ge(16 * 2**20)] = 96 * 2**20
    """Bytes that computing edges may take, besides the model and the graph."""


@dataclass(frozen=True, kw_only=True)
class TraceCall(TraceSettings):
    """Parameters of `Model.trace` behind the prompt."""

    on_progress: OnProgress = ignore_progress
    """Called with a phase, how much of it is done, and how much there is."""
