"""Saving and opening graphs: what comes back, what is refused, what an interruption leaves."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from clew.errors import ClewError
from clew.graph.conservation import has_row
from clew.graph.graph import Graph
from clew.graph.info import Annotations, BoxPlace, Scores, Sink
from clew.graph.info_json import annotations_from_json, annotations_to_json, info_from_json, info_to_json
from clew.graph.reader import open_graph
from clew.graph.writer import save
from tests.graph.random_graphs import random_graph


def full_graph() -> Graph:
    """A graph with every optional part."""
    graph = random_graph()
    first, last = graph.node_ids[0], graph.node_ids[-1]
    return replace(
        graph.with_info(
            predictions=((" cold", 0.7), ("\n", 0.1)),
            sink=Sink("<bos>", 2, 0.05, "the tokenizer adds it"),
            scores=Scores(0.5, 0.75),
            pruned_scores=Scores(0.25, 0.5),
            conservation=1e-5,
            influence_left_out=0.25,
            timing={"rows": 1.5},
            generator="clew 0.1.0",
        ),
        annotations=Annotations(
            {first: "say a capital"},
            (("capitals", (first, last)),),
            (last,),
            {graph.feature_name(1): "places"},
            {"capitals": "#1f77b4"},
            {"capitals": BoxPlace(120.5, 40.0, 90.0)},
            {last: BoxPlace(-10.0, 0.0)},
            {"of a newer clew": [1, {"x": None}]},
        ),
        node_left_out=np.linspace(0, 1, graph.n_nodes, dtype=np.float32),
        node_constant=np.where(has_row(graph), 0.5, np.nan).astype(np.float32),
        node_total=np.arange(graph.n_nodes, dtype=np.float32),
    )


def assert_same(one: Graph, other: Graph) -> None:
    for field in fields(Graph):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        elif field.name == "output_tokens" and left is not None:
            for name in ("node", "token", "logit"):
                np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
        else:
            assert left == right, field.name


def test_everything_comes_back(tmp_path: Path):
    graph = full_graph()
    assert graph.save(tmp_path / "a.clew") == tmp_path / "a.clew"
    assert_same(open_graph(tmp_path / "a.clew"), graph)


def test_a_graph_without_optional_parts_comes_back(tmp_path: Path):
    graph = replace(random_graph(density=0), output_tokens=None)
    assert graph.n_edges == 0
    assert_same(open_graph(save(graph, tmp_path / "a.clew")), graph)


def test_the_arrays_are_those_of_the_format(tmp_path: Path):
    with safe_open(save(full_graph(), tmp_path / "a.clew"), framework="numpy") as file:
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()["clew"])
    assert types == {
        "node_kind": "U8",
        "node_layer": "I16",
        "node_position": "I32",
        "node_feature": "I64",
        "node_activation": "F32",
        "node_influence": "F32",
        "edge_offset": "I64",
        "edge_source": "I32",
        "edge_weight": "F32",
        "token_ids": "I64",
        "output_node": "I32",
        "output_token": "I32",
        "output_logit": "F32",
        "node_constant": "F32",
        "node_total": "F32",
        "node_left_out": "F32",
    }
    assert description["format"] == 1
    assert description["prompt"] == "a random prompt"


def test_a_real_graph_comes_back(shared_graph_path: Path, tmp_path: Path):
    graph = open_graph(shared_graph_path)
    assert_same(open_graph(save(graph, tmp_path / "a.clew")), graph)


def test_the_kind_of_a_file_is_known_by_content(tmp_path: Path):
    graph = random_graph()
    as_json = save(graph, tmp_path / "a.json").rename(tmp_path / "b.clew")
    as_clew = save(graph, tmp_path / "a.clew").rename(tmp_path / "b.json")
    assert open_graph(as_json).node_ids == open_graph(as_clew).node_ids == graph.node_ids


texts = st.text(st.characters(codec=None), max_size=5)


@given(texts, st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=3))
def test_any_text_survives_as_json(prompt, tokens, labels):
    info = replace(random_graph().info, prompt=prompt, tokens=tuple(tokens))
    annotations = Annotations(labels, ((prompt, tuple(tokens)),), tuple(tokens))
    assert info_from_json(json.loads(json.dumps(info_to_json(info)))) == info
    assert annotations_from_json(json.loads(json.dumps(annotations_to_json(annotations)))) == annotations


def test_a_surrogate_in_a_token_survives(tmp_path: Path):
    graph = random_graph(n_positions=1).with_info(tokens=("\ud83d",))
    for name in ("a.clew", "a.json"):
        assert open_graph(save(graph, tmp_path / name)).info.tokens == ("\ud83d",)


def test_json_stays_strict_when_a_number_is_not(tmp_path: Path):
    graph = random_graph().with_info(
        conservation=float("nan"), settings={"x": np.float32(2), "y": (1, np.inf)}
    )
    opened = open_graph(save(graph, tmp_path / "a.clew"))
    assert opened.info.conservation is None
    assert opened.info.settings == {"x": 2.0, "y": [1, None]}


def test_fields_from_later_versions_are_ignored_and_missing_ones_take_their_default():
    info = info_from_json({"prompt": "hi", "tokens": ["hi"], "mood": "good", "sink": None})
    assert (info.prompt, info.model, info.sink, info.influence_left_out) == ("hi", "", None, 0.0)


def test_settings_that_json_cannot_hold_are_refused(tmp_path: Path):
    with pytest.raises(ClewError, match="JSON cannot hold a object"):
        save(random_graph().with_info(settings={"x": object()}), tmp_path / "a.clew")


def test_a_probability_that_is_no_number_is_refused_in_neuronpedias_json(tmp_path: Path):
    graph = random_graph(n_targets=1)
    target = replace(graph.info.targets[0], probability=float("nan"))
    with pytest.raises(ClewError, match="cannot be written as JSON"):
        save(graph.with_info(targets=(target,)), tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_an_unsound_graph_is_not_written(tmp_path: Path):
    graph = random_graph()
    with pytest.raises(ClewError, match="edge_weight"):
        save(replace(graph, edge_weight=graph.edge_weight[:-1]), tmp_path / "a.clew")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("name", ["a.clew", "a.json"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch, failure, name):
    path = save(random_graph(seed=1), tmp_path / name)
    before = path.read_bytes()

    def fail(_descriptor):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KeyboardInterrupt, ClewError), match=r"No space left|^$"):
        save(random_graph(seed=2), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_ordinary_permissions(tmp_path: Path):
    old = os.umask(0o027)
    try:
        path = save(random_graph(), tmp_path / "a.clew")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path):
    save(random_graph(seed=1), tmp_path / "real.clew")
    (tmp_path / "link.clew").symlink_to(tmp_path / "real.clew")
    save(random_graph(seed=2), tmp_path / "link.clew")
    assert (tmp_path / "link.clew").is_symlink()
    assert_same(open_graph(tmp_path / "real.clew"), random_graph(seed=2))


def test_places_that_cannot_be_written_are_refused(tmp_path: Path):
    with pytest.raises(ClewError, match=r"there is no folder .*nowhere; make it first"):
        save(random_graph(), tmp_path / "nowhere" / "a.clew")
    with pytest.raises(ClewError, match="is a folder; name a file in it"):
        save(random_graph(), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ClewError, match="cannot be written: Not a directory"):
        save(random_graph(), tmp_path / "file" / "a.clew")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(ClewError, match=r"There is no file .*a\.clew"):
        open_graph(tmp_path / "a.clew")
    with pytest.raises(ClewError, match="is a folder; name a graph file"):
        open_graph(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x00" * 100, b"[1, 2]"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ClewError, match=r"neither a \.clew file nor a Neuronpedia graph"):
        open_graph(tmp_path / "a")


def test_the_weights_of_a_model_are_refused(tmp_path: Path):
    safetensors.numpy.save_file({"w": np.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ClewError, match="safetensors file but not a graph"):
        open_graph(tmp_path / "model.safetensors")


def test_json_that_is_no_graph_or_cut_off_is_refused(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"name": "a package"}')
    with pytest.raises(ClewError, match='lacks the field "metadata"'):
        open_graph(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"metadata": {')
    with pytest.raises(ClewError, match="damaged or cut off"):
        open_graph(tmp_path / "a.json")


@pytest.mark.parametrize("kept", [8, 9, 100, -8, -1])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, kept: int):
    path = save(random_graph(), tmp_path / "a.clew")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ClewError, match="cut off"):
        open_graph(path)


def test_a_damaged_header_is_refused(tmp_path: Path):
    path = save(random_graph(), tmp_path / "a.clew")
    content = bytearray(path.read_bytes())
    content[20:24] = b"}}}}"
    path.write_bytes(content)
    with pytest.raises(ClewError, match="damaged or cut off"):
        open_graph(path)


def rewritten(path: Path, change) -> Path:
    """Save a graph, let `change(arrays, metadata)` meddle with the parts, and write them without a digest."""
    save(full_graph(), path)
    with safe_open(path, framework="numpy") as file:
        arrays, metadata = file.get_tensors(), file.metadata()
    del metadata["digest"]
    change(arrays, metadata)
    safetensors.numpy.save_file(arrays, path, metadata=metadata)
    return path


def with_description(**changes):
    def change(_arrays, metadata):
        metadata["clew"] = json.dumps(json.loads(metadata["clew"]) | changes)

    return change


DAMAGED = {
    "newer": (
        with_description(format=2),
        "newer clew .format 2; this one reads up to 1.*pip install --upgrade",
    ),
    "no version": (with_description(format="x"), "its format is 'x'"),
    "field": (with_description(model=3), 'the field "model" cannot be read: expected a string, found int'),
    "no prompt": (with_description(prompt=None), 'lacks the field "prompt"'),
    "target": (with_description(targets=[{"text": 1}]), 'In Target, the field "text" cannot be read'),
    "description": (lambda _, metadata: metadata.update(clew="{"), "its description cannot be read"),
    "annotations": (lambda _, metadata: metadata.update(annotations='{"pins": 3}'), 'field "pins"'),
    "feature labels": (
        lambda _, metadata: metadata.update(annotations='{"feature_labels": {"4031": "places"}}'),
        "belongs to the feature '4031'; expected a name such as L12/4031",
    ),
    "neuronpedia": (lambda _, metadata: metadata.update(neuronpedia='{"nodes": [1]}'), "do not match"),
    "missing array": (lambda arrays, _: arrays.pop("edge_offset"), "lacks the array edge_offset"),
    "missing output": (lambda arrays, _: arrays.pop("output_logit"), "lacks some of the arrays"),
    "wrong type": (
        lambda arrays, _: arrays.update(edge_weight=arrays["edge_weight"].astype(np.float16)),
        "edge_weight is float16",
    ),
    "wrong optional type": (
        lambda arrays, _: arrays.update(output_token=arrays["output_token"].astype(np.int64)),
        "output_token is int64; expected int32",
    ),
    "wrong length": (
        lambda arrays, _: arrays.update(node_kind=arrays["node_kind"][:-1]),
        "node_layer has 54 entries; expected 53",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_clew_file_is_refused(tmp_path: Path, name: str):
    change, message = DAMAGED[name]
    with pytest.raises(ClewError, match=message):
        open_graph(rewritten(tmp_path / "a.clew", change))


@pytest.mark.parametrize("digest", [True, False])
def test_a_change_that_leaves_a_sound_graph_is_noticed_by_its_digest(tmp_path: Path, digest: bool):
    path = save(full_graph(), tmp_path / "a.clew")
    with safe_open(path, framework="numpy") as file:
        arrays, metadata = file.get_tensors(), file.metadata()
    arrays["edge_weight"] *= 2
    if not digest:
        del metadata["digest"]
    safetensors.numpy.save_file(arrays, path, metadata=metadata)
    if digest:
        with pytest.raises(ClewError, match="not as it was written: its digest differs"):
            open_graph(path)
    else:
        np.testing.assert_array_equal(open_graph(path).edge_weight, 2 * full_graph().edge_weight)


def test_an_array_type_that_numpy_does_not_know_is_refused(tmp_path: Path):
    path = save(random_graph(), tmp_path / "a.clew")
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    n_values = header["node_influence"]["shape"][0]
    header["node_influence"] |= {"dtype": "BF16", "shape": [n_values * 2]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(ClewError, match="damaged"):
        open_graph(path)
