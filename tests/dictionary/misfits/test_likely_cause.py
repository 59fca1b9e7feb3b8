"""The first sentence about a set that was damaged names the damage that was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from clew.dictionary.activation import JumpReLU, TopK
from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.misfit import misfit, suspicion
from clew.dictionary.quality import measure_quality, text_windows
from clew.dictionary.read_write_points import ReadPoint, read_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from clew.model.recording import record
from tests.fitted_transcoders import as_if, fitted_transcoders
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

Damage = Callable[[TranscoderDictionary], TranscoderSet]


@pytest.fixture(scope="module")
def good() -> TranscoderDictionary:
    """A good dictionary, which reads the raw stream."""
    model = tiny_model("LlamaForCausalLM")
    with torch.no_grad():  # a stream as large as that of real models, so that its norm matters
        model.network.get_input_embeddings().weight.mul_(10)
    windows = text_windows(random_transcoders(model, "PLT ReLU"), TEXT)
    return fitted_transcoders(model, windows, read_point=ReadPoint.RESIDUAL)


def each_layer(
    dictionary: TranscoderDictionary, change: Callable[[LayerTranscoder], LayerTranscoder]
) -> TranscoderSet:
    own = dictionary.transcoders
    return replace(own, layers={layer: change(part) for layer, part in own.layers.items()})


def with_features(
    part: LayerTranscoder, encoder: torch.Tensor, bias: torch.Tensor, decoder: torch.Tensor
) -> LayerTranscoder:
    """A layer with more features."""
    return replace(
        part,
        encoder=HeldWeights(torch.cat([part.encoder.read(), encoder])),
        encoder_bias=HeldWeights(torch.cat([part.encoder_bias.read(), bias])),
        decoder=Decoder(HeldWeights(torch.cat([part.decoder.weights.read(), decoder]))),
    )


def reads_without_its_bias(dictionary: TranscoderDictionary) -> TranscoderSet:
    """As read from a file whose trainer took a large output bias off the input."""

    def change(part: LayerTranscoder) -> LayerTranscoder:
        assert part.decoder_bias is not None
        large = torch.linspace(-3, 3, part.d_model)
        back = part.decoder_bias.read() - large
        part = with_features(part, torch.zeros(1, part.d_model), torch.ones(1), back[None])
        shifted = part.encoder_bias.read() + part.encoder.read() @ large
        return replace(part, encoder_bias=HeldWeights(shifted), decoder_bias=HeldWeights(large))

    return each_layer(dictionary, change)


def reads_scaled_inputs(dictionary: TranscoderDictionary) -> TranscoderSet:
    """As read from a file whose trainer scaled inputs to a mean norm of sqrt(d_model)."""
    own, model = dictionary.transcoders, dictionary.model
    recordings = [record(model, window) for window in text_windows(dictionary, TEXT)]
    layers = {}
    for layer, part in own.layers.items():
        x = torch.cat([read_values(model, each, own.read_point, layer)[1:] for each in recordings])
        factor = float(x.norm(dim=-1).mean()) / model.d_model**0.5
        layers[layer] = replace(part, encoder=HeldWeights(part.encoder.read() * factor))
    return replace(own, layers=layers)


def rotates_layers(dictionary: TranscoderDictionary) -> TranscoderSet:
    own = dictionary.transcoders
    first, *others = own.layers.values()
    return replace(own, layers=dict(enumerate([*others, first])))


def transposes_skips(dictionary: TranscoderDictionary) -> TranscoderSet:
    """A skip connection that 2 d_model features undo, the wrong way round."""
    d_model = dictionary.model.d_model
    skip = torch.randn(d_model, d_model, generator=torch.Generator().manual_seed(1))
    both_ways = torch.cat([torch.eye(d_model), -torch.eye(d_model)])

    def change(part: LayerTranscoder) -> LayerTranscoder:
        part = with_features(part, both_ways, torch.zeros(2 * d_model), -both_ways @ skip.T)
        return replace(part, skip=HeldWeights(skip.T.contiguous()))

    return each_layer(dictionary, change)


def lengthens_a_row(dictionary: TranscoderDictionary) -> TranscoderSet:
    def change(part: LayerTranscoder) -> LayerTranscoder:
        decoder = part.decoder.weights.read().clone()
        decoder[[5, 40]] *= 10_000
        return replace(part, decoder=Decoder(HeldWeights(decoder)))

    return each_layer(dictionary, change)


def reconstructs_its_input(dictionary: TranscoderDictionary) -> TranscoderSet:
    d_model = dictionary.model.d_model
    both_ways = torch.cat([torch.eye(d_model), -torch.eye(d_model)])
    return each_layer(
        dictionary,
        lambda part: replace(
            part,
            encoder=HeldWeights(both_ways),
            encoder_bias=HeldWeights(torch.zeros(2 * d_model)),
            decoder=Decoder(HeldWeights(both_ways)),
            decoder_bias=None,
        ),
    )


def keeps_too_few(dictionary: TranscoderDictionary) -> TranscoderSet:
    return each_layer(dictionary, lambda part: replace(part, activation=TopK(2)))


def raises_thresholds(dictionary: TranscoderDictionary) -> TranscoderSet:
    high = JumpReLU(HeldWeights(torch.linspace(1, 3, 150)))
    return each_layer(dictionary, lambda part: replace(part, activation=high))


def stores_logarithms(dictionary: TranscoderDictionary) -> TranscoderSet:
    logarithms = JumpReLU(HeldWeights(torch.full((150,), 1e-4).log()))
    return each_layer(dictionary, lambda part: replace(part, activation=logarithms))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "read point": (
        lambda good: replace(good.transcoders, read_point=ReadPoint.MLP_INPUT),
        "most likely it reads the raw stream before the MLP's norm (residual)",
    ),
    "bias": (reads_without_its_bias, "most likely its output bias (b_dec) was taken off the input of its"),
    "output scale": (lambda good: as_if(good, factor=20), "its scale is wrong: multiplied by 0.05"),
    "input scale": (reads_scaled_inputs, "its inputs were scaled in training"),
    "layers": (rotates_layers, "most likely its layers are mixed up: that of layer 0 fits layer 1"),
    "skips": (transposes_skips, "most likely its skip connections are transposed"),
    "k": (keeps_too_few, "most likely k is not 2: with 128 active features"),
    "thresholds": (raises_thresholds, "most likely its thresholds are wrong"),
    "logarithms": (stores_logarithms, "most likely its thresholds are stored as logarithms"),
    "rows": (
        lengthens_a_row,
        "most likely some of its rows are damaged: the weights of feature 5, 40",
    ),
    "autoencoder": (reconstructs_its_input, "it is an autoencoder: it reconstructs"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_damage_that_was_done_is_named_first(good: TranscoderDictionary, damage: str) -> None:
    change, sentence = DAMAGES[damage]
    damaged = replace(good, transcoders=change(good))
    message = misfit(damaged, measure_quality(damaged))
    assert message.startswith(f"fitted does not fit tiny: {sentence}"), message


def test_a_good_set_is_good(good: TranscoderDictionary) -> None:
    quality = measure_quality(good)
    assert quality.fvu < 0.3
    assert suspicion(good, quality) == ""


def test_a_weak_set_that_one_change_would_mend_is_named(good: TranscoderDictionary) -> None:
    weak = replace(good, transcoders=as_if(good, factor=0.2))
    quality = measure_quality(weak)
    assert 0.5 < quality.fvu <= 1
    assert suspicion(weak, quality).startswith(
        "fitted explains little of tiny: its scale is wrong: multiplied by 5, its FVU would be"
    )
    silent = each_layer(
        good, lambda part: replace(part, decoder=Decoder(HeldWeights(torch.zeros(150, part.d_model))))
    )
    weak = replace(good, transcoders=silent)
    assert suspicion(weak, replace(measure_quality(weak), scales_agree=False)) == ""


def test_another_model_that_the_files_name() -> None:
    one, other = tiny_model("LlamaForCausalLM"), tiny_model("LlamaForCausalLM", seed=1)
    random = random_transcoders(other, "PLT ReLU")
    named = replace(random, transcoders=replace(random.transcoders, trained_on="org/other-1b"), model=one)
    message = misfit(named, measure_quality(named))
    assert "was probably trained on another model, as its files say (org/other-1b); name the right" in message
    assert named.remarks == (
        "The files of random say that they were trained on org/other-1b; this model is tiny.",
    )
    assert random.remarks == ()
    assert replace(named, transcoders=replace(named.transcoders, trained_on="org/Tiny")).remarks == ()
