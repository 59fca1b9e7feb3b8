"""An index names the first token of its texts, and whoever uses it with another one is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clew.cli.index_lookup import warn_of_differences
from clew.dictionary.neurons import NeuronDictionary
from clew.facade import Model
from clew.index.creation.plan import check_resumable
from clew.index.labels.graph_features import sink_note
from clew.index.storage.index import Index
from clew.model.prompt import usual_sink
from clew.model.sink import SinkWarning
from tests.tiny import tiny_model

PROMPT = "w3 w4 w5"


@pytest.fixture(scope="module")
def model() -> Model:
    network = tiny_model("LlamaForCausalLM")
    return Model(network, NeuronDictionary(network))


@pytest.fixture(scope="module")
def index(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    (folder / "texts.jsonl").write_text(json.dumps({"text": "w3 w4 w5 w6 w7 w8 w9"}) + "\n")
    with model.index(folder / "texts.jsonl", out=folder / "tiny.sqlite3") as made:
        yield made


def test_an_index_names_the_models_sink(model: Model, index: Index):
    sink = usual_sink(model.language_model)
    assert sink is not None
    of_index = index.metadata.sink, index.metadata.sink_text, index.metadata.sink_mean_kl
    assert of_index == (sink.token_id, sink.text, sink.mean_kl)
    assert sink_note(model.trace(PROMPT), index) == ""


def test_a_graph_behind_another_token_is_told(model: Model, index: Index, capsys, monkeypatch):
    own = index.metadata.sink_text
    graph = model.trace(PROMPT, sink="w30")
    sentence = (
        f'{index.path} was made behind "{own}", and this graph behind "w30", so activations in its texts are '
        "not quite those of this prompt; make it again with clew index --replace."
    )
    assert sink_note(graph, index) == sentence
    warn_of_differences(graph, index)
    assert capsys.readouterr().err == f"Warning: {sentence}\n"
    assert "this graph behind no sink" in sink_note(model.trace(PROMPT, sink="none"), index)

    def with_metadata(**changes) -> Index:
        return Index(index.path, None, replace(index.metadata, **changes), writable=False)  # type: ignore[arg-type]

    assert "made behind the token 5, and" in sink_note(graph, with_metadata(sink=5, sink_text=""))
    assert sink_note(graph, with_metadata(tokenizer="")) == ""  # an imported index
    assert sink_note(graph.with_info(model="another"), index) == ""
    small = sink_note(graph, with_metadata(bundled=True))
    assert small.startswith("The small index that comes with clew was made behind ")
    assert small.endswith("; clew index makes one of your own.")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: index.path.parent.parent)
    unpacked = Index(index.path.parent.parent / "indexes" / "x.sqlite3", None, index.metadata, writable=False)  # type: ignore[arg-type]
    assert sink_note(graph, unpacked) == small


def test_an_index_that_was_begun_behind_another_token_goes_on_and_says_so(index: Index):
    begun = replace(index.metadata, sink=5, sink_text="")
    with pytest.warns(SinkWarning, match="begun behind the token 5, but texts of tiny are now read behind"):
        check_resumable(begun, index.metadata, Path("a.sqlite3"))
