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
"""A token's text, its id (a number or `"id:7042"`), or a difference of two: `"A minus B"`."""


@dataclass(frozen=True, kw_only=True)
class PromptSettings:
    """The tokenization of a prompt."""

    sink: str | None = None
    """Text of the first token, which soaks up attention; "bos" or "none" (default: the model's own)."""


@dataclass(frozen=True, kw_only=True)
class TraceSettings(PromptSettings, Thresholds):
    """Targets, features and thresholds of a trace; every default is a recommendation.

    The graph is not pruned; the thresholds choose the features that get output tokens.
    """

    targets: TargetRequest | Sequence[TargetRequest] | None = None
    """Next tokens to explain: text, id:7042, or 'A minus B' of these (by default the likeliest)."""
    max_targets: Annotated[int, Ge(1), Le(1000)] = 10
    """Most tokens to explain."""
    target_probability: Share = 0.95
    """Explain the likeliest tokens until they reach this total probability."""
    max_nodes: Annotated[int, Ge(1)] = 4096
    """Most features that become nodes."""
    selection: Literal["attribution", "influence"] = "attribution"
    """Rank features by attribution (fast) or by influence (as published)."""
    memory: Annotated[int, Ge(16 * 2**20)] = 96 * 2**20
    """Bytes for computing edges, besides the model and the graph."""


@dataclass(frozen=True, kw_only=True)
class TraceCall(TraceSettings):
    """Parameters of `Model.trace` behind the prompt."""

    on_progress: OnProgress = ignore_progress
    """Called with a phase, how much of it is done, and how much there is."""
