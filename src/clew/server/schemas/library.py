"""Entries of the library."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Len
from pydantic import BaseModel, Field

from clew.server.schemas.base import ID, Body, request


class TopTarget(BaseModel):
    """The target with the largest weight."""

    text: str = Field(description="The token, or `A minus B`.")
    probability: float | None = Field(description="The model's own; null for a difference of two tokens.")


class ScorePair(BaseModel):
    """The share of the targets that features explain; each score is between 0 and 1."""

    replacement: float = Field(description="The replacement score.")
    completeness: float = Field(description="The completeness score.")


class GraphEntry(BaseModel):
    """One graph of the library."""

    id: str = Field(pattern=ID, description="The graph's id.")
    name: str = Field(description="The name that a person gave it; by default the prompt.")
    prompt: str = Field(description="The prompt, cut at 2,000 characters.")
    model: str = Field(description="The model's name; empty where the file names none.")
    dictionary: str = Field(description="The dictionary's name; empty where the file names none.")
    answer: TopTarget | None = Field(description="The target with the largest weight; null without targets.")
    nodes: int = Field(description="Number of nodes.")
    features: int = Field(description="Number of feature nodes.")
    edges: int = Field(description="Number of edges.")
    scores: ScorePair | None = Field(description="Scores of the graph; null where the file has none.")
    size: int = Field(description="Bytes of the stored file.")
    created: str = Field(description="Time at which it came into the library: ISO 8601, UTC.")
    modified: str = Field(description="Time of the last change of name or annotations: ISO 8601, UTC.")


@request
class Rename(Body):
    """A graph's new name."""

    name: Annotated[str, Len(1, 200)]
    """The name."""
