"""A whole run on a tiny model: a folder that loads again, resumable, and refusals before any work."""

from __future__ import annotations

import json
from math import isfinite

import pytest

from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.errors import ClewError
from clew.facade import Model
from tests.tiny import tiny_model

SMALL = {
    "features": 48,
    "l0": 6.0,
    "tokens": 2880,
    "end_to_end": 576,
    "context": 9,
    "batch": 288,
    "learning_rate": 5e-3,
}


def model() -> Model:
    language_model = tiny_model("LlamaForCausalLM")
    return Model(language_model, NeuronDictionary(language_model))


def weights(folder):
    return {
        (layer, name): getattr(part, name).read()
        for layer, part in load_transcoders(folder).layers.items()
        for name in ("encoder", "encoder_bias", "decoder_bias")
    }


@pytest.mark.parametrize("kind", ["plt", "clt"])
def test_a_run_leaves_transcoders_that_trace_and_a_log(kind, tmp_path):
    seen = []
    trained = model().train(tmp_path / "out", **SMALL, kind=kind, bits=4, on_figures=seen.append)
    assert trained.complete
    assert trained.figures is not None
    assert all(isfinite(layer.fvu) for layer in trained.figures.quality.layers)
    assert trained.dictionary.sink in ("<a>", "<b>")
    assert [(each.stage, each.step) for each in seen][-3:] == [
        ("local", 10),
        ("end-to-end", 1),
        ("end-to-end", 2),
    ]
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 13))
    assert len(log[0]["fvu"]) == 3
    language_model = model().language_model
    graph = Model(language_model, bind(language_model, trained.dictionary, "own")).trace("w3 w4 w5")
    assert graph.n_nodes > 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"l0": 48.0}, "48 of 48 features cannot be active"),
        ({"layers": "2-4"}, "tiny has the layers 0 to 2, not 2-4"),
        ({"layers": "some"}, "layers must be all"),
        ({"context": 65, "batch": 650}, "Sequences of 65 tokens exceed the 64 that tiny reads"),
        ({"features": 10**9}, "take at most"),
        ({"batch": 8}, "A step of 8 tokens holds no sequence of 9"),
        ({"sink": "none"}, "Training needs a first token"),
        ({"sink": "w3 w4"}, "is not one token"),
        ({"kind": "clt", "layers": "1-2"}, "all layers from 0 on"),
        ({"kind": "clt", "features": 10**9}, "take at most"),
        ({"data": "no-such-file.txt"}, "no-such-file.txt"),
        ({"resume": True}, "holds no run to go on with"),
        ({"l0": -1.0}, "l0 must be"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(changes, sentence, tmp_path):
    with pytest.raises(ClewError, match=sentence):
        model().train(tmp_path / "out", **{**SMALL, **changes})
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ClewError, match="already holds something"):
        model().train(tmp_path, **SMALL)
