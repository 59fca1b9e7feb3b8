"""Story of a graph: one list of boxes from the tokens up to the outputs, their edges, paths and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from clew.graph.arrays import GraphArrays
from clew.graph.influence import measure_flow
from clew.graph.info_json import plain
from clew.graph.story.box_paths import StoryPath, paths_through
from clew.graph.story.division import BoxKind, Members, divide
from clew.graph.story.effects import effects_of_groups, main_output
from clew.graph.story.sentences import sentence_of, three_sentences
from clew.graph.summary.summary import GroupEdge, edges_between

FOLDED: frozenset[BoxKind] = frozenset({"unnamed", "near_sink", "dense", "error"})
"""Kinds of boxes that are always drawn small."""


@dataclass(frozen=True)
class Box:
    """Nodes of a graph that a story takes for one."""

    kind: BoxKind
    """A token holds its features of layer 0; a step is a group with a meaning; the others are folded."""
    name: str
    sentence: str
    """A sentence about the box: its features, the tokens they fire on, the tokens they raise."""
    members: tuple[int, ...]
    """Node indices, ascending."""
    share: float
    """Share of the influence of all nodes."""
    effect: float | None
    """The part of the likeliest output's logit that comes through the box; None without activations."""
    layers: tuple[int, int]
    """First and last layer; -1 is that of tokens."""
    positions: tuple[int, int]
    folded: bool
    """True for a box that is drawn small: a function word, the sink, or nodes without a name."""
    words: tuple[str, ...] = ()
    """Words that its features promote."""
    fires_on: tuple[str, ...] = ()
    """Words on which its features fire in an index's texts."""
    context: str = ""
    """The words that stand before those in these texts."""
    own: bool = False
    """True for a person's supernode."""
    color: str | None = None
    """`#rrggbb`, if a person chose a color."""


@dataclass(frozen=True)
class Story:
    """A graph in boxes from the tokens up to the outputs, with edges, paths and three sentences."""

    sentences: tuple[str, ...]
    """Three plain sentences that say the story in numbers."""
    boxes: tuple[Box, ...]
    edges: tuple[GroupEdge, ...]
    """Edges between boxes by their numbers, strongest first."""
    paths: tuple[StoryPath, ...]
    """Paths through steps, strongest first."""
    direct: tuple[StoryPath, ...]
    """Paths from a token to an output past all steps, strongest first."""
    pruned: float
    """Share of the whole graph's influence that pruning left out; the other shares do not count it."""
    node_ids: tuple[str, ...]
    """Ids of all nodes of the graph, as in `Graph.node_ids`."""

    def as_json(self) -> dict[str, Any]:
        """The story as dictionaries and lists; members are node ids."""
        boxes = [
            plain(vars(box)) | {"members": [self.node_ids[node] for node in box.members]}
            for box in self.boxes
        ]
        return {
            "sentences": list(self.sentences),
            "boxes": boxes,
            "edges": [dict(vars(edge)) for edge in self.edges],
            "paths": [plain(vars(path)) for path in self.paths],
            "direct": [plain(vars(path)) for path in self.direct],
            "pruned": self.pruned,
        }

    def __repr__(self) -> str:
        steps = ", ".join(f"{box.name} {box.share:.0%}" for box in self.boxes if box.kind == "step")
        return f"Story({len(self.boxes)} boxes, steps: {steps or 'none'})"


def tell_story(graph: GraphArrays) -> Story:
    """The story of a graph (best pruned); the same graph always has the same one.

    It needs neither an index nor output tokens, but names what they can name.
    """
    flow = measure_flow(graph)
    groups = divide(graph, flow)
    total = float(flow.influence.sum()) or 1.0
    effects = effects_of_groups(graph, [group.nodes for group in groups])
    boxes = tuple(
        _box(graph, group, float(flow.influence[group.nodes].sum() / total), effect)
        for group, effect in zip(groups, effects, strict=True)
    )
    edges = edges_between(graph, flow, [group.nodes for group in groups], total)
    paths, direct = _paths(graph, groups)
    return Story(
        sentences=three_sentences(graph, boxes),
        boxes=boxes,
        edges=tuple(edges),
        paths=paths,
        direct=direct,
        pruned=graph.info.influence_left_out,
        node_ids=tuple(graph.node_ids),
    )


Paths: TypeAlias = tuple[tuple[StoryPath, ...], tuple[StoryPath, ...]]


def _paths(graph: GraphArrays, groups: list[Members]) -> Paths:
    """Paths from words with a meaning over steps, and past them; what is folded is passed over."""
    output = main_output(graph)
    if output is None:
        return (), ()
    shown = [group.kind in ("step", "token", "output") for group in groups]
    stations = [group.nodes if show else group.nodes[:0] for group, show in zip(groups, shown, strict=True)]
    over, past = paths_through(graph, output, stations, [group.kind == "token" for group in groups])
    words = {number for number, group in enumerate(groups) if group.kind == "token" and not group.folded}
    if not words:
        return over, past
    over, past = (tuple(path for path in paths if path.boxes[0] in words) for paths in (over, past))
    return over, past


def _box(graph: GraphArrays, group: Members, share: float, effect: float | None) -> Box:
    layer, position = graph.node_layer[group.nodes], graph.node_position[group.nodes]
    return Box(
        kind=group.kind,
        name=group.name,
        sentence=sentence_of(graph, group, effect),
        members=tuple(group.nodes.tolist()),
        share=share,
        effect=effect,
        layers=(int(layer.min()), int(layer.max())),
        positions=(int(position.min()), int(position.max())),
        folded=group.folded or group.kind in FOLDED,
        words=group.words,
        fires_on=group.fires_on,
        context=group.context,
        own=group.own,
        color=graph.annotations.supernode_colors.get(group.name) if group.own else None,
    )
