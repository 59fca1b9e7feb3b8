"""Summaries: the groups are a division of the graph, and their edges are its edges added up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind, OutputTokens
from clew.graph.influence import influence, measure_flow
from clew.graph.info import Annotations
from clew.graph.reader import open_graph
from clew.graph.summary import Summary, summarize
from tests.graph.random_graphs import random_graph
from tests.graph.test_influence import with_edges_inside_layers

sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 4),
    "n_positions": st.integers(1, 6),
    "per_cell": st.integers(0, 5),
    "n_targets": st.integers(0, 4),
    "density": st.floats(0, 1),
}


def with_words(graph: Graph, of_node: dict[int, list[int]], names: dict[int, str]) -> Graph:
    """Some features promote the given tokens; all others promote, and all demote, tokens of their own."""
    features = graph.of_kind(NodeKind.FEATURE)
    token = 10_000 + np.arange(len(features) * 20, dtype=np.int32).reshape(-1, 20)
    for row, node in enumerate(features.tolist()):
        token[row, : len(of_node.get(node, []))] = of_node.get(node, [])
    logit = np.zeros(token.shape, dtype=np.float32)
    text = {number: f"x{number}" for number in token.ravel().tolist()} | names
    positive = np.where(graph.node_kind == NodeKind.FEATURE, 1, graph.node_activation).astype(np.float32)
    graph = replace(graph, node_activation=positive)
    return replace(
        graph.with_info(token_text=text), output_tokens=OutputTokens(features.astype(np.int32), token, logit)
    )


def own_groups(graph: Graph, seed: int, count: int) -> Annotations:
    """Random supernodes, which may overlap and name nodes that are not there."""
    rng = np.random.default_rng(seed)
    ids = [*graph.node_ids, "99_1_0"]
    groups = tuple(
        (f"mine {number}", tuple(str(name) for name in rng.choice(ids, size=3))) for number in range(count)
    )
    return Annotations(supernodes=groups)


@given(max_groups=st.integers(1, 15), n_own=st.integers(0, 4), **sizes)
def test_groups_divide_the_graph(max_groups, n_own, **size):
    graph = random_graph(**size)
    graph = replace(graph, annotations=own_groups(graph, size["seed"], n_own))
    summary = summarize(graph, max_groups)
    members = [node for group in summary.groups for node in group.members]
    assert len(members) == len(set(members))
    assert all(group.members for group in summary.groups)
    n_mine = sum(group.own for group in summary.groups)
    assert len(summary.groups) <= max_groups + n_mine
    assert len({group.name for group in summary.groups}) == len(summary.groups)
    shares = [group.share for group in summary.groups]
    assert sum(shares) == pytest.approx(summary.shown)
    assert summary.shown + summary.in_no_group == pytest.approx(1)


@given(**sizes)
def test_with_room_for_all_kinds_nothing_is_left_out(**size):
    graph = random_graph(**size)
    summary = summarize(graph)
    assert len([node for group in summary.groups for node in group.members]) == graph.n_nodes
    if influence(graph).any():
        assert summary.in_no_group == pytest.approx(0, abs=1e-9)


@given(max_groups=st.integers(1, 15), inside=st.booleans(), **sizes)
def test_edges_between_groups_are_the_graphs_edges_added_up(max_groups, inside, **size):
    graph = random_graph(**size)
    graph = with_edges_inside_layers(graph, size["seed"]) if inside else graph
    summary, flow = summarize(graph, max_groups), measure_flow(graph)
    group_of = {node: number for number, group in enumerate(summary.groups) for node in group.members}
    carried: dict[tuple[int | None, int | None], float] = {}
    effect = dict(carried)
    for source, target, weight in zip(
        graph.edge_source.tolist(), graph.edge_target.tolist(), graph.edge_weight.tolist(), strict=True
    ):
        pair = group_of.get(source), group_of.get(target)
        flows = abs(weight) * flow.per_weight[target] / flow.influence.sum() if flow.influence.any() else 0.0
        sign = np.sign(weight) * (-1 if graph.node_activation[target] < 0 else 1)
        carried[pair] = carried.get(pair, 0.0) + flows
        effect[pair] = effect.get(pair, 0.0) + flows * sign
    for edge in summary.edges:
        pair = edge.source, edge.target
        assert edge.carried == pytest.approx(carried[pair], rel=1e-6)
        assert edge.effect == pytest.approx(effect[pair], rel=1e-6, abs=1e-9)
        into = sum(value for (start, end), value in carried.items() if end == edge.target != start)
        assert edge.share == pytest.approx(edge.carried / into, rel=1e-6)
    told = {(edge.source, edge.target) for edge in summary.edges}
    wanted = {
        pair for pair, value in carried.items() if None not in pair and pair[0] != pair[1] and value > 0
    }
    assert told == wanted


@given(n_own=st.integers(1, 4), **sizes)
def test_a_persons_groups_stay(n_own, **size):
    graph = random_graph(**size)
    graph = replace(graph, annotations=own_groups(graph, size["seed"], n_own))
    mine = {group.name: group for group in summarize(graph).groups if group.own}
    where = {node_id: node for node, node_id in enumerate(graph.node_ids)}
    taken: set[int] = set()
    for name, ids in graph.annotations.supernodes:
        nodes = {where[node_id] for node_id in ids if node_id in where} - taken
        taken |= nodes
        assert (set(mine[name].members) if name in mine else set()) == nodes


@given(**sizes)
def test_the_same_graph_gives_the_same_summary(**size):
    assert summarize(random_graph(**size)) == summarize(random_graph(**size))


def in_words(summary: Summary) -> list[str]:
    return [group.name for group in summary.groups]


def test_features_that_promote_the_same_words_are_named_by_them():
    graph = random_graph(5, n_layers=6, per_cell=4)
    at_end = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == 5) & (graph.node_position == 3)
    late = np.flatnonzero(at_end).tolist()
    names = {1: " Paris", 2: " London", 3: " Rome"}
    graph = with_words(graph, {node: [1, 2, 3] for node in late}, names)
    assert "say Paris, London, Rome" in in_words(summarize(graph))


def test_words_that_features_promote_and_demote_alike_name_nothing():
    graph = random_graph(5, n_layers=6, per_cell=4)
    late = [int(n) for n in graph.of_kind(NodeKind.FEATURE) if graph.node_layer[n] == 5]
    graph = with_words(graph, {node: [1, 2, 3] for node in late}, {1: " affili", 2: " strugg", 3: " enthus"})
    assert graph.output_tokens is not None
    token = graph.output_tokens.token.copy()
    token[: len(late), 10:13] = [1, 2, 3]
    graph = replace(graph, output_tokens=replace(graph.output_tokens, token=token))
    assert not any("affili" in name for name in in_words(summarize(graph)))


def test_groups_without_words_are_named_by_where_they_lie():
    graph = replace(random_graph(n_layers=9, n_positions=2), output_tokens=None)
    names = in_words(summarize(graph))
    assert any(name.startswith('on " token0", early') for name in names)
    assert "not explained" in names
    assert any(name.startswith('towards " word') for name in names)


def test_labels_name_a_group_that_mostly_has_them():
    graph = replace(random_graph(n_layers=1, n_positions=1, per_cell=2, n_targets=1), output_tokens=None)
    labels = dict.fromkeys((graph.feature_name(0), graph.feature_name(1)), "capitals")
    named = replace(graph, annotations=Annotations(feature_labels=labels))
    assert "capitals" in {name.partition(",")[0] for name in in_words(summarize(named))}


def test_labels_stand_for_output_tokens_where_there_are_none():
    graph = replace(random_graph(5, n_layers=6, per_cell=4), output_tokens=None)
    at_end = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == 5) & (graph.node_position == 3)
    labels = {graph.node_ids[node]: f"places: Paris, Rome {node}" for node in np.flatnonzero(at_end).tolist()}
    named = summarize(replace(graph, annotations=Annotations(labels=labels)))
    (found,) = [group for group in named.groups if set(group.words) == {"places", "Paris", "Rome"}]
    assert set(found.members) == set(np.flatnonzero(at_end & (influence(graph) > 0)).tolist())
    assert not found.name.startswith("say")


def test_without_influence_there_still_are_places():
    names = in_words(summarize(random_graph(n_targets=0)))
    assert 'on " token1", late' in {name.partition(", layer")[0] for name in names}


def test_names_stay_short_whatever_a_token_or_a_label_holds():
    graph = random_graph()
    graph = graph.with_info(tokens=tuple("x" * 10_000 for _ in graph.info.tokens))
    labels = dict.fromkeys(graph.node_ids, "a label " * 10_000)
    for notes in (Annotations(), Annotations(labels=labels)):
        names = in_words(summarize(replace(graph, annotations=notes)))
        assert max(map(len, names)) < 120


def test_own_groups_have_their_colors():
    graph = random_graph()
    notes = Annotations(supernodes=(("mine", (graph.node_ids[0],)),), supernode_colors={"mine": "#1f77b4"})
    first = summarize(replace(graph, annotations=notes)).groups[0]
    assert (first.name, first.own, first.color, first.members) == ("mine", True, "#1f77b4", (0,))


def test_tokens_outputs_and_errors_have_groups_of_their_own():
    graph = random_graph(n_targets=3)
    groups = summarize(graph).groups
    by_kind = {kind: [group for group in groups if group.kind == kind] for kind in NodeKind}
    assert len(by_kind[NodeKind.ERROR]) == 1
    assert len(by_kind[NodeKind.TOKEN]) == 3
    first = max(graph.info.targets, key=lambda target: target.weight)
    assert by_kind[NodeKind.TARGET][0].name == f'"{first.text}"'
    assert sum(group.weight for group in by_kind[NodeKind.TARGET]) == pytest.approx(1)


def test_a_summary_as_json_names_nodes_by_their_ids():
    graph = random_graph()
    data = summarize(graph).as_json()
    assert set(data) == {"groups", "edges", "shown", "in_no_group", "through_errors", "pruned"}
    members = [node_id for group in data["groups"] for node_id in group["members"]]
    assert sorted(members) == sorted(graph.node_ids)
    assert {group["kind"] for group in data["groups"]} == {"feature", "error", "token", "target"}


def test_real_graphs_have_a_dozen_groups(shared_graph_path):
    summary = summarize(open_graph(shared_graph_path))
    assert 8 <= len(summary.groups) <= 12
    assert summary.in_no_group == pytest.approx(0, abs=1e-9)


def test_a_summary_needs_a_group():
    with pytest.raises(ClewError, match="max_groups is 0; give at least 1"):
        summarize(random_graph(), 0)
