"""What travels between page and server: every field is described, for the OpenAPI document too."""

from __future__ import annotations

from typing import Literal, Self

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
