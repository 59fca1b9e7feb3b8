"""Features of several graphs in one table, with the influence that each has in each graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.alignment import same_features, strongest_by_feature
from clew.graph.arrays import GraphArrays, check_is_graph
from clew.graph.frames import import_pandas
from clew.graph.influence import output_shares
from clew.graph.info import GraphInfo

if TYPE_CHECKING:
    import pandas as pd

SHOWN_FEATURES = 200
"""Features that a table lists by default."""


@dataclass(frozen=True)
class FeatureRow:
    """A feature, with its most influential node in each graph."""

    feature: Feature
    label: str
    """Its label in the first graph that has one; empty for none."""
    nodes: tuple[int | None, ...]
    """Node index in each graph; None where the feature is no node."""
    influence: tuple[float, ...]
    """Share of each graph's outputs that flows through this node; 0 where the feature is no node."""

    @property
    def n_graphs(self) -> int:
        """The number of graphs that hold the feature."""
        return sum(node is not None for node in self.nodes)


@dataclass(frozen=True)
class FeatureTable:
    """Features of several graphs of one model and dictionary, largest summed influence first."""

    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    """The likeliest target of each graph."""
    rows: tuple[FeatureRow, ...]
    """The most influential features."""
    in_so_many: tuple[int, ...]
    """The number of features that one graph holds, two graphs, and so on; listed or not."""
    node_ids: tuple[tuple[str, ...], ...]
    """Ids of all nodes of each graph."""

    def to_pandas(self) -> pd.DataFrame:
        """A row for each feature: name, label, graphs, and a column of influence for each prompt.

        Raises `ClewError` without pandas.
        """
        columns: dict[str, list[Any]] = {
            "feature": [str(row.feature) for row in self.rows],
            "label": [row.label for row in self.rows],
            "graphs": [row.n_graphs for row in self.rows],
        }
        for number, prompt in enumerate(self.prompts):
            name = prompt if self.prompts.count(prompt) == 1 else f"{prompt} ({number + 1})"
            columns[name] = [row.influence[number] for row in self.rows]
        return import_pandas().DataFrame(columns)

    def as_json(self) -> dict[str, Any]:
        """The table as dictionaries and lists; nodes are given by their ids."""
        return {
            "rows": [
                {
                    "name": str(row.feature),
                    "label": row.label,
                    "nodes": [
                        None if node is None else ids[node]
                        for node, ids in zip(row.nodes, self.node_ids, strict=True)
                    ],
                    "influence": list(row.influence),
                }
                for row in self.rows
            ],
            "in_so_many": list(self.in_so_many),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} in {number}" for number, count in enumerate(self.in_so_many, 1))
        return f"FeatureTable({len(self.prompts)} graphs; features: {counts})"


def compare_features(graphs: Sequence[GraphArrays], count: int = SHOWN_FEATURES) -> FeatureTable:
    """A table of the features of two or more graphs, wherever in their prompts they are.

    Args:
        graphs: Graphs of one model with one dictionary, with the same weights.
        count: Number of features to list, at most; those with the largest influence in all graphs together.

    Returns:
        A row for each feature, with its most influential node in each graph.

    Raises:
        ClewError: There are fewer than two graphs, or two whose features do not correspond.
    """
    if len(graphs) < 2:
        raise ClewError("A comparison needs two or more graphs.")
    for graph in graphs:
        check_is_graph(graph)
        if not same_features(graphs[0], graph):
            raise ClewError(
                f"The features of {_named(graph)} are not those of {_named(graphs[0])}; compare graphs of "
                "one model and one dictionary, with the same weights."
            )
    strongest = [strongest_by_feature(graph) for graph in graphs]
    shares = [output_shares(graph) for graph in graphs]
    rows = []
    for layer, feature in sorted(set().union(*strongest)):
        nodes = tuple(found.get((layer, feature)) for found in strongest)
        influence = tuple(
            0.0 if node is None else float(share[node]) for node, share in zip(nodes, shares, strict=True)
        )
        labels = (
            graph.label(node) or "" for graph, node in zip(graphs, nodes, strict=True) if node is not None
        )
        rows.append(FeatureRow(Feature(layer, feature), next(filter(None, labels), ""), nodes, influence))
    rows.sort(key=lambda row: -sum(row.influence))
    return FeatureTable(
        prompts=tuple(graph.info.prompt for graph in graphs),
        answers=tuple(_answer(graph.info) for graph in graphs),
        rows=tuple(rows[:count]),
        in_so_many=tuple(sum(row.n_graphs == number for row in rows) for number in range(1, len(graphs) + 1)),
        node_ids=tuple(tuple(graph.node_ids) for graph in graphs),
    )


def _answer(info: GraphInfo) -> str:
    return max(info.targets, key=lambda target: target.weight).text if info.targets else ""


def _named(graph: GraphArrays) -> str:
    info = graph.info
    return f"{info.prompt!r} ({info.model or 'unknown model'}, {info.dictionary or 'unknown dictionary'})"
