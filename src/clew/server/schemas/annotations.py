"""Annotations of a graph, and changes to them."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, Len, Lt
from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypeAliasType

from clew.graph.consistency import FARTHEST
from clew.server.schemas.base import Body, request


@request
class NodeGroup(Body):
    """A supernode: nodes that a person takes for one."""

    name: Annotated[str, Len(0, 2000)]
    """The name."""
    members: Annotated[list[str], Len(0, 100_000)]
    """Node ids."""
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    """The colour as `#rrggbb`; null for one that the page chooses."""


Pixels = Annotated[float, Ge(-FARTHEST), Le(FARTHEST)]
Size = Annotated[float, Ge(0), Le(FARTHEST)]


@request
class PlaceOfBox(Body):
    """A place that a person chose for a box of the chosen nodes' drawing, in the drawing's pixels."""

    x: Pixels
    """The middle, from the left."""
    y: Pixels
    """The middle, from above."""
    width: Size | None = None
    """Null for the width of the box's text."""
    height: Size | None = None
    """Null for the height of the box's text."""


AnnotationValue = TypeAliasType(
    "AnnotationValue",
    Annotated[str | Literal[True] | NodeGroup | PlaceOfBox, Field(description="The value of a key.")],
)
AnnotationValues = TypeAliasType(
    "AnnotationValues",
    Annotated[
        dict[str, AnnotationValue],
        Field(
            description="Values by key: `label:<node id>` (text), `feature:L12/4031` (text, shared by all "
            "graphs of the same model and dictionary), `pin:<node id>` (true), `group:<id>` (a group), "
            "`place:g:<group id>` and `place:n:<node id>` (the place of a box)."
        ),
    ],
)
MaybeValues = dict[str, AnnotationValue | None]
NEW_VALUES = "New values by key; null takes a value back."
AnnotationChanges = TypeAliasType(
    "AnnotationChanges", Annotated[MaybeValues, Field(max_length=10_000, description=NEW_VALUES)]
)


class GraphAnnotations(BaseModel):
    """Everything that people added to a graph."""

    revision: int = Field(description="Number of the library's last change to any annotation.")
    values: AnnotationValues = Field(description="All values by key.")


@request
class AnnotationPatch(Body):
    """Changes to a graph's annotations."""

    base: Annotated[int, Ge(0), Lt(2**62)]
    """The revision that the client has seen."""
    changes: AnnotationChanges
    """New values by key; null takes a value back."""


class AnnotationsPatched(BaseModel):
    """The outcome of a change."""

    revision: int = Field(description="The revision after the change.")
    values: MaybeValues = Field(description="Present values of all keys that changed since `base`.")
    conflicts: MaybeValues = Field(description="Keys whose value somebody else changed; it stays as it is.")
