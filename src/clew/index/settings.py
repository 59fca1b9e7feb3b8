"""The settings of an index and of labels; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt

from clew.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """The texts and the place of an index; every default is a recommendation."""

    tokens: Annotated[int, Ge(0)] = 0
    """Read at most so many tokens; 0 reads all."""
    window: Annotated[int, Ge(2)] = 128
    """Tokens that the model reads at once, the first one (the sink) included."""
    shard: tuple[int, int] = (1, 1)
    """Read part I of N only; merge the parts later."""
    out: str | Path | None = None
    """The index to write (by default in your data folder, named after the model)."""
    resume: bool = False
    """Go on with an unfinished index."""
    replace: bool = False
    """Write over an older index; its labels stay."""


@dataclass(frozen=True, kw_only=True)
class IndexCall(IndexSettings):
    """The settings of an index, and who hears of its progress."""

    on_progress: OnProgress = ignore_progress
    """Called with a phase, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """The language model that is asked for labels."""

    base_url: str | None = None
    """The address of an OpenAI-compatible endpoint (by default OPENAI_BASE_URL, or OpenAI's)."""
    api_model: str | None = None
    """The model to ask (by default CLEW_LABEL_MODEL)."""
    api_key_from: str | None = None
    """The variable that holds the key (by default OPENAI_API_KEY, for OpenAI or OPENAI_BASE_URL)."""
    timeout: Annotated[float, Gt(0)] = 60.0
    """Seconds to wait for an answer."""


@dataclass(frozen=True, kw_only=True)
class LabelLimits:
    """Limits of the cost of labelling, and of its pace."""

    price_in: Annotated[float, Gt(0)] | None = None
    """Price of a million tokens that the model reads."""
    price_out: Annotated[float, Gt(0)] | None = None
    """Price of a million tokens that the model writes."""
    max_cost: Annotated[float, Gt(0)] | None = None
    """Stop before all requests together cost more than this."""
    max_requests: Annotated[int, Ge(1)] | None = None
    """Stop after so many requests."""
    requests_per_minute: Annotated[int, Ge(1)] | None = None
    """Send at most so many requests in any minute."""
    tokens_per_minute: Annotated[int, Ge(1)] | None = None
    """Send at most about so many tokens in any minute."""
    parallel: Annotated[int, Ge(1)] = 4
    """Requests that are under way at once."""


@dataclass(frozen=True, kw_only=True)
class LabelSettings(EndpointSettings, LabelLimits):
    """The choice of features to label, and the source of labels; every default is a recommendation."""

    limit: Annotated[int, Ge(1)] = 100
    """Label at most so many features."""
    from_tokens: bool = False
    """Label by rule, from tokens and output tokens; asks no language model."""
    relabel: bool = False
    """Label features again that already have such a label."""
