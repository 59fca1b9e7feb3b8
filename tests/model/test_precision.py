"""Number formats: a model is read in the one that was asked for, whatever its file holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from clew.errors import ClewError
from clew.intervention.result import kl_divergence
from clew.model.loading import DTYPES, load_language_model
from clew.model.recording import record
from tests.model.configurations import configured, saved
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids

IDS = random_ids(9)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("asked", DTYPES)
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma3ForCausalLM"])
def test_weights_are_cast_from_the_files_to_the_format_asked_for(
    architecture: str, asked: str, stored: torch.dtype, tmp_path: Path
):
    saved(configured(architecture, {}).to(stored), tmp_path)
    model = load_language_model(tmp_path, name="tiny", dtype=asked)
    assert {parameter.dtype for parameter in model.network.parameters()} == {DTYPES[asked]}
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=DTYPES[asked], attn_implementation="eager")
    recording = record(model, IDS)
    with torch.no_grad():
        assert torch.equal(
            recording.logits,
            plain(input_ids=IDS[None], use_cache=False, logits_to_keep=1).logits[0, -1].float(),
        )
    assert recording.residual_final.dtype == torch.float32


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_model_saved_in_half_precision_has_the_numbers_of_its_weights_in_float32(
    architecture: str, tmp_path: Path
):
    half = configured(architecture, {}).to(torch.bfloat16)
    model = load_language_model(saved(half, tmp_path), name="tiny")
    with torch.no_grad():
        wide = half.float()(input_ids=IDS[None], use_cache=False).logits[0, -1]
    # The rotation's frequencies were rounded to bfloat16 with the weights, and are not in the file.
    assert kl_divergence(record(model, IDS).logits, wide) <= 1e-3


@pytest.mark.parametrize("dtype", ["float64", "int8", "auto", "", "torch.float32"])
def test_a_format_that_clew_does_not_know_is_refused(dtype: str, tmp_path: Path):
    with pytest.raises(ClewError, match=r"is not a dtype; choose one of float32, bfloat16, float16\.$"):
        load_language_model(tmp_path, name="tiny", dtype=dtype)
