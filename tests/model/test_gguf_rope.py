"""Scaling of positions in a GGUF, in all its spellings."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from clew.model.gguf.header import GgufError
from clew.model.gguf.metadata import Metadata
from clew.model.gguf.rope import llama3_settings, rope_parameters
from clew.model.gguf.tensors import ROPE_TENSORS
from tests.model.gguf_files import SHAPE, as_gguf, llama3_divisors, random_network
from tests.model.test_gguf_metadata import converted, refusal

PLAIN = {"general.architecture": "llama", "llama.rope.freq_base": 10_000.0}
SCALING = "llama.rope.scaling."


def read(entries: dict[str, Any], **tensors: list[float]) -> dict[str, Any]:
    """The `rope_parameters` of a Llama with these entries, for heads of 16 and a context of 1,024."""
    metadata = Metadata(PLAIN | entries)
    arrays = {f"{name}.weight": np.array(values, dtype=np.float32) for name, values in tensors.items()}
    found = rope_parameters(metadata, arrays, SHAPE.head_dim, 1024)
    metadata.refuse_unread()
    return found


def test_old_and_new_names_of_linear_scaling() -> None:
    linear = {"rope_theta": 10_000.0, "rope_type": "linear", "factor": 4.0}
    assert read({f"{SCALING}type": "linear", f"{SCALING}factor": 4.0}) == linear
    assert read({"llama.rope.scale_linear": 4.0}) == linear
    assert read({"llama.rope.scale_linear": 4.0, f"{SCALING}type": "linear"}) == linear
    for neutral in ({f"{SCALING}type": "none"}, {f"{SCALING}factor": 1.0}, {"llama.rope.scale_linear": 0.0}):
        assert read(neutral) == {"rope_theta": 10_000.0, "rope_type": "default"}


def test_yarn() -> None:
    """The magnitude of llama.cpp, which transformers would set itself."""
    yarn = {f"{SCALING}type": "yarn", f"{SCALING}factor": 4.0, f"{SCALING}original_context_length": 256}
    magnitude = 0.1 * math.log(4) + 1
    found = read(yarn)
    assert found["attention_factor"] == pytest.approx(magnitude)
    assert (found["beta_fast"], found["beta_slow"], found["original_max_position_embeddings"]) == (32, 1, 256)
    assert read(yarn | {f"{SCALING}attn_factor": 0.5})["attention_factor"] == pytest.approx(magnitude / 2)
    assert read(yarn | {f"{SCALING}yarn_log_multiplier": 1.0})["attention_factor"] == pytest.approx(1)
    assert read(yarn | {f"{SCALING}yarn_beta_fast": 16.0})["beta_fast"] == 16


FACTORS = [1.0 + number for number in range(8)]


@pytest.mark.parametrize(
    ("entries", "tensors", "sentence"),
    [
        ({f"{SCALING}type": "dynamic"}, {}, "rope.scaling.type is 'dynamic'"),
        ({f"{SCALING}type": "linear"}, {}, "no llama.rope.scaling.factor"),
        ({f"{SCALING}type": "linear", f"{SCALING}factor": -2.0}, {}, "factor is -2.0"),
        ({f"{SCALING}type": "linear", f"{SCALING}factor": 2}, {}, "factor is 2, not"),
        ({f"{SCALING}factor": 4.0}, {}, "factor is 4.0, but it has no llama.rope.scaling.type"),
        ({f"{SCALING}type": "none", f"{SCALING}factor": 4.0}, {}, "'none' for its"),
        ({f"{SCALING}factor": 4.0, "llama.rope.scale_linear": 2.0}, {}, "scale_linear is 2.0"),
        ({f"{SCALING}type": "yarn", f"{SCALING}factor": 4.0}, {}, "no llama.rope.scaling.original_context"),
        ({f"{SCALING}attn_factor": 2.0}, {}, "attn_factor is 2.0"),
        ({f"{SCALING}alpha": 2.0}, {}, "alpha = 2.0"),
        ({"llama.rope.freq_base": -1.0}, {}, "freq_base is -1.0"),
        ({f"{SCALING}type": "longrope"}, {}, "rope_factors_long.weight of its LongRoPE is missing"),
        ({}, {"rope_factors_long": FACTORS}, "rope_factors_short.weight of its LongRoPE is missing"),
        ({}, {"rope_factors_long": FACTORS, "rope_factors_short": FACTORS}, "original_context_length"),
        ({}, {"rope_freqs": FACTORS[:7]}, "does not hold 8 positive numbers"),
        ({}, {"rope_freqs": [0.0, *FACTORS[1:]]}, "does not hold 8 positive numbers"),
        ({}, {"rope_freqs": FACTORS[::-1]}, "none that Llama 3's scaling gives"),
        ({f"{SCALING}type": "linear", f"{SCALING}factor": 2.0}, {"rope_freqs": FACTORS}, "it has both"),
    ],
)
def test_what_fits_no_scaling_is_refused(
    entries: dict[str, Any], tensors: dict[str, list[float]], sentence: str
) -> None:
    with pytest.raises(GgufError, match=None) as caught:
        read(entries, **tensors)
    assert sentence in str(caught.value)


def test_a_base_is_missed_except_in_files_of_llama_2() -> None:
    bare = Metadata({"general.architecture": "llama", "tokenizer.ggml.model": "gpt2"})
    old = Metadata({"general.architecture": "llama", "tokenizer.ggml.model": "llama"})
    for metadata, context in ((bare, 1024), (old, 8192)):
        with pytest.raises(GgufError, match=r"no llama\.rope\.freq_base"):
            rope_parameters(metadata, {}, 16, context)
    assert rope_parameters(old, {}, 16, 4096)["rope_theta"] == 10_000


@settings(max_examples=150, deadline=None)
@given(
    width=st.sampled_from([8, 16, 64, 128]),
    theta=st.sampled_from([1e4, 5e5, 1e6]),
    factor=st.floats(1.5, 64),
    original=st.sampled_from([64, 1024, 8192, 40_960]),
    low=st.floats(0.5, 2),
    span=st.floats(0.5, 6),
)
def test_llama_3_settings_give_the_divisors_back(
    width: int, theta: float, factor: float, original: int, low: float, span: float
) -> None:
    """The frequencies of transformers are those that llama.cpp divides by what its converter wrote."""
    rope = {
        "rope_theta": theta,
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": low + span,
        "original_max_position_embeddings": original,
    }
    divisors = llama3_divisors(rope, width).astype(np.float32).astype(np.float64)
    found = {"rope_theta": theta, "rope_type": "default", **llama3_settings(divisors, theta)}
    config = LlamaConfig(head_dim=width, rope_parameters=found)
    plain = theta ** -(np.arange(0, width, 2) / width)
    if found["rope_type"] == "default":
        assert divisors == pytest.approx(1, rel=1e-5)
    else:
        frequencies, attention = ROPE_INIT_FUNCTIONS[found["rope_type"]](config)
        assert frequencies.numpy() == pytest.approx(plain / divisors, rel=3e-5)
        assert attention == 1


def test_llama_3_keeps_its_own_settings() -> None:
    for factor in (8.0, 32.0):
        own = {"factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        rope = {"rope_theta": 5e5, "original_max_position_embeddings": 8192, **own}
        found = llama3_settings(llama3_divisors(rope, 128).astype(np.float32).astype(np.float64), 5e5)
        assert found == {"rope_type": "llama3", "original_max_position_embeddings": 8192, **own}


def test_a_part_of_each_head_may_turn_in_phi_3(tmp_path: Path) -> None:
    file = as_gguf(random_network("Phi3ForCausalLM"))
    part = copy.deepcopy(file)
    part.entries["rope.dimension_count"] = 12
    config = AutoConfig.from_pretrained(converted(part, tmp_path))
    assert config.rope_parameters["partial_rotary_factor"] == 0.75
    yarn = copy.deepcopy(file)
    yarn.entries |= {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0}
    yarn.entries["rope.scaling.original_context_length"] = 256
    assert "transformers has no yarn scaling of positions for Phi 3" in refusal(yarn, tmp_path)
    odd = copy.deepcopy(file)
    odd.tensors |= {name: np.ones(8) for name in ROPE_TENSORS[1:]}
    odd.entries["rope.scaling.type"] = "yarn"
    odd.entries["rope.scaling.factor"] = 2.0
    assert "do not fit its" in refusal(odd, tmp_path)
