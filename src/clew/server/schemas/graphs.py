"""What the API says about what is in graphs: edges, summaries, suggestions, comparisons."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Pair = tuple[float, float]
Ids = tuple[str, str]


class NodeEdge(BaseModel):
    """An edge of the node that was asked about."""

    node: str = Field(description="Id of the node at the other end.")
    name: str = Field(description="A short name of that node.")
    weight: float


class RestOfEdges(BaseModel):
    """The edges that are not listed."""

    count: int
    weight_absolute: float = Field(description="Sum of their absolute weights.")


class NodeEdges(BaseModel):
    """NodeEdges into or out of one node of the stored graph, the strongest first."""

    total: int
    edges: list[NodeEdge]
    rest: RestOfEdges


class SummaryGroup(BaseModel):
    """Nodes that a person may take for one."""

    name: str
    kind: Literal["feature", "error", "token", "target"]
    members: list[str] = Field(description="Node ids.")
    share: float = Field(description="Of the influence on all nodes but targets.")
    weight: float = Field(description="Of its targets, as explained outputs.")
    layer: float = Field(description="Mean, weighted by influence.")
    layers: tuple[int, int] = Field(description="Between which the middle four fifths of it lie.")
    position: float = Field(description="Mean, weighted by influence.")
    positions: tuple[int, int] = Field(description="The first and the last.")
    words: list[str] = Field(description="What its features promote together.")
    own: bool = Field(description="Whether a person made it.")
    color: str | None


class SummaryEdge(BaseModel):
    """All edges from one group to another."""

    source: int = Field(description="Number of the group in the list.")
    target: int
    carried: float = Field(description="Share of all influence that flows here.")
    effect: float = Field(description="The same with signs.")
    share: float = Field(description="Of what flows into the target group from outside.")


class Summary(BaseModel):
    """A graph in about a dozen groups, and what that leaves out."""

    groups: list[SummaryGroup]
    edges: list[SummaryEdge]
    shown: float
    in_no_group: float
    through_errors: float
    pruned: float


class Suggestion(BaseModel):
    """A group that a person may accept."""

    name: str
    members: list[str] = Field(description="Node ids.")
    reason: str
    share: float


class ComparedNode(BaseModel):
    """A node of both graphs."""

    left: str
    right: str
    influence: Pair
    activation: tuple[float | None, float | None]


class ComparedEdge(BaseModel):
    """An edge of both graphs; each end is spelled left and right."""

    source: Ids
    target: Ids
    weight: Pair


class LogitDifference(BaseModel):
    """How much likelier one next token is than another, in each prompt."""

    first: str
    second: str
    logits: Pair


class Comparison(BaseModel):
    """What two graphs share, and what is in one of them alone."""

    positions: list[tuple[int, int]] = Field(description="Aligned positions of the prompts.")
    same_features: bool = Field(description="Whether model and dictionary are the same.")
    nodes: list[ComparedNode]
    only_left: list[str]
    only_right: list[str]
    edges: list[ComparedEdge]
    n_edges: int
    edges_only_left: int
    edges_only_right: int
    difference: LogitDifference | None
