"""A whole run on a tiny model: a folder that loads again, resumable, and refusals before any work."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
from dataclasses import replace
from math import isfinite

import pytest
import torch

from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.errors import ClewError
from clew.facade import Model
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.end_to_end import WrittenSums
from clew.training.run import TrainingRun
from clew.training.settings import TrainSettings
from clew.training.text.batches import TextBatches
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
        ({"begin": "neurons", "init_from": "some"}, "not with both"),
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


def test_a_run_that_is_stopped_is_saved_and_ends_with_the_same_weights(tmp_path):
    model().train(tmp_path / "whole", **SMALL)

    def stop(figures):
        if figures.stage == "local" and figures.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    first = model().train(tmp_path / "out", **SMALL, on_figures=stop)
    assert (first.complete, first.step, first.n_steps) == (False, 7, 12)
    assert len(first.dictionary.layers) == 3
    second = model().train(tmp_path / "out", resume=True)
    assert second.complete
    expected = weights(tmp_path / "whole")
    assert all(torch.equal(array, expected[name]) for name, array in weights(tmp_path / "out").items())
    log = [json.loads(line)["step"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert log == list(range(1, 13))
    with pytest.raises(ClewError, match="is complete"):
        model().train(tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"l0": 7.0}, "begun with l0 6.0, not 7.0"), ({"seed": 1}, "begun with seed 0, not 1")],
)
def test_a_run_goes_on_with_its_own_settings_only(changes, sentence, begun):
    with pytest.raises(ClewError, match=sentence):
        model().train(begun, resume=True, **changes)


def test_a_run_goes_on_with_its_own_model_only(begun):
    language_model = replace(tiny_model("LlamaForCausalLM"), name="other")
    other = Model(language_model, NeuronDictionary(language_model))
    with pytest.raises(ClewError, match="load the same one"):
        other.train(begun, resume=True)


def test_a_torn_checkpoint_is_said_to_be_damaged(begun):
    path = begun / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ClewError, match="is damaged"):
        model().train(begun, resume=True)


@pytest.fixture
def begun(tmp_path):
    """The folder of a run that was stopped after its second step."""

    def stop(figures):
        if figures.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    model().train(tmp_path / "begun", **SMALL, on_figures=stop)
    return tmp_path / "begun"


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    save_checkpoint(tmp_path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ClewError, match="cannot be written: File too large"):
            save_checkpoint(tmp_path, {"step": 2, "array": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_checkpoint(tmp_path) == {"step": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("stage", "step"), [("local", 4), ("end-to-end", 1)])
def test_a_loss_that_is_not_finite_stops_the_run_with_the_last_good_weights(stage, step, tmp_path):
    owner = model()
    layer = owner.language_model.layers[1]

    def poison(figures):
        if (figures.stage, figures.step) == (stage, step):
            layer.mlp.register_forward_hook(lambda module, inputs, output: inputs[0] * torch.nan)

    number = step + (0 if stage == "local" else 10)
    with pytest.raises(
        ClewError, match=f"layer 1 is not finite at step {number + 1} of 12; the weights of step {number}"
    ):
        owner.train(tmp_path / "out", **SMALL, on_figures=poison)
    assert all(array.isfinite().all() for array in weights(tmp_path / "out").values())


@pytest.mark.parametrize("kind", ["plt", "skip-plt"])
def test_a_run_begins_where_another_ended(kind, tmp_path):
    """Steps so small that nothing changes: the transcoders come back as they were saved."""
    first = model().train(tmp_path / "first", **SMALL, kind=kind)
    still = {**SMALL, "features": None, "learning_rate": 1e-12, "tokens": 288, "end_to_end": 0}
    second = model().train(tmp_path / "second", **still, kind=kind, init_from=tmp_path / "first")
    assert second.settings.features == SMALL["features"]
    x = torch.randn(50, first.dictionary.layers[0].d_model)
    for layer, part in first.dictionary.layers.items():
        other = second.dictionary.layers[layer]
        pre = x @ part.encoder.read().T + part.encoder_bias.read()
        norms = part.decoder.weights.read().norm(dim=-1)
        also = x @ other.encoder.read().T + other.encoder_bias.read()
        torch.testing.assert_close(
            also * other.decoder.weights.read().norm(dim=-1), pre * norms, atol=0.02, rtol=0.02
        )
        assert part.decoder_bias is not None
        assert other.decoder_bias is not None
        expected = part.decoder_bias.read()
        torch.testing.assert_close(other.decoder_bias.read(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"features": 47}, "has 48 features in a layer, which stay"),
        ({"kind": "clt"}, "from per-layer transcoders only"),
    ],
)
def test_transcoders_that_cannot_be_begun_with_are_refused(changes, sentence, tmp_path):
    model().train(tmp_path / "first", **{**SMALL, "tokens": 288, "end_to_end": 0})
    given = {**SMALL, "features": None, **changes}
    with pytest.raises(ClewError, match=sentence):
        model().train(tmp_path / "second", **given, init_from=tmp_path / "first")


def test_a_token_that_is_left_out_keeps_the_mlps_output_and_counts_nowhere(tmp_path):
    language_model = tiny_model("LlamaForCausalLM")
    settings = TrainSettings("unused", **{**SMALL, "tokens": 90, "batch": 90}, leave_out=("w3",))
    texts = torch.tensor([[0, 3, 3, 3, 3, 4, 4, 4, 5]] * 20)
    run = TrainingRun(language_model, range(3), TextBatches(texts, 10, seed=0), settings)
    assert run.own_layers is not None
    reads, _ = run.own_layers._values(texts)
    assert reads.shape[1] == 20 * 4
    run.advance()
    assert float(run.advance().fvu.mean()) > 0
    assert run.end_to_end is not None
    counted, written = texts[:, 1:] != 3, torch.randn(20, 8, language_model.d_model)
    replacement = run.end_to_end._replacement(0, WrittenSums(), {}, 1.0, counted)
    new = replacement(torch.randn_like(written), written)
    assert torch.equal(new[~counted], written[~counted])
    assert not torch.equal(new[counted], written[counted])


def test_a_left_out_text_of_two_tokens_is_refused(tmp_path):
    with pytest.raises(ClewError, match="'w3 w4' of leave_out is not one token of tiny"):
        model().train(tmp_path / "other", **SMALL, leave_out=("w3 w4",))


def test_text_of_a_file_is_read_and_an_empty_file_is_refused(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("")
    given = {**SMALL, "data": file, "tokens": 288, "end_to_end": 0}
    with pytest.raises(ClewError, match=r"text\.txt"):
        model().train(tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
    file.write_text(" ".join(f"w{2 + number % 7}" for number in range(4000)))
    assert model().train(tmp_path / "out", **given).complete


def test_tensorboard_reads_the_event_files(tmp_path, monkeypatch):
    from clew.training import log

    given = {**SMALL, "tokens": 576, "end_to_end": 0, "tensorboard": True}
    monkeypatch.setattr(log, "find_spec", lambda name: None)
    with pytest.raises(ClewError, match="need the package tensorboardX: pip install tensorboardX"):
        model().train(tmp_path / "out", **given)
    monkeypatch.undo()
    model().train(tmp_path / "out", **given)
    (events,) = tmp_path.glob("out/events.out.tfevents.*")
    found = {(value.tag, event.step) for event in scalars_of(events) for value in event.summary.value}
    assert {("local/fvu", 1), ("local/fvu", 2), ("local/l0", 2), ("fvu_by_layer/002", 2)} <= found


def scalars_of(path):
    """The events of a file: each with its length, a checksum of that, and a checksum of itself."""
    from tensorboardX.proto.event_pb2 import Event  # type: ignore[attr-defined]

    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield Event.FromString(data[place + 12 : place + 12 + length])
        place += 12 + length + 4
