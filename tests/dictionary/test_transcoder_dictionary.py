"""Transcoders on a model: encoders in memory or on disk, rows read on demand, the same graph from both."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.read_write_points import ReadPoint, WritePoint, point_named
from clew.dictionary.transcoder_dictionary import bind
from clew.dictionary.weights import HeldWeights, StoredWeights
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.model.recording import record
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import Shape, random_ids, tiny_model

IDS = random_ids(6).tolist()


def same_arrays(left: Graph, right: Graph) -> bool:
    names = [field.name for field in fields(Graph)]
    arrays = [(getattr(left, name), getattr(right, name)) for name in names]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in arrays if isinstance(a, np.ndarray))


@pytest.mark.parametrize("kind", KINDS)
def test_loading_the_same_set_twice_gives_the_same_bits(kind: str, tmp_path: Path):
    model = tiny_model("Gemma2ForCausalLM")
    model.network.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    save_transcoders(random_transcoders(model, kind).transcoders, tmp_path / "set", "tiny")
    graphs = [
        clew.load(tmp_path / "model", dictionary=tmp_path / "set", check=False, low_memory=low).trace(IDS)
        for low in (False, False, True)
    ]
    assert same_arrays(graphs[0], graphs[1])
    assert same_arrays(graphs[0], graphs[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_written_and_read_gives_the_same_graph(kind: str, tmp_path: Path):
    model = tiny_model("LlamaForCausalLM")
    in_memory = random_transcoders(model, kind)
    save_transcoders(in_memory.transcoders, tmp_path / "set", "tiny")
    from clew.attribution.trace import trace
    from clew.dictionary.reference import load_transcoders

    on_disk = bind(model, load_transcoders(tmp_path / "set"), "again")
    first, second = trace(model, in_memory, IDS), trace(model, on_disk, IDS)
    np.testing.assert_array_equal(first.edge_source, second.edge_source)
    # A matrix that lies the other way round on disk takes another path through the matrix library.
    np.testing.assert_allclose(first.edge_weight, second.edge_weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_features_write_adds_up_to_the_reconstruction(kind: str):
    model = tiny_model("Qwen3ForCausalLM")
    encoding = random_transcoders(model, kind).encode(record(model, torch.tensor(IDS)))
    written = encoding.reconstructions()
    from clew.attribution.selection import joined
    from clew.dictionary.read_write_points import read_values

    everything = joined([encoding.active(layer) for layer in range(model.n_layers)])
    for layer in range(model.n_layers):
        expected = torch.zeros_like(written[layer])
        writers, vectors = encoding.writes(everything, layer)
        scaled = vectors * everything.activation[writers, None]
        expected.index_add_(0, everything.position[writers], scaled)
        offset = encoding.offset(layer)
        assert offset is not None
        expected += offset
        skip = encoding.skip(layer)
        if skip is not None:
            expected += read_values(model, encoding.recording, encoding.read_point, layer) @ skip.T
        torch.testing.assert_close(written[layer], expected, atol=1e-5, rtol=1e-4)


def test_a_layer_without_a_transcoder_is_all_error():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    layers = {layer: part for layer, part in dictionary.transcoders.layers.items() if layer != 1}
    partial = replace(dictionary, transcoders=replace(dictionary.transcoders, layers=layers))
    from clew.attribution.trace import trace

    graph = trace(model, partial, IDS)
    features = graph.node_kind == 0
    assert set(graph.node_layer[features].tolist()) == {0, 2}
    assert graph.info.conservation is not None
    assert graph.info.conservation <= 1e-3


def test_other_sizes_than_the_models_are_refused():
    small, wide = tiny_model("LlamaForCausalLM"), tiny_model("LlamaForCausalLM", Shape(d_model=32))
    shallow = tiny_model("LlamaForCausalLM", Shape(n_layers=2))
    transcoders = replace(random_transcoders(small, "CLT ReLU").transcoders, trained_on="org/small")
    with pytest.raises(ClewError, match=r"another model \(org/small\).*width 24.*width 32"):
        bind(wide, transcoders, "mine")
    with pytest.raises(ClewError, match="writes to layer 2, counted from 0, but tiny has 2 layers"):
        bind(shallow, transcoders, "mine")


def test_points_are_named_as_on_the_command_line():
    assert point_named(ReadPoint, "mlp_input") is ReadPoint.MLP_INPUT
    assert point_named(WritePoint, "stream") is WritePoint.STREAM
    assert point_named(ReadPoint, None) is None
    with pytest.raises(ClewError, match=r"'ln2' is not a read point; choose one of residual \(the raw"):
        point_named(ReadPoint, "ln2")


@given(data=st.data(), shape=st.sampled_from([(7, 5), (4, 3, 5)]))
def test_rows_on_disk_are_the_rows_in_memory(tmp_path_factory, data, shape):
    dtype = data.draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
    tensor = torch.randn(shape).to(dtype)
    path = tmp_path_factory.mktemp("weights") / "array"
    path.write_bytes(b"12345678" + tensor.view(torch.uint8).numpy().tobytes())
    stored, held = StoredWeights(path, 8, shape, dtype), HeldWeights(tensor)
    n_rows = tensor.numel() // 5
    index = torch.tensor(data.draw(st.lists(st.integers(0, n_rows - 1), max_size=9)), dtype=torch.long)
    assert torch.equal(stored.rows(index), held.rows(index))
    assert torch.equal(stored.read(), held.read())


def test_the_working_folder_may_change_after_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("LlamaForCausalLM")
    save_transcoders(random_transcoders(model, "PLT ReLU").transcoders, tmp_path / "set", "tiny")
    monkeypatch.chdir(tmp_path)
    from clew.dictionary.reference import load_transcoders

    dictionary = bind(model, load_transcoders("set"), "set", low_memory=True)
    monkeypatch.chdir("/")
    recording = record(model, torch.tensor(IDS))
    assert dictionary.encode(recording).n_active(1)
    (tmp_path / "set" / "layer_0.safetensors").unlink()
    with pytest.raises(ClewError, match=r"layer_0\.safetensors cannot be read any more"):
        dictionary.encode(recording)


def test_two_formats_in_one_folder_are_not_chosen_between(tmp_path: Path):
    model = tiny_model("LlamaForCausalLM")
    save_transcoders(random_transcoders(model, "PLT ReLU").transcoders, tmp_path / "set", "tiny")
    (tmp_path / "set" / "layer_0").mkdir()
    (tmp_path / "set" / "layer_0" / "sae_weights.safetensors").write_bytes(b"")
    from clew.dictionary.reference import load_transcoders

    with pytest.raises(ClewError, match=r"holds transcoders in several formats .*SAELens"):
        load_transcoders(tmp_path / "set")


def test_a_slip_in_a_local_name_is_told_without_asking_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from clew.dictionary.reference import load_transcoders

    (tmp_path / "sets" / "my-transcoders").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClewError, match="sets holds my-transcoders; name one of them"):
        load_transcoders("sets/my-transcoder")
    with pytest.raises(ClewError, match="'bad' is not a read point"):
        load_transcoders("sets/my-transcoders", read_point="bad")


def test_transcoders_in_memory_and_no_dictionary_at_all(tmp_path: Path):
    model = tiny_model("LlamaForCausalLM")
    model.network.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    held = random_transcoders(model, "PLT TopK").transcoders
    assert clew.load(tmp_path / "model", dictionary=held, check=False).dictionary.name == "random"
    assert clew.load(tmp_path / "model", dictionary=None).dictionary.name == "neurons"


def test_options_of_files_are_refused_for_a_set_in_memory():

    transcoders = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU").transcoders
    with pytest.raises(ClewError, match="TranscoderSet in memory has its own"):
        clew.load(dictionary=transcoders, k=3)
