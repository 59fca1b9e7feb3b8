"""What was loaded is what the files held: each departure is refused by the tensor's name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clew.fingerprints import same_weights
from clew.model.config_file import read_config
from clew.model.loading import load_language_model
from clew.model.loading_checks import check_plan
from clew.model.weight_files import INDEX, SINGLE, StoredTensor, read_headers
from clew.model.weights_key import sampled_weights, weights_key
from tests.model.refusals import reconfigure, refusal, refusal_of
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

Tensors = dict[str, torch.Tensor]
Headers = dict[str, StoredTensor]


def save(folder: Path, architecture: str = "LlamaForCausalLM", tied: bool = False) -> Path:
    model = tiny_model(architecture)
    if tied:
        model.network.config.tie_word_embeddings = True
        model.network.get_output_embeddings().weight = model.network.get_input_embeddings().weight
        model.network.tie_weights()
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return lru_cache(lambda architecture: save(tmp_path_factory.mktemp("model"), architecture))


@pytest.fixture
def llama(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A whole folder to spoil."""
    return Path(shutil.copytree(folders("LlamaForCausalLM"), tmp_path / "llama"))


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    save_file(change(load_file(folder / SINGLE)), folder / SINGLE, metadata={"format": "pt"})


def kinds(headers: Headers) -> Iterator[str]:
    """One tensor of each kind: names alike but for numbers count as one."""
    by_kind = {re.sub(r"\d+", "N", name): name for name in sorted(headers)}
    yield from by_kind.values()


def own_name(name: str) -> str:
    """The part of a stored name that the network's has too (experts are stacked, and prefixes move)."""
    return ".".join(name.split(".")[-2:]) if ".experts." not in name else "experts"


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_every_kind_of_tensor_must_be_there(architecture, folders):
    folder = folders(architecture)
    config, headers = read_config(folder), read_headers(folder)
    check_plan(folder, config, headers)
    for name in kinds(headers):
        if re.search(r"vision_tower|multi_modal_projector", name):
            continue
        without = {other: each for other, each in headers.items() if other != name}
        message = refusal(lambda without=without: check_plan(folder, config, without))
        head = "lm_head.weight" if name == "embed_out.weight" else own_name(name)
        assert head in message


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_tensor_of_another_name_or_shape_and_other_layers_are_refused(architecture, folders):
    folder = folders(architecture)
    config, headers = read_config(folder), read_headers(folder)
    norm = next(name for name in headers if "norm" in name or "ln_1" in name)
    added = {**headers, "model.layers.0.mlp.new.bias": headers[norm]}
    assert "model.layers.0.mlp.new.bias" in refusal(lambda: check_plan(folder, config, added))
    renamed = {f"{name}s" if name == norm else name: each for name, each in headers.items()}
    message = refusal(lambda: check_plan(folder, config, renamed))
    assert own_name(norm) in message
    assert f"{own_name(norm)}s" in message
    reshaped = headers | {norm: replace(headers[norm], shape=(5,))}
    message = refusal(lambda: check_plan(folder, config, reshaped))
    assert own_name(norm) in message
    assert "[5] instead of [" in message
    prefixed = {f"student.{name}": each for name, each in headers.items()}
    assert "the prefix 'student." in refusal(lambda: check_plan(folder, config, prefixed))
    layered = [name for name in headers if re.search(r"(layers|h)\.2\.", name) and "vision" not in name]
    cut = {name: each for name, each in headers.items() if name not in layered}
    assert "config.json says 3 layers and the files hold 2" in refusal(
        lambda: check_plan(folder, config, cut)
    )


@pytest.mark.parametrize("layers", [1, 2, 4, 5])
def test_a_config_with_other_layers_than_the_files_is_refused(llama, layers):
    reconfigure(llama, num_hidden_layers=layers)
    assert f"config.json says {layers} layers and the files hold 3" in refusal_of(llama)


TIED = ["LlamaForCausalLM", "GemmaForCausalLM", "GPT2LMHeadModel", "Gemma3ForCausalLM", "Qwen2ForCausalLM"]


@pytest.mark.parametrize("architecture", TIED)
def test_a_tied_head_may_be_absent_or_equal_but_not_differ(architecture, tmp_path):
    folder, ids = save(tmp_path / "tied", architecture, tied=True), random_ids(6)[None]
    assert "lm_head.weight" not in load_file(folder / SINGLE)
    loaded = load_language_model(folder, name="tied")
    expected = loaded.next_token_logits(ids)
    embedding = loaded.network.get_input_embeddings().weight.detach()
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": embedding.clone()})
    torch.testing.assert_close(load_language_model(folder, name="tied").next_token_logits(ids), expected)
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": embedding + 0.01})
    assert "an unembedding that differs from the embedding" in refusal_of(folder)
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if k != "lm_head.weight"})
    reconfigure(folder, tie_word_embeddings=False)
    message = refusal_of(folder)
    assert "lack a tensor that the model needs: lm_head.weight" in message
    assert "set tie_word_embeddings" in message


def test_the_old_layout_of_gpt_2_loads(folders, tmp_path):
    """The hub's files have no `transformer.` in front, and hold each layer's causal mask."""
    folder = Path(shutil.copytree(folders("GPT2LMHeadModel"), tmp_path / "gpt2"))
    expected = load_language_model(folder, name="new").next_token_logits(random_ids(5)[None])
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 4, 4).tril() for layer in range(3)}
    masks |= {f"h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(3)}
    rewrite(folder, lambda tensors: {k.removeprefix("transformer."): v for k, v in tensors.items()} | masks)
    loaded = load_language_model(folder, name="old")
    torch.testing.assert_close(loaded.next_token_logits(random_ids(5)[None]), expected)


CONSTANTS = {
    "model.layers.0.self_attn.rotary_emb.inv_freq": 10_000 ** -(torch.arange(4) / 4),
    "model.layers.1.self_attn.rotary_emb.inv_freq": (10_000 ** -(torch.arange(4) / 4)).half(),
    "model.embeddings.position_ids": torch.arange(8)[None],
    "model.layers.0.attn.bias": torch.ones(1, 1, 4, 4, dtype=torch.uint8).tril(),
    "model.layers.0.attn.masked_bias": torch.tensor(-1e9),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_may_be_left_over_if_they_follow_from_the_config(llama, name):
    rewrite(llama, lambda tensors: tensors | {name: CONSTANTS[name]})
    load_language_model(llama, name="old")
    if name.endswith("inv_freq"):  # scaled, and saved before its scaling
        other = 500_000 ** -(torch.arange(4) / 4)
        settings = {"rope_type": "linear", "factor": 4.0}
        for theta, saved, refused in ((1e4, CONSTANTS[name], False), (5e5, other, False), (1e4, other, True)):
            reconfigure(llama, rope_parameters={**settings, "rope_theta": theta})
            rewrite(llama, lambda tensors, saved=saved: tensors | {name: saved})
            if refused:
                assert f"other than those that follow from config.json: {name}" in refusal_of(llama)
            else:
                load_language_model(llama, name="old")
    wrong = CONSTANTS[name].float() * 0 + 0.5
    rewrite(llama, lambda tensors: tensors | {name: wrong})
    assert f"other than those that follow from config.json: {name}; correct" in refusal_of(llama)


def test_a_multimodal_folder_needs_no_vision_tower(folders, tmp_path):
    folder = Path(shutil.copytree(folders("Gemma3ForConditionalGeneration"), tmp_path / "gemma3"))
    expected = load_language_model(folder, name="whole").next_token_logits(random_ids(5)[None])
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if "vision" not in k})
    loaded = load_language_model(folder, name="text")
    torch.testing.assert_close(loaded.next_token_logits(random_ids(5)[None]), expected)


def test_a_multimodal_llama_4_is_read_as_its_decoder(folders, tmp_path):
    from transformers import Llama4Config

    text = Path(shutil.copytree(folders("Llama4ForCausalLM"), tmp_path / "llama4"))
    expected = load_language_model(text, name="text").next_token_logits(random_ids(5)[None])
    decoder = json.loads((text / "config.json").read_text())
    Llama4Config(text_config=decoder, architectures=["Llama4ForConditionalGeneration"]).save_pretrained(text)
    reconfigure(text, tie_word_embeddings=False)
    vision = {
        "vision_model.layernorm_pre.weight": torch.ones(4),
        "multi_modal_projector.linear_1.weight": torch.ones(4, 4),
    }
    rewrite(text, lambda tensors: {f"language_model.{k}": v for k, v in tensors.items()} | vision)
    loaded = load_language_model(text, name="multimodal")
    torch.testing.assert_close(loaded.next_token_logits(random_ids(5)[None]), expected)


WRAPPED = [
    ("module.{}", "unwrapped model (`model.module`)"),
    ("_orig_mod.{}", "save `model._orig_mod`"),
    ("model._orig_mod.{}", "save `model._orig_mod`"),
    ("_fsdp_wrapped_module.{}", "unwrapped model"),
    ("base_model.model.{}", "merge_and_unload"),
    ("teacher.{}", "without the prefix 'teacher.'"),
    ("teacher.model.{}", "without the prefix 'teacher.model.'"),
]


@pytest.mark.parametrize(("pattern", "advice"), WRAPPED)
def test_names_of_a_wrapped_model_are_refused_with_what_to_do(llama, pattern, advice):
    rewrite(llama, lambda tensors: {pattern.format(k): v for k, v in tensors.items()})
    assert advice in refusal_of(llama)


def lora(tensors: Tensors) -> Tensors:
    name = "model.layers.1.self_attn.q_proj"
    kept = {k: v for k, v in tensors.items() if k != f"{name}.weight"}
    kept[f"{name}.base_layer.weight"] = tensors[f"{name}.weight"]
    return kept | {f"{name}.lora_A.default.weight": torch.ones(2, 24)}


def test_an_adapter_is_refused_wherever_it_lies(llama):
    whole = load_file(llama / SINGLE)
    rewrite(llama, lora)
    message = refusal_of(llama)
    assert "model.layers.1.self_attn.q_proj.base_layer.weight" in message
    assert "merge_and_unload" in message
    rewrite(llama, lambda _: whole)
    (llama / "adapter_config.json").write_text("{}")
    assert "holds an adapter (adapter_config.json)" in refusal_of(llama)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda t: t | {"model.norm.weight": torch.full((24,), float("nan"))},
            "NaN or infinite in model.norm",
        ),
        (lambda t: t | {"lm_head.weight": t["lm_head.weight"] / 0}, "NaN or infinite in lm_head.weight"),
        (
            lambda t: t | {"model.norm.weight": t["model.norm.weight"].to(torch.int8)},
            r"weight (I8), so they are",
        ),
        (
            lambda t: t | {"norm.weight": t["model.norm.weight"].clone()},
            "under two names, model.norm.weight and norm",
        ),
        (lambda t: t | {"model.norm.qweight": torch.ones(2)}, "quantised weights: model.norm.qweight"),
        (lambda t: {}, "that the model needs: lm_head.weight, model.embed_tokens.weight"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_refused(llama, change, complaint):
    rewrite(llama, change)
    assert complaint in refusal_of(llama)


def test_weights_beyond_float16_are_refused_in_float16_alone(llama):
    rewrite(llama, lambda tensors: tensors | {"model.norm.weight": torch.full((24,), 1e5)})
    load_language_model(llama, name="tiny", dtype="bfloat16")
    message = refusal(lambda: load_language_model(llama, name="tiny", dtype="float16"))
    assert "(as float16); load it in bfloat16 or float32" in message


@pytest.mark.parametrize("architecture", ["MixtralForCausalLM", "Qwen3MoeForCausalLM"])
def test_experts_are_numbered_without_a_gap_and_alike(architecture, folders, tmp_path):
    folder = Path(shutil.copytree(folders(architecture), tmp_path / "experts"))
    whole = load_file(folder / SINGLE)
    one = next(name for name in sorted(whole) if ".experts.1." in name)
    rewrite(folder, lambda _: {k.replace(".experts.1.", ".experts.7."): v for k, v in whole.items()})
    assert f"lack {one.rpartition('.experts.')[0]}.experts.1." in refusal_of(folder)
    rewrite(folder, lambda _: {k: v for k, v in whole.items() if k != one})
    assert f"lack {one}, though they hold others" in refusal_of(folder)
    rewrite(folder, lambda _: whole | {one: torch.ones(3, 3)})
    assert f"hold {one} in another shape" in refusal_of(folder)


def sharded(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The same model in two files with an index; returns the index's path and content."""
    tensors = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    weight_map = {}
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index))
    return folder / INDEX, index


def test_a_sharded_model_loads(llama, folders):
    sharded(llama)
    ids = random_ids(5)[None]
    whole = load_language_model(folders("LlamaForCausalLM"), name="whole")
    loaded = load_language_model(llama, name="shards")
    torch.testing.assert_close(loaded.next_token_logits(ids), whole.next_token_logits(ids))
    assert loaded.weights_key == whole.weights_key


def test_half_an_index_is_refused(llama):
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    path, index = sharded(llama)
    weight_map: dict[str, str] = index["weight_map"]

    def with_map(changed: object) -> str:
        path.write_text(json.dumps({"weight_map": changed}))
        return refusal_of(llama)

    moved = next(name for name, file in weight_map.items() if file == first)
    assert f"{moved} lies in {second}, but it lies in {first}" in with_map(weight_map | {moved: second})
    assert "lies in model-00001-of-00002.safetensors, but no file" in with_map(weight_map | {"new": first})
    half = {name: file for name, file in weight_map.items() if file == first}
    assert f"does not name {second}, which lies beside it" in with_map(half)
    for damaged in ({}, [], "all", {"a": 1}, {"a": "../x.safetensors"}, None):
        assert "has no weight_map" in with_map(damaged)
    path.write_text("{")
    assert "cannot be read as JSON" in refusal_of(llama)
    path.write_text(json.dumps(index))
    shutil.copy(llama / first, llama / SINGLE)
    assert "holds both model.safetensors and model.safetensors.index.json" in refusal_of(llama)
    (llama / SINGLE).unlink()
    (llama / second).unlink()
    assert f"lacks {second}, which {INDEX} names" in refusal_of(llama)
    path.unlink()
    assert f"lacks {SINGLE} and {INDEX} (it holds {first})" in refusal_of(llama)


def test_one_tensor_in_two_files_is_refused(llama):
    sharded(llama)
    file = llama / "model-00001-of-00002.safetensors"
    other = load_file(llama / "model-00002-of-00002.safetensors")
    name = sorted(other)[0]
    save_file(load_file(file) | {name: other[name]}, file, metadata={"format": "pt"})
    assert f"holds {name} twice" in refusal_of(llama)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-100], lambda b: b"", lambda b: b[:40], lambda b: b"\xff" * 99]
)
def test_a_damaged_file_is_refused_by_name(llama, damage):
    path = llama / SINGLE
    path.write_bytes(damage(path.read_bytes()))
    assert "model.safetensors is damaged or not a safetensors file: " in refusal_of(llama)


def test_other_weights_in_the_folder_are_named(llama):
    (llama / "pytorch_model.bin").write_bytes(b"")
    shutil.copy(llama / SINGLE, llama / "consolidated.safetensors")
    notes: list[str] = []
    load_language_model(llama, name="tiny", on_note=notes.append)
    assert notes == [f"Files in {llama} that are not read: pytorch_model.bin."]


def test_the_key_of_weights_changes_with_any_tensor_in_place(llama):
    before = load_language_model(llama, name="tiny").weights_key
    tensors = load_file(llama / SINGLE)
    keys = {before}
    for name in tensors:
        rewrite(llama, lambda _, name=name: tensors | {name: tensors[name] * 1.001})
        keys.add(load_language_model(llama, name="tiny").weights_key if name == "lm_head.weight" else name)
    assert len(keys) == len(tensors) + 1


def test_the_key_of_weights_tells_every_number_but_not_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("clew.model.cache.SETTLED_SECONDS", -1)  # as if the files had been there for long
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "config.json").write_text('{"rope_theta": 10000, "transformers_version": "5"}')
    save_file({"a": torch.zeros(100_000)}, folder / SINGLE)
    before = weights_key(folder)
    moved = folder.rename(tmp_path / "two")
    (moved / "config.json").write_text('{"rope_theta": 10000, "transformers_version": "6"}')
    assert weights_key(moved) == weights_key(moved) == before
    save_file({"a": torch.zeros(100_000).index_fill(0, torch.tensor([30_000]), 1.0)}, moved / SINGLE)
    after = weights_key(moved)
    assert after != before
    assert sampled_weights(moved) == before.split("-")[0]  # all that was known of them before
    assert not same_weights(before, after)
    assert same_weights(before.split("-")[0], after)
    (moved / "config.json").write_text('{"rope_theta": 500000}')
    assert weights_key(moved) != after


def test_pickles_alone_are_refused(llama):
    (llama / "model.safetensors").unlink()
    (llama / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert "holds pickled weights alone (pytorch_model.bin), and loading" in refusal_of(llama)


@pytest.mark.parametrize("key", ["_experts_implementation", "experts_implementation"])
def test_a_file_cannot_choose_the_code_of_experts(llama, key):
    reconfigure(llama, **{key: "deepgemm"})
    assert f"says {key}: deepgemm, but a file cannot choose which code runs experts" in refusal_of(llama)


def test_a_file_cannot_choose_the_code_of_attention(llama):
    reconfigure(llama, _attn_implementation="org/kernel", _attn_implementation_internal="org/kernel")
    assert load_language_model(llama, name="tiny").network.config._attn_implementation == "eager"


def test_a_configuration_of_many_megabytes_is_not_read(llama, monkeypatch):
    monkeypatch.setattr("clew.model.config_file.MOST_BYTES", 100)
    assert "bytes; settings in JSON may have 100." in refusal_of(llama)
