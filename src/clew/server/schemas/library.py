"""Entries of the library."""

from __future__ import annotations

from pydantic import BaseModel, Field

from clew.server.schemas.base import GRAPH_ID, Body


class Answer(BaseModel):
    """The target that weighs most."""

    text: str
    probability: float | None = Field(description="The model's own; null for a difference of two tokens.")


class ScorePair(BaseModel):
    """How much of the targets the features explain, each between 0 and 1."""

    replacement: float
    completeness: float


class GraphEntry(BaseModel):
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
