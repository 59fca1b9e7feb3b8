"""A model with every MLP replaced: against one that is built up layer by layer from recordings."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.quality import text_windows
from clew.dictionary.read_write_points import ReadPoint, WritePoint, read_values
from clew.dictionary.replaced_mlps import replaced_mlps
from clew.dictionary.replaced_model import (
    ReplacedModel,
    compare_next_token,
    measure_agreement,
    measure_answers,
)
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.weights import HeldWeights
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_front
from clew.model.recording import record
from tests.fitted_transcoders import as_if, fitted_transcoders
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import tiny_model

IDS = torch.tensor([[1, 30, 41, 35, 52, 33], [2, 44, 31, 31, 60, 38]])


@contextlib.contextmanager
def forced(dictionary: TranscoderDictionary, vectors: dict[int, torch.Tensor]):
    """Let MLPs write given vectors, but at the first position."""
    before_norm = dictionary.write_point is WritePoint.MLP_OUTPUT

    def hook(number: int):
        def force(module: Any, inputs: tuple, output: Any) -> Any:
            if isinstance(output, tuple):
                return (force(module, inputs, output[0]), *output[1:])
            flat = output.reshape(-1, output.shape[-1])
            return torch.cat([flat[:1], vectors[number][1:]]).reshape(output.shape)

        return force

    with contextlib.ExitStack() as hooks:
        for number in vectors:
            layer = dictionary.model.layers[number]
            writer = layer.mlp if before_norm else layer.mlp_writer
            hooks.callback(writer.register_forward_hook(hook(number)).remove)
        yield


def built_up(dictionary: TranscoderDictionary, ids: torch.Tensor) -> torch.Tensor:
    """The logits at the last position with one more MLP replaced in each pass."""
    model, parts = dictionary.model, dictionary.transcoders.layers
    vectors, above = {}, torch.zeros(model.n_layers, len(ids), model.d_model)
    for layer, part in parts.items():
        with forced(dictionary, vectors):
            x = read_values(model, record(model, ids), dictionary.read_point, layer)
        activation = dictionary.respond(layer, x)[1]
        spans = dictionary.decoder(layer, torch.arange(part.n_features))
        above[layer : layer + spans.shape[1]] += torch.einsum("pf,fwd->wpd", activation, spans)
        vectors[layer] = above[layer]
        if part.skip is not None:
            vectors[layer] = vectors[layer] + x @ part.skip.read().T
        if part.decoder_bias is not None:
            vectors[layer] = vectors[layer] + part.decoder_bias.read()
    with forced(dictionary, vectors):
        return record(model, ids).logits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("architecture", "write_point"),
    [
        ("LlamaForCausalLM", WritePoint.STREAM),
        ("Gemma2ForCausalLM", WritePoint.MLP_OUTPUT),
        ("Gemma2ForCausalLM", WritePoint.STREAM),
        ("GPTNeoXForCausalLM", WritePoint.STREAM),
        ("MixtralForCausalLM", WritePoint.STREAM),
    ],
)
@torch.no_grad()
def test_all_at_once_gives_what_one_after_the_other_gives(
    kind: str, architecture: str, write_point: WritePoint
):
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, kind, read_point=ReadPoint.NORMALIZED, write_point=write_point)
    with replaced_mlps(dictionary):
        together = model.run(IDS).logits[:, -1]
    for ids, logits in zip(IDS, together, strict=True):
        assert torch.allclose(logits, built_up(dictionary, ids), atol=1e-4)
    plain = model.run(IDS).logits[:, -1]
    assert not torch.allclose(plain, together, atol=1e-2)
    assert all(
        torch.allclose(record(model, ids).logits, one, atol=1e-5) for ids, one in zip(IDS, plain, strict=True)
    )


@torch.no_grad()
def test_layers_without_a_transcoder_keep_their_mlp():
    model = tiny_model("LlamaForCausalLM")
    whole = random_transcoders(model, "PLT ReLU")
    some = replace(whole, transcoders=replace(whole.transcoders, layers={1: whole.transcoders.layers[1]}))
    with replaced_mlps(some):
        logits = model.run(IDS[:1]).logits[0, -1]
    assert torch.allclose(logits, built_up(some, IDS[0]), atol=1e-4)


def test_hooks_are_removed_after_an_error():
    model = tiny_model("LlamaForCausalLM")
    before = model.next_token_logits(IDS)
    with pytest.raises(ValueError, match="stop"), replaced_mlps(random_transcoders(model, "PLT ReLU")):
        raise ValueError("stop")
    assert torch.equal(model.next_token_logits(IDS), before)


@torch.no_grad()
def test_figures_are_means_over_all_positions_but_the_first(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    windows = [torch.randint(30, 60, (length,)) for length in (7, 12, 3, 12)]
    divergence, same, own, other = [], [], [], []
    for window in windows:
        one = model.run(window[None]).logits[0].double().log_softmax(-1)
        with replaced_mlps(dictionary):
            two = model.run(window[None]).logits[0].double().log_softmax(-1)
        divergence += (one.exp() * (one - two)).sum(-1)[1:].tolist()
        same += (one.argmax(-1) == two.argmax(-1))[1:].tolist()
        own += [-float(one[at, window[at + 1]]) for at in range(1, len(window) - 1)]
        other += [-float(two[at, window[at + 1]]) for at in range(1, len(window) - 1)]
    monkeypatch.setattr("clew.dictionary.replaced_model.POSITIONS_AT_ONCE", 5)
    monkeypatch.setattr("clew.dictionary.replaced_model.TOKENS_AT_ONCE", 30)
    found = measure_agreement(dictionary, windows)
    assert found.n_positions == len(divergence) == 30
    assert found.kl == pytest.approx(sum(divergence) / len(divergence), rel=1e-4)
    assert found.top1 == pytest.approx(sum(same) / len(same))
    assert found.cross_entropy == pytest.approx(sum(own) / len(own), rel=1e-4)
    assert found.replaced_cross_entropy == pytest.approx(sum(other) / len(other), rel=1e-4)


def prompts_of(model: LanguageModel) -> tuple[str, ...]:
    return ("w30 w41 w35", "w52 w33", "w44 w31 w31 w60 w38", "unknown words")


def measured(
    dictionary: TranscoderDictionary, prompts: tuple[str, ...], sink: str | None = None
) -> ReplacedModel:
    windows = text_windows(dictionary, TEXT, sink)
    return ReplacedModel(measure_agreement(dictionary, windows), measure_answers(dictionary, prompts, sink))


def test_a_good_dictionary_keeps_answers_and_a_damaged_one_does_not():
    model = tiny_model("LlamaForCausalLM")
    with torch.no_grad():
        model.network.get_input_embeddings().weight.mul_(10)
    windows = [*text_windows(random_transcoders(model, "PLT ReLU"), TEXT)]
    front = usual_front(model)
    windows += [torch.tensor([*front, *model.tokenizer(text)["input_ids"]]) for text in prompts_of(model)]
    good = fitted_transcoders(model, windows, n_features=400)
    found = measured(good, prompts_of(model))
    bad = measured(replace(good, transcoders=as_if(good, factor=-3)), prompts_of(model))
    assert len(found.answers) == 3  # of the unknown words the tokenizer makes the same token
    assert found.agreement.kl < bad.agreement.kl / 3
    assert found.answer_kl < bad.answer_kl / 3
    assert found.n_kept > bad.n_kept
    for answer in found.answers:
        assert answer.kept == (answer.answer == answer.replaced_answer)
    assert f"keeps {found.n_kept} of 3 answers" in str(found)
    assert found.facts["kept"] == found.n_kept
    none = measured(good, ())
    assert none.facts["answer_kl"] is None
    assert "answers" not in str(none)


def test_the_sink_is_the_dictionarys_own_or_the_one_asked_for():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    (window,) = text_windows(dictionary, "w30 w41 w35", "none")
    assert window.tolist() == [30, 41, 35]
    (window,) = text_windows(dictionary, "w30 w41 w35", "w7")
    assert window.tolist() == [7, 30, 41, 35]
    trained = replace(dictionary, transcoders=replace(dictionary.transcoders, sink="w7"))
    prompts = ("w30 w41 w35",)
    named = measured(dictionary, prompts, sink="w7")
    assert measured(trained, prompts) == named
    assert measured(trained, prompts, sink="none") != named
    with pytest.raises(ClewError, match="is not one token"):
        measured(dictionary, prompts, sink="w7 w8")


def test_one_prompt_is_compared_as_several_are():
    model = tiny_model("Gemma2ForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    one = compare_next_token(dictionary, [7, 30, 41, 35])
    (several,) = measure_answers(dictionary, ("w30 w41 w35",), "w7")
    assert (one.answer, one.replaced_answer, one.kept) == (
        several.answer,
        several.replaced_answer,
        several.kept,
    )
    assert one.kl == pytest.approx(several.kl, rel=1e-4)
    assert one.facts
    assert set(one.facts) == set(vars(one)) - {"prompt"}
    broken = as_if(dictionary, factor=float("inf"))
    assert compare_next_token(replace(dictionary, transcoders=broken), [7, 30, 41]).facts is None


def test_half_precision_and_held_weights():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT with skip")
    full = measure_answers(dictionary, ("w30 w41 w35",), "none")[0]
    model.network.to(torch.bfloat16)
    half = measure_answers(dictionary, ("w30 w41 w35",), "none")[0]
    assert isinstance(dictionary.transcoders.layers[0].encoder, HeldWeights)
    assert half.replaced_probability == pytest.approx(full.replaced_probability, rel=0.1)
