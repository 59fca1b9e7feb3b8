"""What is known about a graph besides its arrays: it travels as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """One explained output: a next token, or the difference "`token_id` minus `minus_id`" of two.

    `probability` is the model's own (None for a difference); `weight` is its share in influence.
    """

    text: str
    token_id: int
    weight: float
    probability: float | None = None
    minus_id: int | None = None


@dataclass(frozen=True)
class Scores:
    """How much of the targets the features explain, each between 0 and 1 (design: "Scores").

    `replacement`: influence that reaches tokens, over influence that reaches tokens or errors.
    `completeness`: the influence-weighted share of every node's input that is not from errors.
    """

    replacement: float
    completeness: float


@dataclass(frozen=True)
class Sink:
    """The meaningless first token that soaks up attention; `kl` (nats) is what it changes."""

    text: str
    token_id: int
    kl: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Size:
    """How large a graph is."""

    nodes: int
    features: int
    edges: int


@dataclass(frozen=True)
class GraphInfo:
    """Everything about a graph that is not an array; it travels as JSON."""

    prompt: str
    tokens: tuple[str, ...]
    model: str = ""
    dictionary: str = ""
    targets: tuple[Target, ...] = ()
    predictions: tuple[tuple[str, float], ...] = ()
    """The model's likeliest next tokens with their probabilities, whether targets or not."""
    sink: Sink | None = None
    scores: Scores | None = None
    """Of the whole graph, as traced."""
    whole: Size | None = None
    """Of the whole graph, where this is what pruning kept of it."""
    pruned_scores: Scores | None = None
    """Of what pruning kept, everything left out counted as error."""
    conservation: float | None = None
    """The worst relative gap between a row's sum and the value that it must add up to."""
    influence_left_out: float = 0.0
    """Share of the influence that flowed through nodes and edges that are not stored."""
    settings: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    """Seconds by phase."""
    token_text: dict[int, str] = field(default_factory=dict)
    """Spelling of every output token that the graph names."""
    created: str = ""
    generator: str = ""


@dataclass(frozen=True)
class Annotations:
    """What a person added; it refers to nodes by `Graph.node_ids`."""

    labels: dict[str, str] = field(default_factory=dict)
    """Of single nodes; `Graph.label` says which label counts."""
    supernodes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Each a name and the ids of its members."""
    pins: tuple[str, ...] = ()
    feature_labels: dict[str, str] = field(default_factory=dict)
    """Of features wherever they appear, by `Graph.feature_name`: `L12/4031`."""
    supernode_colors: dict[str, str] = field(default_factory=dict)
    """Of supernodes by name, as `#rrggbb`."""


@dataclass(frozen=True)
class IndexLabel:
    """What an index calls a feature."""

    text: str
    by_rule: bool = False
    """Made of tokens, by no person and no language model."""
