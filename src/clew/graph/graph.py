"""`Graph`: an attribution graph, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clew.graph.annotation import annotate
from clew.graph.arrays import GraphArrays, NodeKind, OutputTokens, quote
from clew.graph.comparison import Comparison, compare
from clew.graph.frames import edge_frame, node_frame
from clew.graph.paths import SignedPath, strongest_paths
from clew.graph.pruning import prune
from clew.graph.summary import Suggestion, Summary, suggest_groups, summarize
from clew.graph.thresholds import Thresholds
from clew.graph.writer import save

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Graph", "NodeKind", "OutputTokens", "quote"]


@dataclass(frozen=True, eq=False, repr=False)
class Graph(GraphArrays):
    """An attribution graph with all that can be done with it; its arrays are those of `GraphArrays`."""

    def annotate(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        supernodes: Mapping[str, Sequence[str]] | None = None,
        pins: Iterable[str] = (),
        feature_labels: Mapping[str, str] | None = None,
    ) -> Graph:
        """The same graph with labels, supernodes and pins added; see `clew.graph.annotation`.

        Nodes are named by id or by name: `graph.annotate(supernodes={"Say Paris": ["L24/1005@5"]})`.
        """
        return annotate(self, labels=labels, supernodes=supernodes, pins=pins, feature_labels=feature_labels)

    def prune(
        self,
        node_threshold: float = Thresholds.node_threshold,
        edge_threshold: float = Thresholds.edge_threshold,
    ) -> Graph:
        """The smallest part that carries the given shares of the influence; see `clew.graph.pruning`."""
        return prune(self, node_threshold, edge_threshold)

    def paths(
        self, target: int | None = None, count: int = 10, *, sources: Sequence[int] | None = None
    ) -> list[SignedPath]:
        """The strongest signed paths from source nodes (default: all tokens) to a target node.

        The target is by default the output that weighs most; see `clew.graph.paths.strongest_paths`.
        """
        return strongest_paths(self, sources=sources, target=target, count=count)

    def summarize(self, max_groups: int = 12) -> Summary:
        """About a dozen named groups that carry most of the influence; see `clew.graph.summary`."""
        return summarize(self, max_groups)

    def suggest_groups(self, count: int = 12) -> list[Suggestion]:
        """Groups of features that a person may accept or decline; see `clew.graph.summary`."""
        return suggest_groups(self, count)

    def compare(self, other: Graph, edges: int = 200) -> Comparison:
        """What this graph (left) and another (right) share, and what changed; see `clew.graph.comparison`."""
        return compare(self, other, edges)

    def save(self, path: str | Path) -> Path:
        """Write a `.clew` file, or Neuronpedia's JSON where the name ends in `.json`; atomic."""
        return save(self, path)

    @property
    def nodes(self) -> pd.DataFrame:
        """One row a node (needs pandas); see `clew.graph.frames`."""
        return node_frame(self)

    @property
    def edges(self) -> pd.DataFrame:
        """One row an edge (needs pandas); see `clew.graph.frames`."""
        return edge_frame(self)

    def __repr__(self) -> str:
        answer = ""
        if self.info.targets:
            first = max(self.info.targets, key=lambda target: target.weight)
            probability = "" if first.probability is None else f" p={first.probability:.2f}"
            answer = f" -> {quote(first.text)}{probability}"
        parts = [f"{quote(self.info.prompt)}{answer}", f"{self.n_nodes:,} nodes", f"{self.n_edges:,} edges"]
        scores = self.info.pruned_scores or self.info.scores
        if scores:
            parts.append(f"replacement {scores.replacement:.2f}")
        return f"Graph({', '.join(parts)})"
