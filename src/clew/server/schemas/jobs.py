"""What the API says about long work: requests, jobs, and what they leave."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from clew.server.schemas.base import GRAPH_ID, Body
from clew.server.schemas.models import TokenProbability


class LoadRequest(Body):
    """Load a model and keep it."""

    kind: Literal["load"]
    model: str = Field(min_length=1, max_length=4096)
    dictionary: str = Field(default="neurons", max_length=4096)


class TraceRequest(Body):
    """Trace a prompt; the graph goes into the library, pruned at the thresholds (whole where both are 1)."""

    kind: Literal["trace"]
    model: str = Field(min_length=1, max_length=4096)
    dictionary: str = Field(default="neurons", max_length=4096)
    prompt: str = Field(min_length=1, max_length=1_000_000)
    targets: list[Annotated[str, Field(min_length=1, max_length=2000)]] | None = Field(
        default=None, max_length=100
    )
    max_targets: int = Field(default=10, ge=1, le=1000)
    target_probability: float = Field(default=0.95, gt=0, le=1)
    max_nodes: int = Field(default=4096, ge=1, le=100_000)
    selection: Literal["attribution", "influence"] = "attribution"
    sink: str | None = Field(default=None, max_length=2000)
    node_threshold: float = Field(default=0.8, gt=0, le=1)
    edge_threshold: float = Field(default=0.98, gt=0, le=1)
    name: str | None = Field(default=None, max_length=200)


class PatchSource(Body):
    """Where a swap takes its values from."""

    prompt: str = Field(min_length=1, max_length=1_000_000)
    position: int | None = Field(
        default=None,
        ge=-(2**31),
        lt=2**31,
        description="Negative ones count from the end; null means the very positions that are changed.",
    )


class FeatureChange(Body):
    """One way of changing some of a graph's features."""

    nodes: list[str] = Field(min_length=1, max_length=10_000, description="Ids of feature nodes.")
    how: Literal["ablate", "scale", "set", "add", "swap"]
    value: float | None = Field(default=None, description="Factor, activation or summand.")
    positions: Literal["here", "all", "onwards"] = Field(
        default="here",
        description="The node's own position, all positions, or its own and all after it; generated "
        "tokens belong to the last two.",
    )
    source: PatchSource | None = Field(default=None, description="For `swap` alone.")


class InterveneRequest(Body):
    """Change features on a graph's prompt."""

    kind: Literal["intervene"]
    graph: str = Field(pattern=GRAPH_ID)
    changes: list[FeatureChange] = Field(min_length=1, max_length=1000)
    regime: Literal["direct", "frozen-attention", "free"] = "free"
    strengths: list[Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        default=[1.0], min_length=1, max_length=50
    )
    generate: int = Field(default=0, ge=0, le=1000, description="Tokens to go on for.")


JobRequest = Annotated[LoadRequest | TraceRequest | InterveneRequest, Field(discriminator="kind")]


class JobWithoutResult(BaseModel):
    """Long work, as it stands; events tell of it like this."""

    id: str = Field(pattern=GRAPH_ID)
    kind: Literal["load", "trace", "intervene"]
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    phase: str = Field(description="What it is doing, in words.")
    done: int
    total: int = Field(description="0 where it is not known.")
    created: str
    started: str | None
    finished: str | None
    error: str | None
    request: dict[str, Any]
    graph: str | None = Field(description="The graph that it is about, or that it made.")


class TracedGraph(BaseModel):
    """What a trace leaves."""

    graph: str


class TargetEffect(BaseModel):
    """One target of the graph, before and after."""

    text: str
    before: float | None = Field(description="Probability; null for a difference of two tokens.")
    after: float | None
    logit_change: float = Field(description="Of its logit (a difference: of the difference).")
    predicted: float | None = Field(description="FeatureChange of the centred logit, as the graph says.")
    measured: float = Field(description="FeatureChange of the centred logit.")


class ChangedFeature(BaseModel):
    """A feature that is active otherwise than before."""

    node: str | None = Field(description="Its node, where the graph has it.")
    layer: int
    position: int
    index: int
    before: float
    after: float
    by_hand: bool = Field(description="Whether a change names it.")


class Effect(BaseModel):
    """What happens at one strength."""

    strength: float
    kl: float = Field(description="KL divergence (nats) of the next token's distribution from that before.")
    before: list[TokenProbability]
    after: list[TokenProbability]
    targets: list[TargetEffect]
    changed: list[ChangedFeature] = Field(description="Those changed by hand, then the 200 most changed.")
    not_in_graph: int = Field(description="Changed features that the graph does not hold.")


class Continuation(BaseModel):
    """How the model goes on."""

    before: str
    after: list[str] = Field(description="A text for each strength.")


class InterventionOutcome(BaseModel):
    """What an intervention leaves."""

    results: list[Effect]
    text: Continuation | None
    python: str = Field(description="Python that does the same.")


class Job(JobWithoutResult):
    """Long work with what it left."""

    result: TracedGraph | InterventionOutcome | None
