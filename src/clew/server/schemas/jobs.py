"""Jobs: requests for long work, its state, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len, Lt
from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypeAliasType

from clew.attribution.settings import TraceSettings
from clew.intervention import intervention, settings
from clew.intervention.settings import InterventionSettings, SwapCall
from clew.server.schemas.base import ID, Body, request
from clew.server.schemas.models import ModelChoice, Prompt, PromptChoice, Targets, Token, TokenProbability


def _listed(sentences: Mapping[Any, str]) -> Any:
    return Field(description="\n".join(f"`{name}`: {sentence}" for name, sentence in sentences.items()))


POSITIONS: dict[Literal["here", "all", "onwards"], str] = {
    "here": "at its position",
    "all": "at all positions",
    "onwards": "from there on",
}
"""The positions at which a node's feature may change."""
HOW = {how: way.sentence for how, way in intervention.HOW.items()}
How = TypeAliasType("How", Annotated[intervention.How, _listed(HOW)])
Regime = TypeAliasType("Regime", Annotated[settings.Regime, _listed(settings.REGIMES)])
States = Literal["waiting", "running", "done", "failed", "cancelled"]
JobState = TypeAliasType("JobState", Annotated[States, Field(description="State of a job.")])


@request
class LoadRequest(ModelChoice):
    """Load a model and keep it in memory."""

    kind: Literal["load"]
    """Always `load`."""


@request
class TraceRequest(TraceSettings, PromptChoice):
    """Trace a prompt and put the graph into the library.

    The graph is pruned at the thresholds; it stays whole where both are 1.
    """

    kind: Literal["trace"]
    """Always `trace`."""
    targets: Targets | None = None
    """Next tokens to explain: text, `id:7042`, or `A minus B` of these; by default the likeliest."""
    max_nodes: Annotated[int, Ge(1), Le(100_000)] = TraceSettings.max_nodes
    sink: Token | None = None
    memory: Annotated[int, Ge(16 * 2**20), Le(2**30)] = TraceSettings.memory
    name: Annotated[str, Len(0, 200)] | None = None
    """Name of the graph in the library (by default the prompt, or a chat's last question)."""


@request
class PatchSource(Body):
    """The prompt that a patch takes its values from."""

    prompt: Prompt
    """The text; on a graph of a chat it takes the place of the user's last message."""
    position: Annotated[int, Ge(-(2**31)), Lt(2**31)] | None = None
    """The position; negative ones count from the end, null means the positions that are changed."""


@request
class NodeChange(Body):
    """One way of changing some of a graph's features."""

    nodes: Annotated[list[str], Len(1, 10_000)]
    """Ids of feature nodes."""
    how: How
    """The way to change their activations."""
    value: float | None = None
    """Factor, activation or summand, for all but `ablate` and `patch`."""
    positions: Literal["here", "all", "onwards"] = "here"
    """The node's own position, all positions, or its own and all after it.

    Generated tokens belong to the last two.
    """
    source: PatchSource | None = None
    """The prompt to take values from, for `patch` alone."""


@request
class InterveneRequest(InterventionSettings, Body):
    """Change features on a graph's prompt."""

    kind: Literal["intervene"]
    """Always `intervene`."""
    graph: Annotated[str, StringConstraints(pattern=ID)]
    """Id of the graph."""
    changes: Annotated[list[NodeChange], Len(1, 1000)]
    """The changes, all made together."""
    regime: Regime = InterventionSettings.regime
    strengths: Annotated[tuple[Annotated[float, Ge(-1e6), Le(1e6)], ...], Len(1, 50)] = (1.0,)
    """Multiples of the changes, with one effect for each; 0 is no change, 1 the change."""
    generate: Annotated[int, Ge(0), Le(1000)] = 0
    """Number of tokens to generate after the prompt."""


@request
class SwapRequest(Body):
    """Swap a group of a graph for its values on the same prompt with another word."""

    kind: Literal["swap"]
    """Always `swap`."""
    graph: Annotated[str, StringConstraints(pattern=ID)]
    """Id of the graph."""
    nodes: Annotated[list[str], Len(1, 10_000)] | None = None
    """Ids of feature nodes (by default all features at the content word of most influence)."""
    name: Annotated[str, Len(0, 200)] = ""
    """The name of the group that these nodes are."""
    word: Annotated[str, Len(1, 200)] | None = None
    """The word that takes the place of the prompt's own (by default one that the model finds)."""
    strengths: Annotated[tuple[Annotated[float, Ge(-1e6), Le(1e6)], ...], Len(1, 50)] = SwapCall.strengths
    """Make the swap so many times over, with one effect for each."""


JobRequest = TypeAliasType(
    "JobRequest",
    Annotated[
        LoadRequest | TraceRequest | InterveneRequest | SwapRequest,
        Field(discriminator="kind", description="A request for long work."),
    ],
)


class TracedGraph(BaseModel):
    """The result of a trace."""

    graph: str = Field(description="Id of the new graph.")


class TargetEffect(BaseModel):
    """One target of the graph, before and after a change."""

    text: str = Field(description="The token, or `A minus B`.")
    token_id: int | None = Field(
        default=None, description="The token's id, or that of the first of two; null in results of clew 0.1."
    )
    before: float | None = Field(description="Probability before; null for a difference of two tokens.")
    after: float | None = Field(description="Probability after; null for a difference of two tokens.")
    logit_change: float = Field(description="Change of the logit, or of the difference of logits.")
    predicted: float | None = Field(description="Change of the centred logit that the graph predicts.")
    measured: float = Field(description="Change of the centred logit that was measured.")


class ChangedFeature(BaseModel):
    """A feature whose activation changed."""

    node: str | None = Field(description="Id of its node; null where the graph has none.")
    layer: int = Field(description="Layer of the feature.")
    position: int = Field(description="Position in the prompt.")
    index: int = Field(description="Index of the feature in its layer.")
    before: float = Field(description="Activation before.")
    after: float = Field(description="Activation after.")
    by_hand: bool = Field(description="Whether the request names it.")


class Effect(BaseModel):
    """The effect of the changes at one strength."""

    strength: float = Field(description="Factor of the changes.")
    kl: float = Field(description="KL divergence of the next token's distribution from before, in nats.")
    before: list[TokenProbability] = Field(description="Likeliest next tokens before.")
    after: list[TokenProbability] = Field(description="Likeliest next tokens after.")
    targets: list[TargetEffect] = Field(description="The graph's targets, largest weight first.")
    changed: list[ChangedFeature] = Field(description="Features of the request, then the 200 most changed.")
    not_in_graph: int = Field(description="Number of changed features that the graph does not hold.")


class Continuation(BaseModel):
    """Generated text."""

    before: str = Field(description="Text without the changes.")
    after: list[str] = Field(description="Text for each strength.")


class NodeValues(BaseModel):
    """The activations of a graph's features before and after a change."""

    nodes: list[str] = Field(description="Ids of feature nodes.")
    before: list[float] = Field(description="Their activations before.")
    after: list[list[float]] = Field(description="For each strength, their activations after.")


class SwapWord(BaseModel):
    """A word that may take the place of the prompt's own."""

    word: str = Field(description="The word, a token.")
    answer: str = Field(description="The likeliest next token with it.")
    probability: float = Field(description="The answer's probability.")


class SwapOutcome(BaseModel):
    """The words of a swap."""

    group: str = Field(description="Name of the swapped group.")
    count: int = Field(description="Number of its features.")
    word: str = Field(description="The prompt's own word.")
    words: list[SwapWord] = Field(description="Words to swap it for; the first was taken.")
    prompt: str = Field(description="The prompt with the other word.")
    shown: int = Field(description="Place of the strength that says most.")
    before: float = Field(description="Probability of the first word's answer before the swap.")
    after: list[float] = Field(description="For each strength, its probability after.")


class InterventionOutcome(BaseModel):
    """The result of an intervention."""

    values: NodeValues | None = Field(
        default=None, description="Activations of the graph's features; null in results of clew 0.1."
    )
    swap: SwapOutcome | None = Field(default=None, description="The words, where it was a swap.")

    results: list[Effect] = Field(description="One effect for each strength.")
    text: Continuation | None = Field(description="Generated text; null where none was asked for.")
    python: str = Field(description="Python that does the same.")
    notes: list[str] = Field(default=[], description="What the tokenizer changes in a prompt, and warnings.")


JobResult = TracedGraph | InterventionOutcome | None


class Job(BaseModel):
    """Long work, its progress and its result; events carry it without the result."""

    id: str = Field(pattern=ID, description="The job's id.")
    kind: Literal["load", "trace", "intervene", "swap"] = Field(description="Kind of work.")
    state: JobState = Field(description="State of the job.")
    phase: str = Field(description="What it does now, in words.")
    done: int = Field(description="Steps of the phase that are done.")
    total: int = Field(description="Steps of the phase; 0 where the number is unknown.")
    created: str = Field(description="Time of the request: ISO 8601, UTC.")
    started: str | None = Field(description="Time at which work began.")
    finished: str | None = Field(description="Time at which it ended.")
    error: str | None = Field(description="The reason why it failed, as a sentence.")
    request: JobRequest = Field(description="The request.")
    graph: str | None = Field(description="Id of the graph that it changes or made.")
    result: JobResult = Field(description="The result; null for loading, and before the job is done.")
