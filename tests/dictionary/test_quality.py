"""The quality of transcoders equals the same figures computed over all positions at once."""

from __future__ import annotations

import copy
from dataclasses import replace
from statistics import median

import pytest
import torch

from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.layer_numbers import layers_named, numbers_joined
from clew.dictionary.misfit import check_quality
from clew.dictionary.quality import (
    MOST_WINDOWS,
    LayerQuality,
    Quality,
    measure_quality,
    text_windows,
)
from clew.dictionary.read_write_points import ReadPoint, WritePoint, write_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.errors import ClewError
from clew.model.prompt import usual_front
from clew.model.recording import record
from tests.fitted_transcoders import as_if, fitted_transcoders
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import tiny_model

LONG = " ".join(f"w{30 + number * 7 % 31}" for number in range(150))
"""More words than the tiny models' 64 positions: three windows."""


def all_at_once(dictionary: TranscoderDictionary, text: str, layer: int) -> tuple[float, float, float]:
    """FVU, L0 and the share of features that are never active, from every position together."""
    truth, guess, active = [], [], []
    front = torch.tensor(usual_front(dictionary.model))
    ids = torch.tensor(dictionary.model.tokenizer.encode(text, add_special_tokens=False))
    for window in ids.split(64 - len(front)):
        recording = record(dictionary.model, torch.cat((front, window)))
        encoding = dictionary.encode(recording)
        part = dictionary.transcoders.layers[layer]
        written = encoding.reconstructions()[layer]
        point = dictionary.transcoders.write_point
        guess.append(write_values(dictionary.model, recording, point, layer, written)[1:])
        truth.append(recording.mlp_write[layer, 1:])
        features = encoding.active(layer)
        dense = torch.zeros(recording.n_positions, part.n_features, dtype=torch.bool)
        dense[features.position, features.index] = features.activation != 0
        active.append(dense[1:])
    true, guessed, on = torch.cat(truth).double(), torch.cat(guess).double(), torch.cat(active)
    variance = (true - true.mean(dim=0)).square().sum()
    fvu = float((true - guessed).square().sum() / variance)
    return fvu, float(on.sum(dim=1).double().mean()), float((~on.any(dim=0)).double().mean())


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_a_long_text_give_the_same_as_all_positions_at_once(kind: str):
    dictionary = random_transcoders(tiny_model("Gemma2ForCausalLM"), kind, write_point=WritePoint.MLP_OUTPUT)
    quality = measure_quality(dictionary, LONG)
    assert quality.n_positions == 150
    for layer in quality.layers:
        expected = all_at_once(dictionary, LONG, layer.layer)
        assert (layer.fvu, layer.l0, layer.dead) == pytest.approx(expected, rel=1e-6)
    assert quality.fvu == median(layer.fvu for layer in quality.layers)


def test_each_window_stands_behind_the_first_token_of_prompts():
    dictionary = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    words = [30 + number * 7 % 31 for number in range(150)]
    for sink, front in (("<a>", [0]), ("w9", [9]), ("none", [])):
        named = replace(dictionary, transcoders=replace(dictionary.transcoders, sink=sink))
        room = 64 - len(front)
        parts = [words[begin : begin + room] for begin in range(0, 150, room)]
        assert [window.tolist() for window in text_windows(named, LONG)] == [front + part for part in parts]


@pytest.mark.parametrize(
    ("with_bos", "bos", "eos", "expected"),
    [
        (True, "<a>", "<b>", "id:0"),
        (True, None, "<b>", "id:1"),  # as TransformerLens has it
        (True, None, None, None),
        (False, "<a>", "<b>", "none"),
        (None, "<a>", "<b>", None),
    ],
)
def test_training_with_a_bos_names_the_sink(with_bos, bos, eos, expected):
    dictionary = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    tokenizer = copy.deepcopy(dictionary.model.tokenizer)
    tokenizer.bos_token, tokenizer.eos_token = bos, eos
    transcoders = replace(dictionary.transcoders, trained_with_bos=with_bos)
    model = replace(dictionary.model, tokenizer=tokenizer)
    assert replace(dictionary, model=model, transcoders=transcoders).sink == expected


def test_of_a_very_long_text_the_beginning_is_read():
    dictionary = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    quality = measure_quality(dictionary, " ".join([LONG] * 10))
    assert quality.n_positions == 63 * MOST_WINDOWS


@pytest.fixture(scope="module", params=["LlamaForCausalLM", "Gemma2ForCausalLM"])
def fitted(request: pytest.FixtureRequest) -> TranscoderDictionary:
    """A good dictionary, which reads after the norm's scale and writes to the stream."""
    model = tiny_model(request.param)
    with torch.no_grad():  # a stream as large as that of real models, so that its norm matters
        model.network.get_input_embeddings().weight.mul_(10)
    random = random_transcoders(model, "PLT ReLU")
    return fitted_transcoders(model, text_windows(random, TEXT))


def test_fitted_transcoders_are_taken(fitted: TranscoderDictionary):
    quality = check_quality(fitted)
    assert quality.fvu < 0.3
    assert quality.weak_layers == ()
    assert quality.best_scale == pytest.approx(1, abs=1e-3)


def test_a_wrong_read_point_is_refused_and_the_right_points_are_named(fitted: TranscoderDictionary):
    wrong = replace(fitted, transcoders=replace(fitted.transcoders, read_point=ReadPoint.RESIDUAL))
    with pytest.raises(ClewError) as refusal:
        check_quality(wrong)
    message = str(refusal.value)
    assert message.startswith("fitted does not fit tiny: most likely it reads after the norm's scale, before")
    assert "As it is, its fraction of variance unexplained (FVU) is" in message
    assert "It reads the raw stream before the MLP's norm (residual)" in message
    assert "load it with --read-point normalized (read_point= in Python)" in message
    assert message.endswith("--no-check (check=False in Python).")


def test_a_wrong_write_point_is_named_where_the_model_has_a_norm_behind_the_mlp():
    model = tiny_model("Gemma2ForCausalLM")
    with torch.no_grad():
        for layer in model.layers:
            assert layer.mlp_post_norm is not None
            layer.mlp_post_norm.module.weight.add_(5)  # type: ignore[union-attr]
    good = fitted_transcoders(model, text_windows(random_transcoders(model, "PLT ReLU"), TEXT))
    wrong = replace(good, transcoders=replace(good.transcoders, write_point=WritePoint.MLP_OUTPUT))
    with pytest.raises(ClewError, match="load it with --write-point stream"):
        check_quality(wrong)


def test_a_wrong_scale_is_refused_and_the_right_one_is_given(fitted: TranscoderDictionary):
    with pytest.raises(ClewError, match=r"wrong: multiplied by 0\.05, its FVU would be 0\.\d+\. "):
        check_quality(replace(fitted, transcoders=as_if(fitted, factor=20)))


def test_another_models_transcoders_are_refused(fitted: TranscoderDictionary):
    other = tiny_model("LlamaForCausalLM", seed=1)
    with pytest.raises(ClewError, match="fit tiny: it was probably trained on another model"):
        check_quality(random_transcoders(other, "PLT with skip"))


def test_one_bad_layer_is_named_and_not_refused(fitted: TranscoderDictionary):
    quality = check_quality(replace(fitted, transcoders=as_if(fitted, factor=20, only=(1,))))
    assert quality.weak_layers == (1,)
    assert str(quality).endswith("; worse than the mean in layer 1")
    assert repr(quality) == f"Quality({quality})"


def test_a_text_of_nearly_nothing_is_refused():
    dictionary = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    for text, tokens, different in (("", 0, 0), ("w3 w4", 2, 2), ("w3 w3 w3 w3", 4, 1)):
        with pytest.raises(ClewError) as refusal:
            measure_quality(dictionary, text)
        assert str(refusal.value) == (
            f"A dictionary cannot be measured on {tokens} tokens with {different} different ones; pass a "
            "text of a few sentences."
        )


def test_how_it_reads():
    layers = tuple(LayerQuality(number, fvu, 12.34, 0.5) for number, fvu in enumerate((0.2, 1.5, 0.3, 0.1)))
    assert str(Quality(layers, 93, 1.0, 0.2)) == (
        "FVU 0.25 (median of 4 layers), L0 12.3, 50.0% of features never active in 93 tokens; worse than the "
        "mean in layer 1"
    )
    assert str(Quality(layers[:1], 93, 1.0, 0.2)).startswith("FVU 0.2, L0")


def test_one_layer_whose_fvu_is_no_number_is_not_hidden():
    layers = tuple(LayerQuality(number, fvu, 12, 0.5) for number, fvu in enumerate((0.2, float("nan"), 0.3)))
    quality = Quality(layers, 93, 1.0, 0.2)
    assert quality.weak_layers == (1,)
    assert str(quality).startswith("FVU nan")
    assert numbers_joined([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert layers_named([3]) == "layer 3"
    assert layers_named([0, 1]) == "layers 0-1"
