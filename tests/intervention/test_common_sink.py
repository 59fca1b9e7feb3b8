"""A second prompt is read behind the first token of the first one, or it is said that it is not."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.errors import ClewError
from clew.facade import Model
from clew.feature import Feature
from clew.intervention.intervention import Intervention, Source
from clew.model.prompt import encode_prompt
from clew.model.sink import DisturbingSink, SinkWarning
from clew.sink import Sink
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

HERE, THERE = "w3 w4 w5 w6", "w7 w8 w9 w10"
FEATURES = [Feature(layer, index) for layer in (0, 2) for index in range(7)]
OLD = "changes the answer least of 2 special tokens"


@pytest.fixture(scope="module")
def model() -> Model:
    language_model = tiny_model("LlamaForCausalLM")
    return Model(language_model, random_transcoders(language_model, "CLT ReLU"))


def trained_behind(model: Model, sink: str) -> Model:
    assert isinstance(model.dictionary, TranscoderDictionary)
    transcoders = replace(model.dictionary.transcoders, sink=sink)
    return replace(model, dictionary=replace(model.dictionary, transcoders=transcoders))


def values(model: Model, ids: list[int]) -> list[float]:
    features = model.intervene(ids, Intervention(FEATURES, -1)).features
    return features.before[features.was_changed].tolist()


def old_graph(model: Model, sink: str):
    """A graph as an older version made it, which measured a sink for this prompt alone."""
    graph = model.trace(HERE, sink=sink)
    assert graph.info.sink is not None
    return graph.with_info(sink=replace(graph.info.sink, reason=OLD))


@pytest.mark.parametrize("sink", [None, "<a>", "<b>", "w30", "none"])
def test_a_patch_reads_its_source_behind_the_sink_of_the_prompt_that_changes(model: Model, sink: str | None):
    front = encode_prompt(model.language_model, HERE, sink).token_ids.tolist()[:-4]
    expected = values(model, [*front, 7, 8, 9, 10])
    graph = model.trace(HERE, sink=sink)
    for keywords in ({"sink": sink}, {"graph": graph}):
        features = model.intervene(HERE, Intervention(FEATURES, -1, "patch", THERE), **keywords).features  # type: ignore[arg-type]
        assert features.after[features.was_changed].tolist() == pytest.approx(expected, abs=1e-5)
    assert [each.value for each in model.patch(FEATURES, THERE, positions=-1, graph=graph)] == pytest.approx(
        expected, abs=1e-5
    )


def test_a_source_of_token_ids_that_begins_otherwise_is_said(model: Model):
    change = Intervention(FEATURES, -1, "patch", Source([1, 7, 8, 9, 10]))
    with pytest.warns(
        SinkWarning, match='other prompt begins with "<b>", and the one that changes with "<a>"'
    ):
        model.intervene(HERE, change, sink="<a>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DisturbingSink)
        model.intervene(HERE, change, sink="<b>")


def test_a_graph_is_read_behind_its_own_sink_and_an_old_one_says_so(model: Model):
    own = encode_prompt(model.language_model, HERE).sink
    assert own is not None
    other = "<a>" if own.text == "<b>" else "<b>"
    graph = old_graph(model, other)
    sentence = f'traced behind "{other}", but tiny now reads prompts behind "{own.text}"'
    with pytest.warns(SinkWarning, match=sentence):
        (result,) = model.intervene(HERE, Intervention(FEATURES, -1), graph=graph, strengths=[1.0])
    assert result.token_ids == tuple(graph.token_ids.tolist())
    with pytest.warns(SinkWarning, match=sentence):
        model.validate(graph, count=1, random_count=0)
    with pytest.warns(SinkWarning, match=sentence):
        model.circuit(graph)
    with pytest.warns(SinkWarning, match=sentence):
        model.generate(HERE, Intervention(FEATURES, -1), 1, graph=graph)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DisturbingSink)
        model.validate(model.trace(HERE), count=1, random_count=0)
        model.validate(model.trace(HERE, sink=other), count=1, random_count=0)
    with pytest.raises(ClewError, match="of another prompt"):
        model.intervene(HERE, Intervention(FEATURES, -1), graph=graph, sink=own.text)


def test_the_sink_that_a_dictionary_names_is_that_of_every_method(model: Model):
    named = trained_behind(model, "w30")
    graph = named.trace(HERE)
    assert (graph.info.tokens[0], graph.info.sink and graph.info.sink.reason) == (
        "w30",
        "named by the dictionary",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DisturbingSink)
        change = Intervention(FEATURES, -1, "patch", THERE)
        results = [named.intervene(HERE, change, **keywords) for keywords in ({}, {"graph": graph})]  # type: ignore[arg-type]
        named.generate(HERE, change, 1)
        named.circuit(HERE, features="L0/3@1")
    for result in results:
        assert result.token_ids == (30, 3, 4, 5, 6)
        after = result.features.after[result.features.was_changed]
        assert after.tolist() == pytest.approx(values(model, [30, 7, 8, 9, 10]), abs=1e-5)
    with pytest.warns(SinkWarning, match='trained behind "w30", but this prompt has "<a>"'):
        named.trace(HERE, sink="<a>")
    assert trained_behind(model, "none").trace(HERE).info.sink is None


def test_comparing_graphs_behind_different_sinks_says_so(model: Model):
    one, other, none = (model.trace(HERE, sink=sink) for sink in ("<a>", "<b>", "none"))
    assert one.compare(model.trace(THERE, sink="<a>")).note == ""
    assert 'left prompt begins with "<a>" and the right one with "<b>"' in one.compare(other).note
    assert 'left prompt begins with no sink and the right one with "<b>"' in none.compare(other).note
    comparison = one.compare(other)
    assert comparison.as_json()["note"] == comparison.note
    assert comparison.note in repr(comparison)
    elsewhere = other.with_info(model="another")
    assert one.compare(elsewhere).note == ""


def test_graphs_of_other_tools_begin_with_a_sink(model: Model):
    graph = model.trace(HERE, sink="<a>")
    foreign = replace(graph.with_info(sink=None), foreign={})
    assert foreign.sink == Sink("<a>", 0)
    assert foreign.compare(graph).note == ""
    assert "patch" not in foreign.compare(model.trace(HERE, sink="none")).note


@pytest.mark.real
def test_a_patch_from_italy_stands_behind_the_sink_of_france():
    import clew

    model = clew.load("smollm2", dictionary="neurons")
    for sink, expected in ((None, None), ("<|endoftext|>", 13.08)):
        graph = model.trace("The capital of France is", sink=sink, max_nodes=64)
        (change,) = model.patch("L29/1479", "The capital of Italy is", positions=5, graph=graph)
        ids = encode_prompt(model.language_model, "The capital of Italy is", sink).token_ids.tolist()
        assert ids[0] == graph.token_ids[0]
        (value,) = values_of(model, ids)
        assert change.value == pytest.approx(value, abs=1e-3)
        if expected is not None:
            assert change.value == pytest.approx(expected, abs=0.01)


def values_of(model: Model, ids: list[int]) -> list[float]:
    features = model.intervene(ids, Intervention("L29/1479", 5)).features
    return torch.as_tensor(features.before[features.was_changed]).tolist()
