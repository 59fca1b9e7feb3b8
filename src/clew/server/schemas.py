"""What travels between page and server: every field is described, for the OpenAPI document too."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticSerializationError

GRAPH_ID = r"^[0-9a-f]{32}$"


class Body(BaseModel):
    """What a client sends: unknown fields and numbers that are none are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        """JSON can spell half a character, which no file and no database can hold."""
        try:
            self.model_dump_json()
        except PydanticSerializationError:
            raise ValueError("a text holds half a character (a lone surrogate)") from None
        return self


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="One or more sentences for a person.")


class Answer(BaseModel):
    """The target that weighs most."""

    text: str
    probability: float | None = Field(description="The model's own; null for a difference of two tokens.")


class ScorePair(BaseModel):
    """How much of the targets the features explain, each between 0 and 1."""

    replacement: float
    completeness: float


class Entry(BaseModel):
    """One graph of the library."""

    id: str = Field(pattern=GRAPH_ID)
    name: str
    prompt: str
    model: str
    dictionary: str
    answer: Answer | None
    nodes: int
    features: int
    edges: int
    scores: ScorePair | None
    size: int = Field(description="Bytes of the stored file.")
    created: str = Field(description="ISO 8601, UTC.")
    modified: str = Field(description="ISO 8601, UTC: the last change of its name or its annotations.")


class Rename(Body):
    """A graph's new name."""

    name: str = Field(min_length=1, max_length=200)


class LimitsOfServer(BaseModel):
    """What the server takes in, and what it gives a page at once."""

    upload: int = Field(description="Bytes of a file.")
    page_nodes: int = Field(description="Nodes; of a larger graph the page gets a part.")
    page_edges: int = Field(description="Edges; of a larger graph the page gets a part.")


class LoadedModel(BaseModel):
    """A model and its dictionary, as `clew.load` was given them."""

    model: str
    dictionary: str


class ModelState(BaseModel):
    """What is kept in memory."""

    loaded: LoadedModel | None


class Info(BaseModel):
    """About the server."""

    version: str
    library: str = Field(description="The library's folder.")
    limits: LimitsOfServer
    model: ModelState


class ListedModel(BaseModel):
    """One line of `clew models`."""

    name: str
    reference: str = Field(description="What a job takes as its `model`.")
    note: str = Field(description="What it is, under which licence; or how to bring it.")
    ready: bool = Field(description="Whether it loads without the network.")


class Edge(BaseModel):
    """An edge of the node that was asked about."""

    node: str = Field(description="Id of the node at the other end.")
    name: str = Field(description="A short name of that node.")
    weight: float


class RestOfEdges(BaseModel):
    """The edges that are not listed."""

    count: int
    weight_absolute: float = Field(description="Sum of their absolute weights.")


class Edges(BaseModel):
    """Edges into or out of one node of the stored graph, the strongest first."""

    total: int
    edges: list[Edge]
    rest: RestOfEdges


class Group(Body):
    """A supernode."""

    name: str = Field(max_length=2000)
    members: list[str] = Field(max_length=100_000, description="Node ids.")
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$", description="`#rrggbb`.")


AnnotationValue = str | Literal[True] | Group


class Annotations(BaseModel):
    """All that people added to a graph.

    Keys: `label:<node id>` (text), `feature:L12/4031` (text, shared by all graphs of the same model and
    dictionary), `pin:<node id>` (true), `group:<id>` (a group).
    """

    revision: int
    values: dict[str, AnnotationValue]


class AnnotationChanges(Body):
    """Changes to a graph's annotations; null takes a value back."""

    base: int = Field(ge=0, lt=2**62, description="The revision that the client has seen.")
    changes: dict[str, str | bool | Group | None] = Field(max_length=10_000)


class AnnotationsChanged(BaseModel):
    """What came of a change."""

    revision: int
    values: dict[str, AnnotationValue | None] = Field(
        description="Every key that anybody changed since `base`, with its value now."
    )
    conflicts: dict[str, AnnotationValue | None] = Field(
        description="Keys that somebody else changed since `base` to another value: theirs stands."
    )


class Look(Body):
    """A text to read with the loaded model."""

    model: str = Field(max_length=4096)
    dictionary: str = Field(default="neurons", max_length=4096)
    prompt: str = Field(min_length=1, max_length=1_000_000)
    sink: str | None = Field(default=None, max_length=2000)


class Prediction(BaseModel):
    """One next token."""

    text: str
    probability: float


class Seen(BaseModel):
    """A text as the model reads it, and how it would go on."""

    tokens: list[str]
    predictions: list[Prediction]
    sink: str | None


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


class Source(Body):
    """Where a swap takes its values from."""

    prompt: str = Field(min_length=1, max_length=1_000_000)
    position: int = Field(default=-1, ge=-(2**31), lt=2**31, description="Negative ones count from the end.")


class Change(Body):
    """One way of changing some of a graph's features."""

    nodes: list[str] = Field(min_length=1, max_length=10_000, description="Ids of feature nodes.")
    how: Literal["ablate", "scale", "set", "add", "swap"]
    value: float | None = Field(default=None, description="Factor, activation or summand.")
    positions: Literal["here", "all", "onwards"] = Field(
        default="here",
        description="The node's own position, all positions, or its own and all after it; generated "
        "tokens belong to the last two.",
    )
    source: Source | None = Field(default=None, description="For `swap` alone.")


class InterveneRequest(Body):
    """Change features on a graph's prompt."""

    kind: Literal["intervene"]
    graph: str = Field(pattern=GRAPH_ID)
    changes: list[Change] = Field(min_length=1, max_length=1000)
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
    predicted: float | None = Field(description="Change of the centred logit, as the graph says.")
    measured: float = Field(description="Change of the centred logit.")


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
    before: list[Prediction]
    after: list[Prediction]
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
