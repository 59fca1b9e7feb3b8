"""Facts about a graph besides its arrays: prompt, targets, scores, settings, annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clew.sink import Sink


@dataclass(frozen=True)
class Target:
    """One explained output: a next token, or the difference "`token_id` minus `minus_id`" of two."""

    text: str
    token_id: int
    weight: float
    """Share of the target in the influence; all targets' weights add up to 1."""
    probability: float | None = None
    """The model's probability of the token; None for a difference."""
    minus_id: int | None = None

    @property
    def identity(self) -> tuple[int, int | None]:
        """Its token ids, which no other target has."""
        return self.token_id, self.minus_id


@dataclass(frozen=True)
class Scores:
    """The share of the targets that features explain, in two measures between 0 and 1.

    Both are defined in "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al.
    2025, https://transformer-circuits.pub/2025/attribution-graphs/methods.html.
    """

    replacement: float
    """Influence that reaches tokens, over influence that reaches tokens or errors."""
    completeness: float
    """The share of every node's input that is not from errors, weighted by influence."""


@dataclass(frozen=True)
class Size:
    """Numbers of nodes, feature nodes and edges."""

    nodes: int
    features: int
    edges: int


@dataclass(frozen=True)
class GraphInfo:
    """Everything about a graph that is not an array; files hold it as JSON."""

    prompt: str
    tokens: tuple[str, ...]
    prompt_changes: str = ""
    """A sentence about what the tokenizer changed in the prompt, if it changed anything."""
    model: str = ""
    dictionary: str = ""
    targets: tuple[Target, ...] = ()
    predictions: tuple[tuple[str, float], ...] = ()
    """The model's likeliest next tokens with their probabilities, whether targets or not."""
    prediction_ids: tuple[int, ...] = ()
    """The token ids of `predictions`; empty in graphs of clew 0.1 and of other tools."""
    sink: Sink | None = None
    roles: tuple[str, ...] = ()
    """For a chat, the role of each token: `user`, `assistant`, ..., `template` for what the template adds."""
    messages: tuple[tuple[str, str], ...] = ()
    """For a chat, the role and the text of each message."""
    scores: Scores | None = None
    """Scores of the whole graph, as traced."""
    whole: Size | None = None
    """Size of the whole graph, if this graph was pruned."""
    pruned_scores: Scores | None = None
    """Scores of this graph, if it was pruned: all that was left out counts as error."""
    conservation: float | None = None
    """The largest relative gap between a row's sum and its total."""
    influence_left_out: float = 0.0
    """Share of the influence that flowed through pruned nodes and edges."""
    settings: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    """Seconds by phase."""
    token_text: dict[int, str] = field(default_factory=dict, repr=False)
    """Spelling of every output token that the graph names."""
    created: str = ""
    generator: str = ""
    description: str = ""
    """A person's words on what the graph shows."""

    @property
    def question(self) -> str:
        """The prompt; of a chat the user's last message, with what the assistant has begun to answer."""
        users = [place for place, (role, _) in enumerate(self.messages) if role == "user"]
        asked = self.messages[users[-1] :] if users else self.messages[-1:]
        return " / ".join(text for _, text in asked) or self.prompt


@dataclass(frozen=True)
class BoxPlace:
    """A place that a person chose for a box of the chosen nodes' drawing, in the drawing's pixels."""

    x: float
    """The middle, from the left."""
    y: float
    """The middle, from above."""
    width: float | None = None
    """None for the width of the box's text."""
    height: float | None = None


@dataclass(frozen=True)
class Annotations:
    """A person's labels, supernodes and pins; nodes are named by `Graph.node_ids`."""

    labels: dict[str, str] = field(default_factory=dict)
    """Labels of single nodes; `Graph.label` says which label counts."""
    supernodes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name and member ids of each supernode."""
    pins: tuple[str, ...] = ()
    feature_labels: dict[str, str] = field(default_factory=dict)
    """Labels of features at every position, by `Graph.feature_name`: `L12/4031`."""
    supernode_colors: dict[str, str] = field(default_factory=dict)
    """Colors of supernodes by name, as `#rrggbb`."""
    supernode_places: dict[str, BoxPlace] = field(default_factory=dict)
    """Places of supernodes' boxes in the drawing of chosen nodes, by name."""
    node_places: dict[str, BoxPlace] = field(default_factory=dict)
    """Places of single nodes' boxes, by id."""
    others: dict[str, Any] = field(default_factory=dict)
    """Fields that a newer clew wrote; they are kept as they are."""


@dataclass(frozen=True)
class IndexLabel:
    """A feature's label in an index."""

    text: str
    by_rule: bool = False
    """True for a label made of tokens, not by a person or a language model."""


@dataclass(frozen=True)
class FeatureFacts:
    """An index's knowledge of one side of a feature, as far as stories and names need it."""

    frequency: float = 0.0
    """Share of all positions at which the feature is active."""
    name: str = ""
    """A name made by rule from the fields below; empty where they are."""
    fires_on: tuple[str, ...] = ()
    """Whole words on which it fires, the most frequent first."""
    context: str = ""
    """The words that its texts share: `after "the capital of …"`, `in texts with "France"`."""
    says: tuple[str, ...] = ()
    """Words that it promotes in several spellings."""
    at_start: bool = False
    """True where it fires on the first token of texts, whatever that is."""
