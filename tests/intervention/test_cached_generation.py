"""Cached generation gives the logits of generation without a cache: over windows, chunks and rotations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clew.intervention import generation
from clew.intervention.generation import Generation, generate_tokens
from clew.intervention.intervention import From, Intervention
from clew.intervention.settings import GenerationSettings
from clew.model.anatomy import ANATOMIES
from clew.model.language_model import LanguageModel
from tests.intervention.keyword_calls import prepare
from tests.intervention.test_generation import EVERY
from tests.model.configurations import ALTERNATING, ORIGINAL, SLIDING, configured, kind_of, rope_changes
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, word_tokenizer

COUNT = 6
WINDOWED: dict[str, dict[str, Any]] = {
    "mistral": {},
    "qwen2": {**SLIDING, **ALTERNATING},
    "qwen3": {**SLIDING, **ALTERNATING},
    "gemma2": {**ALTERNATING},
    "gemma3_text": {**ALTERNATING},
    "gemma3": {**ALTERNATING},
    "starcoder2": {},
    "phi3": {},
    "mixtral": {},
    "qwen3_moe": {"use_sliding_window": True},
    "gpt_oss": {**ALTERNATING},
    # Left over from another architecture: none of these reads it.
    "llama": {},
    "olmo2": {},
    "gpt_neox": {},
    "gpt2": {},
    "gemma": {},
}
"""Settings beside the window's length, by model type."""


def model_of(architecture: str, changes: dict[str, Any]) -> LanguageModel:
    """A model that never says that the text has ended."""
    network = configured(architecture, changes)
    network.set_attn_implementation("eager")
    network.generation_config.eos_token_id = None
    tokenizer = word_tokenizer()
    tokenizer.eos_token = None
    return LanguageModel("tiny", network, tokenizer, ANATOMIES[architecture.split(",")[0]])


def assert_cache_changes_nothing(
    model: LanguageModel, length: int, monkeypatch: pytest.MonkeyPatch, temperature: float = 0.0
) -> tuple[Generation, ...]:
    """The logits of every step are those without a cache, in three columns with and without changes."""
    ids = random_ids(length).tolist()
    changes = [
        Intervention(EVERY[:3], "all", "set", 2.0),
        Intervention(EVERY[3], From(length + 1), "add", 3.0),
    ]
    run = prepare(
        model, random_transcoders(model, "CLT ReLU"), ids, changes, strengths=(1, -2), generated=COUNT
    )
    steps: dict[bool, list[torch.Tensor]] = {}
    texts = {}
    for cache in (True, False):
        seen = steps.setdefault(cache, [])
        choose = generation._chosen

        def spy(logits, *others, seen=seen, choose=choose):
            seen.append(logits)
            return choose(logits, *others)

        with monkeypatch.context() as patch:
            patch.setattr(generation, "_chosen", spy)
            texts[cache] = generate_tokens(
                run, GenerationSettings(COUNT, cache=cache, temperature=temperature, seed=2)
            )
    for cached, whole in zip(steps[True], steps[False], strict=True):
        torch.testing.assert_close(cached, whole, atol=1e-4, rtol=0)
    assert texts[True] == texts[False]
    return texts[True]


@pytest.mark.parametrize("rope", ["longrope", "dynamic"])
@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_across_a_change_of_rotation(architecture: str, rope: str, monkeypatch: pytest.MonkeyPatch):
    for changes in rope_changes(architecture, rope):
        before, *_ = assert_cache_changes_nothing(model_of(architecture, changes), ORIGINAL - 3, monkeypatch)
        ids = random_ids(ORIGINAL - 3).tolist()
        for token in before.token_ids:
            network = configured(architecture, changes)  # one that has read nothing before
            assert (
                int(network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()) == token
            )
            ids.append(token)


@pytest.mark.parametrize("length", [3, 9])
@pytest.mark.parametrize("window", [2, 4, 7])
@pytest.mark.parametrize(
    "architecture", [each for each in sorted(CONFIG_BY_ARCHITECTURE) if kind_of(each) in WINDOWED]
)
def test_across_a_sliding_window(
    architecture: str, window: int, length: int, monkeypatch: pytest.MonkeyPatch
):
    changes = {**WINDOWED[kind_of(architecture)], "sliding_window": window}
    assert_cache_changes_nothing(model_of(architecture, changes), length, monkeypatch, temperature=1.5)


@pytest.mark.parametrize("length", [2, 7])
@pytest.mark.parametrize("chunk", [3, 4])
def test_across_chunks(chunk: int, length: int, monkeypatch: pytest.MonkeyPatch):
    changes = {"attention_chunk_size": chunk, "no_rope_layers": [1, 0], "layer_types": None, "floor_scale": 4}
    assert_cache_changes_nothing(model_of("Llama4ForCausalLM", changes), length, monkeypatch)
