"""Every key of a config.json is read, known to be harmless, noted, or refused by name."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from clew.errors import ClewError
from clew.model.config_file import read_config
from clew.model.loading import load_language_model
from tests.model.configurations import kind_of
from tests.model.refusals import reconfigure, refusal_of
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

IDS = random_ids(8)[None]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def save(architecture: str) -> Path:
        folder, model = tmp_path_factory.mktemp("model"), tiny_model(architecture)
        model.network.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        return folder

    return lru_cache(save)


@pytest.fixture
def llama(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders("LlamaForCausalLM"), tmp_path / "llama"))


QUANTISED = ["gptq", "awq", "bitsandbytes", "compressed-tensors", "fp8", "mxfp4", "torchao", "of-tomorrow"]


@pytest.mark.parametrize("method", QUANTISED)
def test_a_quantised_model_is_refused_by_its_method(llama, method):
    reconfigure(llama, quantization_config={"quant_method": method, "bits": 4})
    message = refusal_of(llama)
    assert f"is quantised with {method} (quantization_config in its config.json)" in message
    assert "take the unquantised model" in message


@pytest.mark.parametrize("facts", [9223372036854775808, True, "x" * 5000, {"bits": 4}])
def test_a_quantisation_that_cannot_be_read_is_refused_all_the_same(llama, facts):
    reconfigure(llama, quantization_config=facts)
    assert "is quantised with a method without a name" in refusal_of(llama)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "cannot be read as JSON"),
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe{", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"[1, 2]", "holds no JSON object but [1, 2]"),
        (b'{"model_type": "llama", "rms_norm_eps": NaN}', "it holds the number NaN"),
        (b'{"model_type": "llama", "model_type": "gpt2"}', "it holds the key 'model_type' twice"),
        (b'{"model_type": ["llama"]}', "does not know the model"),
        (b'{"model_type": "llama", "architectures": [true]}', "architectures as [true], which is no list"),
        (b'{"model_type": "llama", "num_hidden_layers": 2147483648}', "num_hidden_layers as 2.14748e+09"),
        (b'{"model_type": "llama", "transformers_weights": "a.safetensors"}', "sets transformers_weights"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(llama, content, complaint):
    (llama / "config.json").write_bytes(content)
    assert complaint in refusal_of(llama)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("rms_norm_epss", "rms_norm_eps"),
        ("rms_norm_epsilon", "rms_norm_eps"),
        ("rope_parameter", "rope_parameters"),
        ("num_atention_heads", "num_attention_heads"),
        ("tie_word_embedding", "tie_word_embeddings"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_right_one(llama, wrong, right):
    path = llama / "config.json"
    settings = json.loads(path.read_text())
    settings[wrong] = settings.pop(right)
    path.write_text(json.dumps(settings))
    assert f"has the key {wrong}, which LlamaConfig does not read, and lacks {right}" in refusal_of(llama)


def test_a_misspelt_key_of_the_rotation_is_refused(llama):
    reconfigure(llama, rope_parameters={"rope_thetaa": 5e5, "rope_type": "default"})
    assert "has the key rope_thetaa, which LlamaConfig does not read, and lacks rope_theta" in refusal_of(
        llama
    )


def test_a_key_of_another_architecture_that_changes_numbers_is_refused(llama):
    reconfigure(llama, final_logit_softcapping=30.0)
    assert "sets final_logit_softcapping, which LlamaConfig does not read" in refusal_of(llama)


def test_other_keys_are_noted_unless_they_are_known_to_be_harmless(llama):
    reconfigure(llama, my_project={"a": 1}, my_number=3, _mine=1, is_llama_config=True)
    reconfigure(llama, unsloth_version="2025.1", image_token_index=7)
    notes: list[str] = []
    load_language_model(llama, name="tiny", on_note=notes.append)
    assert notes == [f"Keys of {llama / 'config.json'} that nothing reads: my_number."]


def test_two_names_of_one_number_must_agree(folders, llama, tmp_path):
    reconfigure(llama, rope_theta=10_000.0)
    load_language_model(llama, name="tiny")
    reconfigure(llama, rope_theta=500_000.0)
    message = refusal_of(llama)
    assert "says two things: rope_theta is 500000.0, and rope_theta is 10000.0" in message
    gpt2 = Path(shutil.copytree(folders("GPT2LMHeadModel"), tmp_path / "gpt2"))
    reconfigure(gpt2, num_attention_heads=2)
    assert "says two things: num_attention_heads is 2, and n_head is 4" in refusal_of(gpt2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rms_norm_eps", -2.5),
        ("rms_norm_eps", 2),
        ("head_dim", 2**31),
        ("vocab_size", 2**62),
        ("max_position_embeddings", 0),
        ("rope_parameters", {"rope_theta": -1.0, "rope_type": "default"}),
        ("rope_parameters", {"rope_theta": True, "rope_type": "default"}),
        ("rope_parameters", {"rope_theta": 1e4, "rope_type": "linear", "factor": "8"}),
    ],
)
def test_a_number_that_no_model_has_is_refused(llama, key, value):
    reconfigure(llama, **{key: value})
    assert f"{llama / 'config.json'}" in refusal_of(llama)


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_what_transformers_writes_is_read_without_a_note(architecture, folders):
    notes: list[str] = []
    read_config(folders(architecture), notes.append)
    assert [note for note in notes if "num_key_value_heads" not in note and "head_dim" not in note] == []


def test_a_key_that_transformers_always_writes_may_not_be_gone(llama):
    path = llama / "config.json"
    whole = json.loads(path.read_text())
    for name in ("rms_norm_eps", "num_attention_heads", "rope_parameters", "hidden_act"):
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        assert f"lacks {name}, which transformers 5." in refusal_of(llama)
    older = {key: value for key, value in whole.items() if key != "rms_norm_eps"}
    path.write_text(json.dumps(older | {"transformers_version": "4.30.0"}))
    load_language_model(llama, name="tiny")


VALUES: list[Any] = [None, True, 0, 1, -1, 3.5, -2.5, 2**31, 2**63, "", "flash_attention_2", "a" * 5000]
VALUES += [[1, 2, 3], [True], {}, {"a": 1}, float("nan"), [], "default"]


def places(settings: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in settings.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_changed_file_is_read_right_or_refused(architecture, folders, tmp_path):
    """Renamed and deleted keys give the same numbers or a refusal; no value crashes."""
    folder = Path(shutil.copytree(folders(architecture), tmp_path / "changed"))
    path, chance = folder / "config.json", random.Random(architecture)
    whole = json.loads(path.read_text())
    expected = load_language_model(folder, name="tiny").next_token_logits(IDS)
    for _ in range(6):
        settings = json.loads(json.dumps(whole))
        *outer, key = place = chance.choice(list(places(settings)))
        part = settings
        for name in outer:
            part = part[name]
        how = chance.choice(["value", "rename", "delete"])
        value = part.pop(key)
        if how != "delete":
            part.update({key: chance.choice(VALUES)} if how == "value" else {f"{key}s": value})
        path.write_text(json.dumps(settings))
        try:
            model = load_language_model(folder, name="tiny")
        except ClewError:
            continue
        logits = model.next_token_logits(IDS)
        if how == "value":  # a valid value is that of another model
            assert torch.isfinite(logits).all(), (place, settings)
        else:
            torch.testing.assert_close(logits, expected, msg=f"{how} {place}")


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_part_of_each_head_turns_or_the_setting_is_refused(architecture, nested, folders, tmp_path):
    """Most classes of transformers turn whole heads, whatever the configuration says."""
    folder = Path(shutil.copytree(folders(architecture), tmp_path / "part"))
    whole = load_language_model(folder, name="tiny").next_token_logits(IDS)
    config = json.loads((folder / "config.json").read_text())
    decoder = config.get("text_config", config)
    rotation = decoder.get("rope_parameters") or {}
    if nested and rotation:
        for each in [each for each in rotation.values() if isinstance(each, dict)] or [rotation]:
            each["partial_rotary_factor"] = 0.5
    else:
        decoder["partial_rotary_factor"] = 0.5
        rotation.pop("partial_rotary_factor", None)
    (folder / "config.json").write_text(json.dumps(config))
    if kind_of(architecture) in ("phi3", "gpt_neox", "gpt2"):
        part = load_language_model(folder, name="tiny").next_token_logits(IDS)
        assert torch.allclose(part, whole, atol=1e-3) == (architecture == "GPT2LMHeadModel")
    else:
        assert re.search(r"partial_rotary_factor to 0\.5, which|does not run", refusal_of(folder))


@pytest.mark.parametrize("wanted", ["flash_attention_2", "flex_attention", "sdpa", "paged|eager"])
def test_the_implementation_of_attention_that_a_file_asks_for_does_not_matter(llama, wanted):
    expected = load_language_model(llama, name="tiny").next_token_logits(IDS)
    reconfigure(llama, _attn_implementation=wanted)
    torch.testing.assert_close(load_language_model(llama, name="tiny").next_token_logits(IDS), expected)


TURNS = {"rope_theta": 1e4, "factor": 4.0}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rope_parameters": TURNS}, "sets factor of a rotation, which its type default does not read"),
        (
            {"rope_parameters": {**TURNS, "rope_type": "linear", "long_factor": [1.0, 2.0, 3.0, 4.0]}},
            "sets long_factor of a rotation, which its type linear does not read",
        ),
        (
            {"rope_parameters": {**TURNS, "rope_type": "linear", "attention_factor": 2.0}},
            "sets attention_factor of a rotation",
        ),
        (
            {"rope_parameters": {**TURNS, "rope_type": "linear", "type": "dynamic"}},
            "says two things: rope_type is 'linear', and type is 'dynamic'",
        ),
        ({"rope_parameters": {**TURNS, "rope_type": "ntk"}}, "gives rope_type as 'ntk', and transformers"),
        ({"rope_parameters": {**TURNS, "type": "su"}}, "gives type as 'su', and transformers computes"),
        ({"rope_parameters": {**TURNS, "rope_type": ["linear"]}}, "gives rope_type as ['linear'], and"),
        ({"rope_scaling": {"type": "linear", "factor": 4.0}}, "in two places, rope_parameters and rope_scal"),
    ],
)
def test_a_rotation_that_would_be_passed_over_is_refused(llama, settings, sentence):
    reconfigure(llama, transformers_version="4.30.0", **settings)
    assert sentence in refusal_of(llama)


def test_older_spellings_of_a_rotation_are_read(llama):
    turning = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
    reconfigure(llama, rope_parameters=turning)
    expected = load_language_model(llama, name="tiny").next_token_logits(IDS)
    for scaling in (
        {"type": "linear", "factor": 4.0},
        {"type": "linear", "rope_type": "linear", "factor": 4},
    ):
        reconfigure(llama, rope_parameters=None, rope_scaling=scaling, rope_theta=1e4)
        reconfigure(llama, transformers_version="4.30.0")
        read = load_language_model(llama, name="tiny").next_token_logits(IDS)
        torch.testing.assert_close(read, expected)
