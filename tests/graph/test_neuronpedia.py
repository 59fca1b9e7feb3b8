"""Neuronpedia's graph JSON: what is read, what is written, what survives, what is refused."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.graph import NodeKind
from clew.graph.info import Annotations, Scores, Sink, Target
from clew.graph.neuronpedia.format import output_label, pair, read_output_label, sanitized
from clew.graph.neuronpedia.reader import from_neuronpedia
from clew.graph.neuronpedia.writer import to_neuronpedia
from clew.graph.reader import open_graph
from clew.graph.writer import save
from tests.graph.random_graphs import random_graph


def file_node(
    node_id: str, feature_type: str, layer: str | int, position: int, **more: Any
) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "feature": -1,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": feature_type,
        "jsNodeId": f"{node_id}-js",
        "clerp": "",
        **more,
    }


def small_file() -> dict[str, Any]:
    """Two tokens, two features, an old error and an output of a model with three layers."""
    return {
        "metadata": {
            "slug": "hi",
            "scan": "tiny",
            "prompt": "hi you",
            "prompt_tokens": ["hi", " you"],
            "info": {"creator_name": "Ada", "generator": {"name": "tool", "version": "2"}},
            "mood": "good",
        },
        "qParams": {"pinnedIds": ["0_5_1"], "supernodes": [["greeting", "0_5_1", "0_1_1"]], "zoom": 2},
        "nodes": [
            file_node("E_7_0", "embedding", "E", 0),
            file_node("4_9_1", "logit", "4", 1, clerp='Output " there" (p=0.750)', token_prob=0.75),
            file_node("2_cro_6_1", "cross layer transcoder", 2, 1, clerp="greets", activation=1.5),
            file_node("0_5_1", "cross layer transcoder", "0", 1, activation=0.1, colour="red"),
            file_node("0_1_1", "mlp reconstruction error", "1", 1),
            file_node("E_8_1", "embedding", "E", 1),
        ],
        "links": [
            {"source": "E_7_0", "target": "0_5_1", "weight": 0.5},
            {"source": "E_8_1", "target": "0_5_1", "weight": 0.1, "why": "attention"},
            {"source": "0_5_1", "target": "2_cro_6_1", "weight": -2},
            {"source": "0_1_1", "target": "4_9_1", "weight": 1.0},
            {"source": "2_cro_6_1", "target": "4_9_1", "weight": 3.0},
        ],
        "qk_only_nodes": [{"anything": [1, None]}],
    }


def by_id(data: dict[str, Any]) -> dict[str, Any]:
    """A file with its nodes and links in no order."""
    return data | {
        "nodes": {node["node_id"]: node for node in data["nodes"]},
        "links": {(link["source"], link["target"]): link for link in data["links"]},
    }


def test_reading_a_small_file():
    graph = from_neuronpedia(small_file())
    assert graph.node_ids == ["0_5_1", "2_6_1", "1_-1_1", "E_7_0", "E_8_1", "4_9_1"]
    assert graph.n_layers == 3
    assert graph.token_ids.tolist() == [7, 8]
    assert graph.info.targets == (Target(" there", 9, 0.75, 0.75),)
    assert graph.info.generator == "tool 2"
    assert graph.annotations == Annotations(
        {"2_6_1": "greets"}, (("greeting", ("0_5_1", "1_-1_1")),), ("0_5_1",)
    )
    np.testing.assert_array_equal(
        graph.node_activation, np.array([0.1, 1.5, np.nan, np.nan, np.nan, 0.75], np.float32)
    )
    assert graph.edge_weight.tolist() == [0.5, float(np.float32(0.1)), -2, 3, 1]
    # Of the output's input 3/4 come from the second feature, all of whose input is the first.
    np.testing.assert_allclose(
        graph.node_influence, 0.75 * np.array([0.75, 0.75, 0.25, 0.75 * 5 / 6, 0.75 / 6, 0]), rtol=1e-6
    )


def test_a_file_read_and_written_is_the_same():
    assert by_id(to_neuronpedia(from_neuronpedia(small_file()))) == by_id(small_file())


def test_a_real_file_read_and_written_is_the_same(shared_graph_path: Path, tmp_path: Path):
    original = json.loads(shared_graph_path.read_text())
    through_clew = open_graph(save(open_graph(shared_graph_path), tmp_path / "a.clew"))
    through_json = open_graph(save(through_clew, tmp_path / "a.json"))
    assert by_id(to_neuronpedia(through_json)) == by_id(original)
    assert by_id(json.loads((tmp_path / "a.json").read_text())) == by_id(original)


def test_only_what_a_person_changed_is_changed():
    graph = from_neuronpedia(small_file())
    labels = {"0_5_1": "new", "1_-1_1": "unknown"}
    graph = replace(graph, annotations=Annotations(labels, (("rest", ("1_-1_1",)),), ("2_6_1",)))
    expected = small_file()
    expected["nodes"][2]["clerp"] = ""
    expected["nodes"][3]["clerp"] = "new"
    expected["nodes"][4]["clerp"] = "unknown"
    expected["qParams"] |= {"pinnedIds": ["2_cro_6_1"], "supernodes": [["rest", "0_1_1"]]}
    assert by_id(to_neuronpedia(graph)) == by_id(expected)


def test_pruning_an_imported_graph_keeps_its_fields(shared_graph_path: Path):
    original = by_id(json.loads(shared_graph_path.read_text()))
    pruned = to_neuronpedia(open_graph(shared_graph_path).prune(0.6, 0.9), slug="a smaller one")
    assert 0 < len(pruned["nodes"]) < len(original["nodes"])
    assert all(node == original["nodes"][node["node_id"]] for node in pruned["nodes"])
    assert pruned["metadata"]["pruning_settings"] == {"node_threshold": 0.6, "edge_threshold": 0.9}
    assert pruned["metadata"]["slug"] == "a-smaller-one"


def test_a_graph_of_clews_own_comes_back(tmp_path: Path):
    graph = random_graph(n_targets=3).with_info(scores=Scores(0.25, 0.75), dictionary="neurons")
    first, error = graph.node_ids[0], graph.node_id(int(graph.of_kind(NodeKind.ERROR)[0]))
    notes = Annotations({first: "a label"}, (("pair", (first, error)),), (error,))
    graph = replace(graph, annotations=notes, output_tokens=None)
    opened = open_graph(save(graph, tmp_path / "a.json"))
    for name in ("node_kind", "node_layer", "node_position", "node_feature", "node_activation"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(graph, name))
    for name in ("edge_offset", "edge_source", "edge_weight", "token_ids"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(graph, name))
    assert opened.annotations == notes
    for name in ("prompt", "tokens", "targets", "scores", "dictionary", "created"):
        assert getattr(opened.info, name) == getattr(graph.info, name)


def test_labels_of_features_and_colors_come_back(tmp_path: Path):
    graph = replace(random_graph(), output_tokens=None)
    notes = Annotations(
        {graph.node_ids[0]: "own"},
        (("pair", tuple(graph.node_ids[:2])),),
        feature_labels={graph.feature_name(0): "places", graph.feature_name(1): "times"},
        supernode_colors={"pair": "#1f77b4"},
    )
    graph = replace(graph, annotations=notes)
    written = to_neuronpedia(graph)
    assert [node["clerp"] for node in written["nodes"][:3]] == ["own", "times", ""]
    assert open_graph(save(graph, tmp_path / "a.json")).annotations == notes


def test_names_made_of_output_tokens_come_back_as_no_labels():
    """And stay in the file, but for the node that a person labels after all."""
    graph = random_graph()
    written = to_neuronpedia(graph)
    opened = from_neuronpedia(written)
    assert graph.output_tokens is not None
    assert written["nodes"][0]["clerp"]
    assert opened.annotations.labels == {}
    assert to_neuronpedia(opened)["nodes"] == written["nodes"]
    labelled = replace(opened, annotations=Annotations({opened.node_ids[0]: "a label"}))
    again = to_neuronpedia(labelled)["nodes"]
    assert again[0]["clerp"] == "a label"
    assert again[1:] == written["nodes"][1:]
    assert from_neuronpedia({**written, "nodes": again}).annotations.labels == {opened.node_ids[0]: "a label"}


def test_a_label_of_a_feature_stands_where_an_imported_node_has_none():
    graph = from_neuronpedia(small_file())
    notes = replace(graph.annotations, feature_labels={"L0/5": "places", "L2/6": "times"})
    written = by_id(to_neuronpedia(replace(graph, annotations=notes)))
    labels = {node_id: node["clerp"] for node_id, node in written["nodes"].items()}
    assert labels["0_5_1"] == "places"
    assert labels["2_cro_6_1"] == "greets"


def test_differences_as_targets_come_back():
    graph = random_graph(n_targets=2)
    graph = replace(graph, node_feature=np.where(graph.node_kind == NodeKind.TARGET, -1, graph.node_feature))
    targets = (Target("a - b", -1, 0.5), Target("c - d", -1, 0.5))
    written = to_neuronpedia(graph.with_info(targets=targets))
    assert [node["node_id"] for node in written["nodes"][-2:]] == ["4_-1_3", "4_-2_3"]
    opened = from_neuronpedia(written)
    assert [target.text for target in opened.info.targets] == ["a - b", "c - d"]
    assert opened.node_ids == graph.node_ids


def test_what_is_written_for_each_kind():
    graph = random_graph()
    data = to_neuronpedia(graph)
    required = {"node_id", "feature", "layer", "ctx_idx", "feature_type", "jsNodeId", "clerp"}
    assert all(required <= node.keys() for node in data["nodes"])
    feature, error = data["nodes"][0], data["nodes"][36]
    assert feature["feature"] == pair(0, int(graph.node_feature[0]))
    assert feature["clerp"] == ", ".join(text.strip() for text in graph.output_texts(0, 5))
    assert re.fullmatch(r"0_-1_\d", error["node_id"])
    token, target = data["nodes"][48], data["nodes"][-1]
    assert (token["node_id"], token["layer"], token["influence"] is None) == ("E_100_0", "E", False)
    assert target["layer"] == "4"
    assert target["influence"] is None
    assert target["clerp"] == output_label(graph.info.targets[-1].text, graph.info.targets[-1].weight)
    assert sum(node["is_target_logit"] for node in data["nodes"]) == 1
    assert data["metadata"]["slug"] == "a-random-prompt"
    assert data["metadata"]["scan"] == "tiny-model"
    assert data["metadata"]["info"]["create_time_ms"] == 1767323045000
    assert data["metadata"]["generation_settings"] == {"max_feature_nodes": 64}
    assert data["metadata"]["node_threshold"] == 0.8
    json.dumps(data, allow_nan=False)


def test_the_written_influence_is_the_cumulative_share():
    graph = random_graph()
    data = to_neuronpedia(graph)
    inner = np.flatnonzero(graph.node_kind != NodeKind.TARGET)
    shares = np.array([data["nodes"][node]["influence"] for node in inner])
    ranked = inner[np.argsort(shares)]
    assert (np.diff(graph.node_influence[ranked]) <= 0).all()
    assert shares.max() == pytest.approx(1)
    assert shares.min() == pytest.approx(graph.node_influence[ranked[0]] / graph.node_influence[inner].sum())


def test_attention_features_errors_and_biases_keep_apart():
    data = small_file()
    data["nodes"] += [
        file_node("2_lor_6_1", "lorsa", 2, 1),
        file_node("1_error_attn_1", "lorsa error", 1, 1),
        file_node("1_bias_attn_bO_1", "bias", 1, 1, feature=None),
        file_node("1_bias_mlp_bout_1", "bias", 1, 1, feature=None),
    ]
    data["links"] += [
        {"source": "2_lor_6_1", "target": "2_cro_6_1", "weight": 1.0},
        {"source": "1_error_attn_1", "target": "2_lor_6_1", "weight": 1.0},
        {"source": "1_bias_attn_bO_1", "target": "2_lor_6_1", "weight": 1.0},
        {"source": "1_bias_mlp_bout_1", "target": "2_lor_6_1", "weight": 1.0},
    ]
    graph = from_neuronpedia(data)
    assert len(set(graph.node_ids)) == graph.n_nodes
    names = {graph.node_name(node) for node in range(graph.n_nodes)}
    assert {"A2/6@1", "L2/6@1", "error L1@1", "attention error L1@1", "bias L1@1"} <= names
    assert by_id(to_neuronpedia(graph)) == by_id(data)


@pytest.mark.parametrize("spelling", ["0_1_1", "1_-1_1", "1_error_mlp_1"])
def test_every_spelling_of_an_error_is_read(spelling: str):
    text = json.dumps(small_file()).replace('"0_1_1"', f'"{spelling}"')
    assert from_neuronpedia(json.loads(text)).node_ids[2] == "1_-1_1"


@pytest.mark.parametrize(
    ("pins", "groups"),
    [("0_5_1,0_1_1", '[["greeting", "0_5_1"]]'), ('["0_5_1", "0_1_1"]', [["greeting", "0_5_1"]])],
)
def test_lists_spelled_as_text_are_read_and_written_as_lists(pins, groups):
    data = small_file()
    data["qParams"] |= {"pinnedIds": pins, "supernodes": groups}
    written = to_neuronpedia(from_neuronpedia(data))["qParams"]
    assert written["pinnedIds"] == ["0_5_1", "0_1_1"]
    assert written["supernodes"] == [["greeting", "0_5_1"]]


def test_empty_texts_are_empty_lists():
    data = small_file()
    data["qParams"] = {"pinnedIds": "", "supernodes": ""}
    assert to_neuronpedia(from_neuronpedia(data))["qParams"] == {"pinnedIds": [], "supernodes": []}


def test_outputs_on_the_layer_above_the_last_are_placed_above_all_features():
    text = json.dumps(small_file()).replace('"4_9_1"', '"3_9_1"').replace('"layer": "4"', '"layer": 3')
    assert from_neuronpedia(json.loads(text)).n_layers == 3


def test_an_old_error_may_share_the_id_of_a_feature_that_no_link_names():
    data = small_file()
    data["nodes"].append(file_node("0_5_1", "mlp reconstruction error", "5", 1))
    data["links"] = data["links"][3:]
    graph = from_neuronpedia(data)
    assert "5_-1_1" in graph.node_ids
    assert graph.annotations.pins == ("0_5_1",)


@given(st.integers(0, 100), st.integers(0, 10**6))
def test_the_pairing_can_be_undone(layer, index):
    paired = pair(layer, index)
    total = int((np.sqrt(8 * paired + 1) - 1) / 2)
    assert (total - (paired - total * (total + 1) // 2), paired - total * (total + 1) // 2) == (layer, index)


@given(st.text())
def test_any_text_survives_in_the_label_of_an_output(text):
    assert read_output_label(output_label(text, 0.125)) == (text, 0.125)


@given(st.text())
def test_a_slug_holds_only_what_it_may(text):
    assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,80}", sanitized(text, "graph"))


def put(*path: Any, value: Any):
    """A change that puts a value at a path into the file."""

    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def drop(*path: Any):
    """A change that takes the field at a path out of the file."""

    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def add(where: str, item: Any):
    """A change that appends a node or a link."""
    return lambda data: data[where].append(item)


REFUSED = {
    "no nodes": (drop("nodes"), 'the file lacks the field "nodes"'),
    "links no list": (put("links", value={}), 'the file: "links" is {}; expected a list'),
    "no slug": (drop("metadata", "slug"), 'metadata lacks the field "slug"'),
    "token no text": (
        put("metadata", "prompt_tokens", 1, value=5),
        r"prompt_tokens\[1\] is 5; expected a string",
    ),
    "score no number": (
        put("metadata", "replacement_score", value="x"),
        "\"replacement_score\" is 'x'; expected",
    ),
    "score above one": (put("metadata", "replacement_score", value=5), "expected a number from 0 to 1"),
    "probability below zero": (put("nodes", 5, "token_prob", value=-1), "expected a number from 0 to 1"),
    "node no object": (put("nodes", 2, value=3), "node 2 is 3; expected a JSON object"),
    "no clerp": (drop("nodes", 2, "clerp"), 'node 2 lacks the field "clerp"'),
    "feature text": (put("nodes", 2, "feature", value="5"), "node 2: \"feature\" is '5'; expected a whole"),
    "position true": (put("nodes", 2, "ctx_idx", value=True), 'node 2: "ctx_idx" is True; expected a whole'),
    "activation NaN": (
        put("nodes", 2, "activation", value=float("nan")),
        '"activation" is nan; expected a finite',
    ),
    "unknown type": (
        put("nodes", 2, "feature_type", value="sae"),
        '"feature_type" is "sae"; expected one of',
    ),
    "same id": (
        add("nodes", file_node("0_5_1", "cross layer transcoder", "0", 1)),
        r'node 6 \("0_5_1"\): node 3 already has this id',
    ),
    "same meaning": (
        add("nodes", file_node("0_cro_5_1", "cross layer transcoder", "0", 1)),
        'nodes "0_5_1" and "0_cro_5_1" are the same feature at the same position',
    ),
    "negative position": (put("nodes", 2, "ctx_idx", value=-1), '"ctx_idx" is -1; the prompt has 2 tokens'),
    "position too high": (put("nodes", 2, "ctx_idx", value=2), '"ctx_idx" is 2; the prompt has 2 tokens'),
    "layer no number": (put("nodes", 2, "layer", value="E"), "\"layer\" is 'E'; expected a number"),
    "layer huge": (put("nodes", 2, "layer", value=10**6), '"layer" is 1000000; expected a number'),
    "odd id": (put("nodes", 2, "node_id", value="first"), '"node_id" is not of the form'),
    "odd token id": (put("nodes", 0, "node_id", value="hello"), "of the form E_{token}_{position}"),
    "negative index": (
        put("nodes", 3, "node_id", value="0_-5_1"),
        "names index -5; expected a number from 0",
    ),
    "no such source": (
        put("links", 1, "source", value="3_5_1"),
        'link 1: source "3_5_1" is not a node of this',
    ),
    "no such target": (
        put("links", 1, "target", value="3_5_1"),
        'link 1: target "3_5_1" is not a node of this',
    ),
    "weight NaN": (
        put("links", 1, "weight", value=float("nan")),
        'link 1: "weight" is nan; expected a finite',
    ),
    "weight infinite": (
        put("links", 1, "weight", value=1e300),
        r'link 1: "weight" is 1e\+300; expected a finite',
    ),
    "weight text": (put("links", 1, "weight", value="1"), "link 1: \"weight\" is '1'; expected a number"),
    "link twice": (
        add("links", {"source": "0_5_1", "target": "2_cro_6_1", "weight": 1}),
        'link 5: "0_5_1" -> "2_cro_6_1" is already link 2',
    ),
    "cycle": (
        add("links", {"source": "2_cro_6_1", "target": "0_5_1", "weight": 1}),
        "2_6_1 -> 0_5_1 -> 2_6_1 form a cycle|0_5_1 -> 2_6_1 -> 0_5_1 form a cycle",
    ),
    "ambiguous": (
        add("nodes", file_node("0_5_1", "mlp reconstruction error", "5", 1)),
        'link 0: target "0_5_1" is the id of 2 nodes',
    ),
    "pins": (put("qParams", "pinnedIds", value=[3]), r"pinnedIds\[0\] is 3; expected a node id"),
    "pins no list": (put("qParams", "pinnedIds", value=3), "pinnedIds is 3; expected a list"),
    "supernodes": (
        put("qParams", "supernodes", value=[["a"], "b"]),
        r"supernodes\[1\] is 'b'; expected a label",
    ),
    "supernodes text": (put("qParams", "supernodes", value="[["), r"supernodes is '\[\['; expected a list"),
    "NaN elsewhere": (put("qk_only_nodes", value=float("nan")), "does not use holds NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_slip_in_a_file_is_named(name: str):
    change, message = REFUSED[name]
    data = deepcopy(small_file())
    change(data)
    with pytest.raises(ClewError, match=message):
        from_neuronpedia(data)


def test_a_slip_in_a_file_on_disk_is_named_with_the_file(tmp_path: Path):
    data = small_file()
    data["links"][1]["weight"] = float("inf")
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(ClewError, match=r"a\.json is not a graph that clew can read: link 1"):
        open_graph(tmp_path / "a.json")


def test_probabilities_may_stand_only_in_the_label_or_nowhere():
    data = small_file()
    del data["nodes"][1]["token_prob"]
    assert from_neuronpedia(data).info.targets[0].weight == 0.75
    data["nodes"][1]["clerp"] = "there"
    assert from_neuronpedia(data).info.targets == (Target("there", 9, 1.0, None),)


def test_clews_own_facts_survive_json():
    """A difference stays a difference, and a gap stays a warning."""
    graph = random_graph(3)
    targets = tuple(
        replace(target, text=f"t{rank}", token_id=int(token))
        for rank, (target, token) in enumerate(
            zip(graph.info.targets, graph.node_feature[graph.of_kind(NodeKind.TARGET)], strict=True)
        )
    )
    graph = graph.with_info(targets=targets, conservation=0.02, sink=Sink("<s>", 0, 0.1, "chosen"))
    again = from_neuronpedia(to_neuronpedia(graph))
    assert again.info.targets == targets
    assert again.info.conservation == 0.02
    assert again.info.sink == graph.info.sink
    assert from_neuronpedia(to_neuronpedia(again)).info.sink == graph.info.sink
