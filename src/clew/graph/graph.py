"""`Graph`: an attribution graph with its methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clew.graph.annotation import annotate
from clew.graph.arrays import GraphArrays, NodeKind, OutputTokens, quote
from clew.graph.comparison import SHOWN_EDGES, Comparison, compare
from clew.graph.frames import edge_frame, node_frame
from clew.graph.paths import SignedPath, strongest_paths
from clew.graph.pruning import prune
from clew.graph.story import Story, tell_story
from clew.graph.summary import MAX_GROUPS, Suggestion, Summary, suggest_groups, summarize
from clew.graph.writer import save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Graph", "NodeKind", "OutputTokens", "quote"]


@dataclass(frozen=True, eq=False, repr=False)
class Graph(GraphArrays):
    """An attribution graph: how features, errors and tokens lead to the outputs of a prompt.

    `node_*` and `edge_*` are numpy arrays (see `GraphArrays`); `nodes` and `edges` are pandas tables of them.
    The definitions follow "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et
    al. 2025, https://transformer-circuits.pub/2025/attribution-graphs/methods.html.
    """

    def annotate(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        supernodes: Mapping[str, Sequence[str]] | None = None,
        pins: Iterable[str] = (),
        feature_labels: Mapping[str, str] | None = None,
    ) -> Graph:
        """The same graph with labels, supernodes and pins added to its own.

        Nodes are named by id (`24_1005_5`) or by name:
        `graph.annotate(supernodes={"Say Paris": ["L24/1005@5"]})`.

        Args:
            labels: Text by node. An empty text removes the label.
            supernodes: Member nodes by the supernode's name. An empty list removes the supernode.
            pins: Nodes to pin.
            feature_labels: Text by feature (`L24/1005`), for the feature at every position.

        Returns:
            A new graph; of two notes with the same name, the new one counts.

        Raises:
            ClewError: A node is not in the graph, or an argument has the wrong type.
        """
        return annotate(self, labels=labels, supernodes=supernodes, pins=pins, feature_labels=feature_labels)

    def prune(
        self,
        node_threshold: float | None = None,
        edge_threshold: float | None = None,
    ) -> Graph:
        """The smallest part of the graph that carries the given shares of the influence.

        Args:
            node_threshold: Share of the influence that the kept nodes carry, above 0 and at most 1. By
                default that of the trace, or 0.8 where the graph names none.
            edge_threshold: Share of the flow between kept nodes that the kept edges carry, in the same range.
                By default that of the trace, or 0.98.

        Returns:
            The kept part as a graph; its `info.pruned_scores` count all that was left out as error.

        Raises:
            ClewError: A threshold is out of range.
        """
        return prune(self, node_threshold, edge_threshold)

    def paths(
        self, target: int | None = None, count: int = 10, *, sources: Sequence[int] | None = None
    ) -> list[SignedPath]:
        """The strongest signed paths from source nodes to a target node.

        Args:
            target: Index of the node where paths end; by default the output with the largest weight.
            count: Number of paths, at most.
            sources: Indices of the nodes where paths begin; by default all tokens.

        Returns:
            Paths by share of the target's influence, strongest first; the search is exact.

        Raises:
            ClewError: An index is not a node, or there is no output and `target` is not given.
        """
        return strongest_paths(self, sources=sources, target=target, count=count)

    def summarize(self, max_groups: int = MAX_GROUPS) -> Summary:
        """The graph in about a dozen named groups that carry most of the influence.

        Args:
            max_groups: Number of groups, at most; supernodes come on top of them.

        Returns:
            The groups from tokens up to outputs, and the edges between them.

        Raises:
            ClewError: `max_groups` is below 1.
        """
        return summarize(self, max_groups)

    def story(self) -> Story:
        """The graph as a story: its tokens, at most eight named steps, and all else folded and counted.

        Best told of a pruned graph with the labels of an index (`clew.open`, then `prune`).

        Returns:
            Boxes from tokens up to outputs, the edges and paths between them, and three sentences.
        """
        return tell_story(self)

    def suggest_groups(self, count: int = 12) -> list[Suggestion]:
        """Groups of features for a person to accept or decline.

        Args:
            count: Number of suggestions, at most.

        Returns:
            Suggestions by influence, largest first; none holds members of the graph's supernodes.
        """
        return suggest_groups(self, count)

    def compare(self, other: Graph, edges: int = SHOWN_EDGES) -> Comparison:
        """A comparison of this graph (left) with another (right).

        Args:
            other: The graph on the right.
            edges: Number of edges to list, at most; those that changed most.

        Returns:
            The nodes and edges in both graphs, and the nodes in one of them only.
        """
        return compare(self, other, edges)

    def save(self, path: str | Path) -> Path:
        """Write the graph to a file, which appears whole or not at all.

        Args:
            path: File to write: Neuronpedia's JSON if its name ends in `.json`, else a `.clew` file.

        Returns:
            The path of the file.

        Raises:
            ClewError: The file cannot be written.
        """
        return save(self, path)

    @property
    def nodes(self) -> pd.DataFrame:
        """A table with one row per node; needs pandas. See `clew.graph.frames.node_frame` for its columns."""
        return node_frame(self)

    @property
    def edges(self) -> pd.DataFrame:
        """A table with one row per edge; needs pandas. See `clew.graph.frames.edge_frame` for its columns."""
        return edge_frame(self)

    def __repr__(self) -> str:
        answer = ""
        if self.info.targets:
            first = max(self.info.targets, key=lambda target: target.weight)
            probability = "" if first.probability is None else f" p={first.probability:.2f}"
            answer = f" -> {quote(first.text)}{probability}"
        parts = [f"{quote(self.info.question)}{answer}", f"{self.n_nodes:,} nodes", f"{self.n_edges:,} edges"]
        scores = self.info.pruned_scores or self.info.scores
        if scores:
            parts.append(f"replacement {scores.replacement:.2f}")
        return f"Graph({', '.join(parts)})"
