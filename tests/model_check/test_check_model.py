"""A sound model passes every check, and each fault fails the lines that are about it, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.models.llama import modeling_llama

import clew
from clew.attribution.linear_map import LinearMap
from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.neurons import NeuronDictionary, NeuronEncoding
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import text_windows
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import Decoder
from clew.dictionary.weights import HeldWeights
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model_check import autograd_rows
from clew.model_check.check_model import CHECKS, check_model
from clew.model_check.findings import ModelCheck
from clew.model_check.first_look import first_look
from clew.model_check.numbers import probe_ids
from tests.fitted_transcoders import fitted_transcoders
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, MIXTURES, tiny_model


def fitted(model: LanguageModel) -> TranscoderDictionary:
    """Transcoders that explain the model on the text that the check measures them on."""
    windows = text_windows(random_transcoders(model, "PLT ReLU"), TEXT)
    return fitted_transcoders(model, windows)


def failed(result: ModelCheck) -> set[str]:
    return {finding.name for finding in result.failures}


@pytest.mark.parametrize("architecture", CONFIG_BY_ARCHITECTURE)
def test_a_sound_model_passes(architecture: str):
    model = tiny_model(architecture)
    dictionary = fitted(model) if architecture in MIXTURES else NeuronDictionary(model)
    result = check_model(model, dictionary)
    assert result.failures == ()
    assert len(result.findings) == CHECKS
    assert all(finding.measured is None or finding.measured < 1e-4 for finding in result.findings[7:12])
    first_look(model)


@pytest.mark.parametrize("kind", ["neurons", "transcoders"])
def test_a_first_token_without_an_embedding_passes(kind: str):
    """As padding tokens have in many models; the frozen network once made NaN of it, which no line showed."""
    model = tiny_model("LlamaForCausalLM")
    with torch.no_grad():
        model.network.get_input_embeddings().weight[probe_ids(model)[0]] = 0
    dictionary = NeuronDictionary(model) if kind == "neurons" else fitted(model)
    result = check_model(model, dictionary)
    assert result.failures == ()
    (rows,) = [finding for finding in result.findings if finding.name == "rows by autograd"]
    assert rows.measured is not None
    assert 0 < rows.measured < 1e-4


def test_an_effect_that_is_no_number_fails(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("LlamaForCausalLM")
    of_neurons = autograd_rows._of_neurons
    monkeypatch.setattr(autograd_rows, "_of_neurons", lambda *given: of_neurons(*given) * float("nan"))
    assert failed(check_model(model, NeuronDictionary(model))) == {"rows by autograd"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Gemma3ForCausalLM", "GPTNeoXForCausalLM"])
def test_half_precision_passes_too(architecture: str, dtype: torch.dtype):
    model = tiny_model(architecture, dtype=dtype)
    assert check_model(model, NeuronDictionary(model)).failures == ()
    first_look(model)


@pytest.mark.parametrize("kind", ["PLT with skip", "CLT JumpReLU with skip"])
def test_rows_of_transcoders_agree_with_autograd(kind: str):
    model = tiny_model("Gemma2ForCausalLM")
    result = check_model(model, random_transcoders(model, kind))
    assert failed(result) == {"dictionary"}  # they are random


Patch = pytest.MonkeyPatch


def louder(module: Any, inputs: tuple, output: Any) -> Any:
    """A hook that makes a module write more than its weights say."""
    return output * 1.1


def attention_gain_off(model: LanguageModel, patch: Patch) -> None:
    norm = model.layers[1].attention_norm.module
    assert norm is not None
    norm.register_forward_hook(louder)


def mlp_gain_off(model: LanguageModel, patch: Patch) -> None:
    """The neurons are others than clew's, whose rows add up all the same."""
    norm = model.layers[1].mlp_norm.module
    assert norm is not None
    norm.register_forward_hook(louder)


def value_path_scaled(model: LanguageModel, patch: Patch) -> None:
    model.layers[1].value.module.register_forward_hook(louder)


def sharper_attention(model: LanguageModel, patch: Patch) -> None:
    """The attention that clew records is another than the one that transformers would choose."""
    eager = modeling_llama.eager_attention_forward

    def sharper(module: Any, query: torch.Tensor, *given: Any, **more: Any) -> Any:
        return eager(module, 1.2 * query, *given, **more)

    patch.setattr(modeling_llama, "eager_attention_forward", sharper)


def bias_forgotten(model: LanguageModel, patch: Patch) -> None:
    patch.setattr(LinearMap, "attention_constant", lambda self, layer: None)


def gates_alone(model: LanguageModel, patch: Patch) -> None:
    """The whole of `act(z) u` goes to the gate: rows still add up."""

    def reads(self: NeuronEncoding, number: int, position: Any, index: Any) -> Any:
        layer, state = self.parts(number), self.state(number)
        assert layer.gate is not None
        assert state.up is not None
        to_gate = state.slope[position, index] * state.up[position, index]
        assert layer.gate.bias is not None
        direction = to_gate[:, None] * layer.gate.weight[index]
        return direction, to_gate * layer.gate.bias[index]

    def push(self: NeuronEncoding, layer: int, change: torch.Tensor) -> torch.Tensor:
        parts, state = self.parts(layer), self.state(layer)
        assert parts.gate is not None
        assert state.up is not None
        return (state.slope * state.up)[:, :, None] * (parts.gate.weight @ change)

    patch.setattr(NeuronEncoding, "_layer_reads", reads)
    patch.setattr(NeuronEncoding, "push_forward", push)


def changes_read_wrong(model: LanguageModel, patch: Patch) -> None:
    push = NeuronEncoding.push_forward

    def louder_push(self: NeuronEncoding, layer: int, change: torch.Tensor) -> torch.Tensor:
        return push(self, layer, change) * 1.01

    patch.setattr(NeuronEncoding, "push_forward", louder_push)


def cache_ignored(model: LanguageModel, patch: Patch) -> None:
    def forget(module: Any, given: tuple, more: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        if more.get("past_key_values") is not None:
            more = {**more, "input_ids": torch.zeros_like(more["input_ids"])}
        return given, more

    model.network.register_forward_pre_hook(forget, with_kwargs=True)


def not_a_number(model: LanguageModel, patch: Patch) -> None:
    model.layers[1].value.weight[0, 0] = torch.nan


def no_memory(model: LanguageModel, patch: Patch) -> None:
    patch.setattr("clew.model_check.facts.free_bytes", lambda device: 1000)


FAULTS: list[tuple[Callable[[LanguageModel, Patch], None], set[str]]] = [
    (attention_gain_off, {"conservation", "rows by autograd"}),
    (mlp_gain_off, {"rows by autograd", "dictionary"}),
    (value_path_scaled, {"conservation", "rows by autograd"}),
    (sharper_attention, {"logits"}),
    (bias_forgotten, {"conservation"}),
    (gates_alone, {"rows by autograd"}),
    (changes_read_wrong, {"interventions"}),
    (cache_ignored, {"generation"}),
    (not_a_number, {"finite"}),
    (no_memory, {"memory"}),
]


@pytest.mark.parametrize(("break_it", "lines"), FAULTS, ids=lambda given: getattr(given, "__name__", ""))
def test_a_fault_fails_its_own_lines(
    break_it: Callable[[LanguageModel, Patch], None], lines: set[str], monkeypatch: Patch
):
    model = tiny_model("LlamaForCausalLM")
    break_it(model, monkeypatch)
    result = check_model(model, NeuronDictionary(model))
    assert failed(result) == lines
    assert not result.ok
    assert all(finding.remedy for finding in result.failures)


@pytest.mark.parametrize(
    "break_it", [attention_gain_off, value_path_scaled, sharper_attention, bias_forgotten]
)
def test_loading_refuses_what_does_not_add_up(
    break_it: Callable[[LanguageModel, Patch], None], model_folder: Path, monkeypatch: Patch
):
    loaded: list[LanguageModel] = []

    def load(*given: Any, **more: Any) -> LanguageModel:
        loaded.append(tiny_model("LlamaForCausalLM"))
        break_it(loaded[0], monkeypatch)
        return loaded[0]

    monkeypatch.setattr("clew.facade.load_language_model", load)
    with pytest.raises(ClewError, match=r"tiny is not read right: .* Run clew check tiny"):
        clew.load(model_folder)
    assert clew.load(model_folder, check=False).check().failures


def test_shuffled_rows_fail_the_dictionary():
    model = tiny_model("LlamaForCausalLM")
    good = fitted(model)
    assert check_model(model, good).ok
    layers = {
        layer: replace(part, decoder=Decoder(HeldWeights(part.decoder.weights.read().flip(0))))
        for layer, part in good.transcoders.layers.items()
    }
    shuffled: Dictionary = replace(good, transcoders=replace(good.transcoders, layers=layers))
    result = check_model(model, shuffled)
    assert failed(result) == {"dictionary"}
    assert "does not fit tiny" in result.failures[0].remedy


def test_a_tensor_that_is_not_that_of_the_file(model_folder: Path):
    model = clew.load(model_folder)
    assert model.check().ok
    model.language_model.layers[0].output.weight[0, 0] += 1
    result = model.check()
    assert failed(result) == {"tensors"}
    assert "model.layers.0.self_attn.o_proj.weight differ" in result.failures[0].remedy


def test_a_network_without_a_mistake_is_left_as_it_was(model_folder: Path):
    model = clew.load(model_folder).language_model
    before = model.network.config._attn_implementation, model.next_token_logits(torch.tensor([[2, 3, 4]]))
    check_model(model, NeuronDictionary(model))
    assert model.network.config._attn_implementation == before[0]
    assert model.next_token_logits(torch.tensor([[2, 3, 4]])).equal(before[1])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.network.modules())
