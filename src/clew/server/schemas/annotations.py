"""Annotations of a graph, and changes to them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from clew.server.schemas.base import Body


class NodeGroup(Body):
    """A supernode."""

    name: str = Field(max_length=2000)
    members: list[str] = Field(max_length=100_000, description="Node ids.")
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$", description="`#rrggbb`.")


AnnotationValue = str | Literal[True] | NodeGroup


class GraphAnnotations(BaseModel):
    """All that people added to a graph.

    Keys: `label:<node id>` (text), `feature:L12/4031` (text, shared by all graphs of the same model and
    dictionary), `pin:<node id>` (true), `group:<id>` (a group).
    """

    revision: int
    values: dict[str, AnnotationValue]


class AnnotationPatch(Body):
    """Changes to a graph's annotations; null takes a value back."""

    base: int = Field(ge=0, lt=2**62, description="The revision that the client has seen.")
    changes: dict[str, str | bool | NodeGroup | None] = Field(max_length=10_000)


class AnnotationsPatched(BaseModel):
    """What came of a change."""

    revision: int
    values: dict[str, AnnotationValue | None] = Field(
        description="Every key that anybody changed since `base`, with its value now."
    )
    conflicts: dict[str, AnnotationValue | None] = Field(
        description="Keys that somebody else changed since `base` to another value: theirs stands."
    )
