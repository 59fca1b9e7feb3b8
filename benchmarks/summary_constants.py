"""Change each constant and step of the summaries; write docs/measurements/summary_constants.md.

The reasons for what is kept are in docs/decisions/0008-summary-constants.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.reader import open_graph
from clew.graph.summary import Group, Summary, clustering, grouping, names, summarize, topics, words
from clew.graph.summary.words import stem
from tests.graph.conftest import SHARED_GRAPHS
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model

HEAD = """\
# The constants of the summaries, changed one by one

Made by `python -m benchmarks.summary_constants`. The reasons for what is kept are in
[the decision](../decisions/0008-summary-constants.md).

Means over pruned graphs: eight prompts on SmolLM2 and four on Gemma 3 270M with their own neurons, and three
published graphs of Gemma 2 2B with transcoders. *groups*: groups of features. Shares of the features'
influence: *words*, in groups named by words or labels; *steps*, towards or against an output; *vague*, in
groups whose name lists some of their tokens only; *true*, of groups named by words or places, what is as the
name says; *largest*, in the largest group. *lift*: for names of words, the share that promotes them inside
the group, less that outside. *clear*: signed over unsigned sum of the edges between groups. *same*: adjusted
Rand index against the unchanged summary. *renamed*: share of the unchanged names that are gone.

"""

PROMPTS = {"smollm2": SMOLLM2_ANSWERS[:8], "gemma3-270m": GEMMA_ANSWERS[:4]}
SHARED = ("cold-clt-hp", "hive-clt-hp", "puppy-clt-hp")

CONSTANTS: tuple[tuple[ModuleType, str, tuple[float, ...]], ...] = (
    (grouping, "FEWEST_REGIONS", (0, 1, 4)),
    (grouping, "LEAST_DIRECT", (0.25, 0.75)),
    (clustering, "MOST_CELLS", (192, 1536)),
    (clustering, "LAYER_WEIGHT", (0, 0.25, 1)),
    (topics, "MOST_COMPARED", (500, 10_000)),
    (topics, "LEAST_SHARED", (0.05, 0.2)),
    (topics, "LEAST_STRENGTH", (0, 0.003, 0.012)),
    (topics, "NAMING_WORDS", (1, 2, 6)),
    (words, "HALF_RANK", (2.5, 10, 1e6)),
    (words, "SHORTEST", (1, 4)),
    (words, "LONGEST", (12, 240)),
    (words, "LONGEST_LABEL", (20, 2000)),
    (words, "COMMONEST", (0, 0.005, 0.02, 1)),
    (words, "FEW", (0, 4, 16)),
    (names, "MOSTLY", (0.35, 0.9)),
    (names, "MOST_NAMED", (1, 6)),
    (names, "LONGEST", (20, 80)),
)


def _without_demoted(graph: Graph, node: np.ndarray, up: np.ndarray, down: np.ndarray, n_words: int) -> Any:
    return MEASURE_WORTH(graph, node, up, np.full_like(down, -1), n_words)


MEASURE_WORTH = words._worth
STEPS: tuple[tuple[str, ModuleType, str, Any], ...] = (
    ("no topics", grouping, "topics_of", lambda *arguments: []),
    ("no last steps", grouping, "_last_steps", lambda *arguments: []),
    ("further groups for features alone", grouping, "EXTRA_BY_NEED", ()),
    ("demoted words do not count", words, "_worth", _without_demoted),
    ("fragments are words", words, "begins_word", lambda text: True),
    ("anything is a word", words, "is_nameable", lambda text: True),
    ("no stems", words, "stem", lambda text: text.strip() if any(map(str.isalnum, text)) else ""),
)


@dataclass(frozen=True)
class Measures:
    """Facts that a reader would notice of a summary; shares are of the influence of features."""

    groups: float
    """Number of groups of features."""
    words: float
    """Share in groups named by words or labels."""
    steps: float
    """Share in groups towards or against an output."""
    vague: float
    """Share in groups whose name lists some of their tokens only."""
    true: float
    """Share, of groups named by words or places, that is as the name says."""
    lift: float
    """For names of words: the share that promotes them inside the group, less that outside."""
    largest: float
    """Share of the largest group."""
    clear: float
    """Signed over unsigned sum of the edges between groups."""
    same: float
    """Adjusted Rand index of the features' groups against the unchanged summary."""
    renamed: float
    """Share of the unchanged summary's names that are gone."""


def graphs() -> Iterator[tuple[str, Graph]]:
    """Pruned graphs with the family that each belongs to."""
    for name, answers in PROMPTS.items():
        model = real_model(name)
        for prompt, _ in answers:
            yield name, trace(model, NeuronDictionary(model), prompt).prune()
    for name in SHARED:
        path = SHARED_GRAPHS / f"{name}.json"
        if path.exists():
            yield "transcoders", open_graph(path)
        else:
            print(f"There is no {path}; the table leaves this graph out.")


def measures(graph: Graph, summary: Summary, unchanged: Summary) -> Measures:
    influence = measure_flow(graph).influence * (graph.node_kind == NodeKind.FEATURE)
    influence /= influence.sum()
    groups = [group for group in summary.groups if group.kind == NodeKind.FEATURE]
    share = {group.name: influence[list(group.members)].sum() for group in groups}
    placed = [group for group in groups if group.name.startswith('on "')]
    steps = [group for group in groups if group.name.startswith(("towards ", "against "))]
    worded = [group for group in groups if group not in placed and group not in steps]
    true, lift = 0.0, []
    for group in worded:
        inside, outside = _shares_with_words(graph, group, influence)
        true += inside * share[group.name]
        lift.append(inside - outside)
    true += sum(influence[_as_named(graph, group)].sum() for group in placed)
    named = sum(share[group.name] for group in (*worded, *placed))
    before = {group.name for group in unchanged.groups if group.kind == NodeKind.FEATURE}
    return Measures(
        groups=len(groups),
        words=sum(share[group.name] for group in worded),
        steps=sum(share[group.name] for group in steps),
        vague=sum(share[group.name] for group in placed if " and others" in group.name),
        true=true / named if named else np.nan,
        lift=float(np.mean(lift)) if lift else np.nan,
        largest=max(share.values()),
        clear=sum(abs(edge.effect) for edge in summary.edges) / sum(edge.carried for edge in summary.edges),
        same=_rand_index(*(_group_of_features(graph, each) for each in (summary, unchanged))),
        renamed=len(before - set(share)) / len(before),
    )


def _shares_with_words(graph: Graph, group: Group, influence: np.ndarray) -> tuple[float, float]:
    """Shares of the influence inside and outside a group whose features promote one of its words."""
    stems = {stem(word) for word in group.words}
    has_word = np.array([bool(stems & set(map(stem, graph.promoted(node)))) for node in range(graph.n_nodes)])
    inside = np.isin(np.arange(graph.n_nodes), group.members)
    shares = [influence[part & has_word].sum() / influence[part].sum() for part in (inside, ~inside)]
    return float(shares[0]), float(shares[1])


def _as_named(graph: Graph, group: Group) -> np.ndarray:
    """Members that lie on one of the tokens, and in the third of the layers, that the name says."""
    nodes = np.array(group.members)
    named = [names._quoted(token) in group.name for token in graph.info.tokens]
    third = np.digitize(graph.node_layer[nodes] / max(1, graph.n_layers - 1), [1 / 3 + 1e-9, 2 / 3 + 1e-9])
    when = np.array(["early", "middle", "late"])[third]
    return nodes[np.array(named)[graph.node_position[nodes]] & [f", {text}" in group.name for text in when]]


def _group_of_features(graph: Graph, summary: Summary) -> np.ndarray:
    group = np.full(graph.n_nodes, len(summary.groups))
    for number, members in enumerate(summary.groups):
        group[list(members.members)] = number
    return group[graph.of_kind(NodeKind.FEATURE)]


def _rand_index(one: np.ndarray, other: np.ndarray) -> float:
    """The adjusted Rand index ("Comparing partitions", Hubert and Arabie 1985)."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    both, rows, columns, pairs = (
        (counts * (counts - 1) / 2).sum() for counts in (table, table.sum(1), table.sum(0), table.sum())
    )
    chance = rows * columns / pairs
    return float((both - chance) / ((rows + columns) / 2 - chance)) if rows + columns > 2 * chance else 1.0


def changes() -> Iterator[tuple[str, ModuleType, str, Any]]:
    yield "unchanged", grouping, "FEWEST_REGIONS", grouping.FEWEST_REGIONS
    for module, name, values in CONSTANTS:
        for value in values:
            yield f"{module.__name__.rpartition('.')[2]}.{name} = {value:g}", module, name, value
    yield from STEPS


def main() -> None:
    every = [(family, graph, summarize(graph)) for family, graph in graphs()]
    families = list(dict.fromkeys(family for family, *_ in every))
    columns = [field.name for field in fields(Measures)]
    rows = [f"| change | graphs | {' | '.join(columns)} |", "| --- | --- |" + " --: |" * len(columns)]
    for title, module, name, value in changes():
        with patch.object(module, name, value):
            measured = [
                (family, astuple(measures(graph, summarize(graph), before)))
                for family, graph, before in every
            ]
        for family in families:
            table = np.array([row for each, row in measured if each == family])
            rows.append(f"| {title} | {family} | {' | '.join(map(_mean, table.T))} |")
    Path("docs/measurements/summary_constants.md").write_text(HEAD + "\n".join(rows) + "\n")


def _mean(column: np.ndarray) -> str:
    numbers = column[~np.isnan(column)]
    return f"{numbers.mean():.3f}" if numbers.size else "-"


if __name__ == "__main__":
    main()
