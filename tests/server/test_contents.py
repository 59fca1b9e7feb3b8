"""Contents of a graph: its arrays, a part where it is large, edges of a node, and exported files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import clew
from clew.graph.feature_table import compare_features
from clew.graph.graph import NodeKind
from clew.graph.influence import influence
from clew.graph.info import Annotations, Size
from clew.server.file_limits import FileLimits
from clew.server.open_graphs import most_influential_part
from tests.graph.random_graphs import random_graph
from tests.server.conftest import brought, sentence

GRAPH = random_graph()


def opened(tmp_path, content):
    path = tmp_path / "received.clew"
    path.write_bytes(content)
    return clew.open(path)


def test_the_arrays_are_the_graphs_own(client, graph, tmp_path):
    answer = client.get(f"/api/graphs/{graph}/arrays")
    assert answer.headers["clew-nodes-total"] == str(GRAPH.n_nodes)
    assert answer.headers["clew-edges-total"] == str(GRAPH.n_edges)
    received = opened(tmp_path, answer.content)
    np.testing.assert_array_equal(received.edge_weight, GRAPH.edge_weight)
    assert received.node_ids == GRAPH.node_ids


def test_of_a_large_graph_the_page_gets_the_most_influential_part(client, library, graph, tmp_path):
    library.limits = FileLimits(page_nodes=30, page_edges=100)
    answer = client.get(f"/api/graphs/{graph}/arrays")
    assert answer.headers["clew-nodes-total"] == str(GRAPH.n_nodes)
    part = opened(tmp_path, answer.content)
    assert part.n_nodes == 30
    assert part.n_edges <= 100
    assert part.info.whole == GRAPH.size
    assert client.get(f"/api/graphs/{graph}/arrays").content == answer.content


def test_a_part_keeps_tokens_and_targets_then_what_carries_most():
    part = most_influential_part(GRAPH, most_nodes=20, most_edges=10_000)
    fixed = [node for node in range(GRAPH.n_nodes) if GRAPH.node_kind[node] >= NodeKind.TOKEN]
    found = influence(GRAPH)
    others = sorted(set(range(GRAPH.n_nodes)) - set(fixed), key=lambda node: -found[node])
    kept = sorted(fixed + others[: 20 - len(fixed)])
    assert part.node_ids == [GRAPH.node_ids[node] for node in kept]
    assert 0 < part.info.influence_left_out < 1
    assert part.info.pruned_scores is not None


def test_a_part_of_everything_is_everything():
    part = most_influential_part(GRAPH, GRAPH.n_nodes, GRAPH.n_edges)
    assert part.node_ids == GRAPH.node_ids
    np.testing.assert_array_equal(part.edge_source, GRAPH.edge_source)
    assert part.info.influence_left_out == pytest.approx(0, abs=1e-9)


def test_a_graph_of_a_million_edges_gets_its_part_in_no_time():
    large = random_graph(n_layers=10, n_positions=20, per_cell=10, density=0.55)
    assert large.n_edges > 500_000
    part = most_influential_part(large, 1000, 50_000)
    assert part.size == Size(1000, part.size.features, part.n_edges)
    assert part.n_edges <= 50_000


@pytest.mark.parametrize("direction", ["in", "out"])
def test_the_edges_of_a_node_strongest_first(client, graph, direction):
    node = GRAPH.n_nodes - 1 if direction == "in" else 0
    ends = GRAPH.edge_target if direction == "in" else GRAPH.edge_source
    others = GRAPH.edge_source if direction == "in" else GRAPH.edge_target
    edges = sorted(np.flatnonzero(ends == node), key=lambda edge: -abs(GRAPH.edge_weight[edge]))
    path = f"/api/graphs/{graph}/nodes/{GRAPH.node_ids[node]}/edges"
    answer = client.get(path, params={"direction": direction, "count": 3}).json()
    assert answer["total"] == len(edges)
    assert [edge["node"] for edge in answer["edges"]] == [GRAPH.node_ids[others[edge]] for edge in edges[:3]]
    assert answer["edges"][0]["name"] == GRAPH.node_name(others[edges[0]])
    assert answer["edges"][0]["weight"] == pytest.approx(float(GRAPH.edge_weight[edges[0]]))
    rest = np.abs(GRAPH.edge_weight[edges[3:]]).sum()
    assert answer["rest"] == {"count": len(edges) - 3, "weight_absolute": pytest.approx(float(rest))}
    everything = client.get(path, params={"direction": direction}).json()
    assert everything["rest"] == {"count": 0, "weight_absolute": 0}


def test_a_node_that_is_not_there(client, graph):
    answer = client.get(f"/api/graphs/{graph}/nodes/9_9_9/edges?direction=in")
    assert "has no node '9_9_9'" in sentence(answer, 404)


def test_exports_are_files_to_keep(client, graph, tmp_path):
    client.patch(f"/api/graphs/{graph}", json={"name": "Ça va? Paris!"})
    as_clew = client.get(f"/api/graphs/{graph}/export?format=clew")
    assert as_clew.headers["content-disposition"] == 'attachment; filename="a-va-Paris.clew"'.lower()
    assert opened(tmp_path, as_clew.content).node_ids == GRAPH.node_ids
    as_json = client.get(f"/api/graphs/{graph}/export?format=json")
    assert as_json.headers["content-type"] == "application/json"
    assert len(json.loads(as_json.content)["nodes"]) == GRAPH.n_nodes


def test_graphs_leave_memory_when_others_need_the_room(library, graph_file):
    ids = [library.import_file(graph_file).id for _ in range(3)]
    library.open_graphs._most_bytes = 1
    kept = [library.opened(graph) for graph in ids]
    assert library.opened(ids[2]) is kept[2]
    assert library.opened(ids[0]) is not kept[0]


def test_the_summary_is_that_of_python_with_the_groups_that_people_made(client, graph):
    nodes = GRAPH.node_ids[:2]
    group = {"name": "mine", "members": nodes, "color": "#00ff00"}
    change = {"base": 0, "changes": {"group:a": group}}
    client.patch(f"/api/graphs/{graph}/annotations", json=change)
    found = client.get(f"/api/graphs/{graph}/summary").json()
    annotations = Annotations(supernodes=(("mine", tuple(nodes)),), supernode_colors={"mine": "#00ff00"})
    expected = replace(GRAPH, annotations=annotations).summarize().as_json()
    assert found == json.loads(json.dumps(expected))
    assert [each["color"] for each in found["groups"] if each["own"]] == ["#00ff00"]


def test_a_summary_may_be_of_the_pruned_graph(client, graph):
    asked = {"node_threshold": 0.5, "edge_threshold": 0.9}
    found = client.get(f"/api/graphs/{graph}/summary", params=asked).json()
    assert found == json.loads(json.dumps(GRAPH.prune(0.5, 0.9).summarize().as_json()))
    refused = client.get(f"/api/graphs/{graph}/summary", params={"node_threshold": 0})
    assert "greater than 0" in sentence(refused, 422)


def test_a_story_is_that_of_python_pruned_alike(client, graph):
    asked = {"node_threshold": 0.5, "edge_threshold": 0.9}
    found = client.get(f"/api/graphs/{graph}/story", params=asked).json()
    assert found == json.loads(json.dumps(GRAPH.prune(0.5, 0.9).story().as_json()))


def test_suggestions_name_nodes_of_the_graph(client, graph):
    found = client.get(f"/api/graphs/{graph}/suggestions", params={"count": 3}).json()
    assert len(found) == len(GRAPH.suggest_groups(3))
    assert all(set(each["members"]) <= set(GRAPH.node_ids) for each in found)


def test_two_graphs_side_by_side(client, graph, tmp_path):
    pruned = GRAPH.prune(0.6, 0.9)
    other = brought(client, pruned.save(tmp_path / "pruned.clew"))["id"]
    found = client.get("/api/compare", params={"left": graph, "right": other}).json()
    assert found == json.loads(json.dumps(GRAPH.compare(pruned).as_json()))
    assert len(found["nodes"]) == pruned.n_nodes
    table = client.get("/api/compare/features", params={"graph": [graph, other]}).json()
    assert table == json.loads(json.dumps(compare_features([GRAPH, pruned]).as_json()))
    missing = client.get("/api/compare", params={"left": graph, "right": "0" * 32})
    assert "There is no graph" in sentence(missing, 404)
