"""The contents of graphs: edges, summaries, stories, suggestions, comparisons."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from clew.graph.comparison import TargetDifference
from clew.graph.story.box_paths import StoryPath
from clew.graph.story.division import BoxKind
from clew.graph.summary.summary import GroupEdge
from clew.server.schemas.base import FromAttributes

Numbers = tuple[float, float]
Ids = tuple[str, str]


class NodeEdge(BaseModel):
    """An edge of one node."""

    node: str = Field(description="Id of the node at the other end.")
    name: str = Field(description="Short name of the node at the other end.")
    weight: float = Field(description="The edge's weight.")


class RestOfEdges(BaseModel):
    """The edges that are not listed."""

    count: int = Field(description="Number of them.")
    weight_absolute: float = Field(description="Sum of their absolute weights.")


class NodeEdges(BaseModel):
    """The edges into or out of one node of the stored graph."""

    total: int = Field(description="Number of edges.")
    edges: list[NodeEdge] = Field(description="The strongest edges, strongest first.")
    rest: RestOfEdges = Field(description="The other edges.")


class SummaryGroup(BaseModel):
    """Nodes that a person may take for one."""

    name: str = Field(description="The group's name.")
    kind: Literal["feature", "error", "token", "target"] = Field(description="Kind of its nodes.")
    members: list[str] = Field(description="Node ids.")
    share: float = Field(description="Share of the influence on all nodes but targets.")
    weight: float = Field(description="Weight of its targets among the explained outputs.")
    layer: float = Field(description="Mean layer, weighted by influence.")
    layers: tuple[int, int] = Field(description="Layers between which the middle four fifths of it lie.")
    position: float = Field(description="Mean position, weighted by influence.")
    positions: tuple[int, int] = Field(description="First and last position.")
    words: list[str] = Field(description="Tokens that its features promote together.")
    own: bool = Field(description="Whether a person made it.")
    color: str | None = Field(description="The colour that a person gave it, as `#rrggbb`.")


class SummaryAnswer(FromAttributes):
    """A graph in about a dozen groups, and the shares of influence that these show and leave out."""

    groups: list[SummaryGroup] = Field(description="The groups.")
    edges: list[GroupEdge] = Field(description="Edges between groups.")
    shown: float = Field(description="Sum of the shares of the groups.")
    in_no_group: float = Field(description="Share of the influence outside of all groups.")
    through_errors: float = Field(description="Share of it that no feature explains.")
    pruned: float = Field(description="Share of the whole graph's influence that pruning took away.")


class StoryBox(BaseModel):
    """Nodes that a story takes for one."""

    name: str = Field(description="The box's name.")
    kind: BoxKind = Field(description="A token holds its features of layer 0; a step has a meaning.")
    sentence: str = Field(description="A sentence: its features, what they fire on, what they raise.")
    members: list[str] = Field(description="Node ids.")
    share: float = Field(description="Share of the influence on all nodes but targets.")
    effect: float | None = Field(description="Part of the likeliest output's logit; null where unknown.")
    layers: tuple[int, int] = Field(description="First and last layer; -1 is that of tokens.")
    positions: tuple[int, int] = Field(description="First and last position.")
    folded: bool = Field(description="Whether it is drawn small, as what says nothing by itself.")
    words: list[str] = Field(description="Words that its features promote.")
    fires_on: list[str] = Field(description="Words on which its features fire in an index's texts.")
    context: str = Field(description="What stands before those words; may be empty.")
    own: bool = Field(description="Whether a person made it.")
    color: str | None = Field(description="The colour that a person gave it, as `#rrggbb`.")


class StoryAnswer(FromAttributes):
    """A graph as a story: boxes from the tokens up to the outputs, with edges, paths and sentences."""

    sentences: list[str] = Field(description="Three sentences that say the story in numbers.")
    boxes: list[StoryBox] = Field(description="The boxes.")
    edges: list[GroupEdge] = Field(description="Edges between boxes, by their numbers.")
    paths: list[StoryPath] = Field(description="Paths through steps, strongest first.")
    direct: list[StoryPath] = Field(description="Paths from a token to an output past all steps.")
    pruned: float = Field(description="Share of the whole graph's influence that pruning took away.")


class SuggestionAnswer(BaseModel):
    """A group that a person may accept."""

    name: str = Field(description="The group's name.")
    members: list[str] = Field(description="Node ids.")
    reason: str = Field(description="The reason for the group.")
    share: float = Field(description="Share of the influence on all nodes.")


class ComparedNode(BaseModel):
    """A node of both graphs; numbers are those of the left and the right graph."""

    left: str = Field(description="Id in the left graph.")
    right: str = Field(description="Id in the right graph.")
    influence: Numbers = Field(description="Share of the outputs that flows through it, left and right.")
    activation: tuple[float | None, float | None] = Field(description="Activation; null for no feature.")


class ComparedEdge(BaseModel):
    """An edge of both graphs; pairs are those of the left and the right graph."""

    source: Ids = Field(description="Ids of the source.")
    target: Ids = Field(description="Ids of the target.")
    weight: Numbers = Field(description="Weights.")


class ComparisonAnswer(FromAttributes):
    """The nodes and edges that two graphs share, and those of one graph alone."""

    positions: list[tuple[int, int]] = Field(description="Positions of the prompts that correspond.")
    same_features: bool = Field(description="Whether model and dictionary agree; otherwise no feature does.")
    nodes: list[ComparedNode] = Field(description="Nodes of both graphs.")
    elsewhere: list[ComparedNode] = Field(description="Features of both graphs, at other positions.")
    only_left: list[str] = Field(description="Ids of nodes of the left graph alone, most influential first.")
    only_right: list[str] = Field(description="Ids of nodes of the right graph alone, likewise.")
    edges: list[ComparedEdge] = Field(description="Edges of both graphs, strongest change first.")
    n_edges: int = Field(description="Number of edges of both graphs; the list may be shorter.")
    edges_only_left: int = Field(description="Number of edges of the left graph alone.")
    edges_only_right: int = Field(description="Number of edges of the right graph alone.")
    difference: TargetDifference | None = Field(description="Logits of the two likeliest; null for none.")
    sentences: list[str] = Field(
        description="What the graphs share, and features in both and in one, by name."
    )
    note: str = Field(description="A sentence about prompts with different first tokens; empty for the same.")


class ComparedFeature(BaseModel):
    """A feature in several graphs; a value for each graph."""

    name: str = Field(description="Its name, such as L12/403.")
    label: str = Field(description="Its label in the first graph that has one; empty for none.")
    nodes: list[str | None] = Field(description="Ids of its most influential nodes; null for none.")
    influence: list[float] = Field(description="Shares of the outputs that flow through these; 0 for none.")


class FeatureTableAnswer(BaseModel):
    """The features of several graphs, largest summed influence first."""

    rows: list[ComparedFeature] = Field(description="The most influential features.")
    in_so_many: list[int] = Field(description="Numbers of features that one graph holds, two, and so on.")
