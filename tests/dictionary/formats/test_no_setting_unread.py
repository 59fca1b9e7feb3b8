"""Each key and array of each format is used, known to change nothing, or refused by name.

Every key is deleted, misspelt and given values of other kinds, and every array is deleted, renamed, reshaped
and damaged. Either the set is refused in a sentence, or its features are the same as before; a key that means
something else with another value may give other features only with a value that it can have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from clew.dictionary.formats import config_yaml, gemma_scope_2, saelens_keys, sparsify_keys
from clew.dictionary.formats.config_keys import ConfigKeys
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from tests.dictionary.formats import published
from tests.dictionary.formats.published import random_layers, refusal, rows

Write = Callable[[Path], Path]
X = torch.randn(6, published.D_MODEL, generator=torch.Generator().manual_seed(5))

LAYOUTS: dict[str, Write] = {
    "circuit-tracer": lambda folder: published.write_circuit_tracer(
        folder, random_layers(2), skip=True, activation="topk", k=3, scan="org/set"
    ),
    "circuit-tracer JumpReLU": lambda folder: published.write_circuit_tracer(
        folder, random_layers(2), threshold=True, activation="jump_relu"
    ),
    "circuit-tracer CLT": lambda folder: published.write_circuit_tracer_clt(
        folder, random_layers(2, crossing=True), threshold=True
    ),
    "packed": lambda folder: published.pack(
        published.write_circuit_tracer(folder, random_layers(2), threshold=True, skip=True), 4, 4
    ),
    "packed CLT": lambda folder: published.pack(
        published.write_circuit_tracer_clt(folder, random_layers(2, crossing=True), skip=True), 5, 4
    ),
    "Gemma Scope": lambda folder: published.write_gemma_scope(folder, random_layers(2)),
    "Gemma Scope 2": lambda folder: published.write_gemma_scope_2(folder, random_layers(2), skip=True),
    "SAELens": lambda folder: published.write_saelens(
        folder, random_layers(2), architecture="jumprelu_skip_transcoder"
    ),
    "sparsify": lambda folder: published.write_sparsify(folder, random_layers(2), skip=True),
    "sparsify CLT": lambda folder: published.write_sparsify_clt(
        folder,
        random_layers(2, crossing=True),
        [[torch.ones(published.D_MODEL)] * 2] * 2,
        {"in_norm": torch.tensor([3.0]), "out_norm": torch.tensor([5.0])},
        normalize_io=True,
        divide_cross_layer=True,
    ),
}
CONFIGS: dict[str, tuple[str, ConfigKeys]] = {
    "circuit-tracer": ("config.yaml", config_yaml.KEYS),
    "circuit-tracer JumpReLU": ("config.yaml", config_yaml.KEYS),
    "circuit-tracer CLT": ("config.yaml", config_yaml.KEYS),
    "packed": ("config.yaml", config_yaml.KEYS),
    "packed CLT": ("config.yaml", config_yaml.KEYS),
    "Gemma Scope 2": ("layer_1_width_16k_l0_small/config.json", gemma_scope_2.KEYS),
    "SAELens": ("blocks.1.mlp/cfg.json", saelens_keys.KEYS),
    "sparsify": ("layers.1.mlp/cfg.json", sparsify_keys.KEYS),
    "sparsify CLT": ("layers.1.mlp/cfg.json", sparsify_keys.KEYS),
}
MEANT: dict[str, tuple[Any, ...]] = {
    "k": (1, 2),
    "activation": ("relu",),
    "apply_b_dec_to_input": (True,),
    "normalize_io": (False,),
    "divide_cross_layer": (False,),
    "feature_input_hook": ("hook_resid_mid",),
    "clew_write_point": ("mlp_output",),
}
"""Values with which a key means other features, and so may give other ones."""
DEFAULTS = ("activation", "normalize_io", "divide_cross_layer")
"""Keys that older versions of their tools did not write, so that a missing one is their old default."""
VALUES = ("", "none", "32", [], {}, -1, 0, 1, 2, 1.5, float("nan"), True, False, None, "blocks.7.mlp.hook_in")


def features(loaded: TranscoderSet) -> tuple[object, list[torch.Tensor]]:
    """The points and layers of a set, and everything that it computes on fixed inputs."""
    numbers = []
    for part in loaded.layers.values():
        code = part.activation(X @ part.encoder.read().T + part.encoder_bias.read())
        skip = torch.zeros(1) if part.skip is None else X @ part.skip.read().T
        bias = torch.zeros(1) if part.decoder_bias is None else part.decoder_bias.read()
        numbers += [code, torch.einsum("pf,fwd->wpd", code, rows(part)), skip, bias]
    return (loaded.read_point, loaded.write_point, list(loaded.layers)), numbers


def same(one: tuple[object, list[torch.Tensor]], other: tuple[object, list[torch.Tensor]]) -> bool:
    return one[0] == other[0] and all(map(torch.equal, one[1], other[1]))


def outcome(folder: Path) -> tuple[object, list[torch.Tensor]] | None:
    """The features of a folder; None for a refusal, which is checked for its shape."""
    try:
        return features(load_transcoders(folder))
    except ClewError as error:
        message = str(error)
    assert message.endswith("."), message
    assert "\n" not in message, message
    return None


def write_json_or_yaml(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(content)) if path.suffix == ".yaml" else json.dumps(content))


def keys_of(content: Mapping[str, Any], declared: ConfigKeys) -> Iterator[tuple[str, ...]]:
    """Each key of a file and each that could stand in it, those under `metadata` too."""
    yield from ((key,) for key in dict.fromkeys([*content, *declared.all]))
    for key, value in content.items():
        if isinstance(value, dict):
            yield from ((key, inner) for inner in dict.fromkeys([*value, *declared.nested[key].used]))


def with_value(content: Mapping[str, Any], key: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = key
    inner = with_value(content[first], tuple(rest), value) if rest else value
    return {**content, first: inner}


def without(content: Mapping[str, Any], key: tuple[str, ...], renamed: str = "") -> dict[str, Any]:
    first, *rest = key
    if rest:
        return {**content, first: without(content[first], tuple(rest), renamed)}
    others = {name: value for name, value in content.items() if name != first}
    return others | ({renamed: content[first]} if renamed else {})


@pytest.mark.parametrize("layout", CONFIGS)
def test_every_key_changed(tmp_path: Path, layout: str) -> None:
    folder = LAYOUTS[layout](tmp_path / "set")
    name, declared = CONFIGS[layout]
    path, whole = folder / name, features(load_transcoders(folder))
    content = yaml.safe_load(path.read_text())

    def check(changed: Mapping[str, Any], key: tuple[str, ...], *, meant: bool) -> None:
        write_json_or_yaml(path, changed)
        loaded = outcome(folder)
        assert loaded is None or meant or same(loaded, whole), (key, changed)

    for key in keys_of(content, declared):
        present = content.get(key[0])
        present = present if len(key) == 1 else present and present.get(key[1])
        if present is not None:
            check(without(content, key), key, meant=key[-1] in DEFAULTS)
            misspelt = without(content, key, renamed=f"{key[-1]}s")
            write_json_or_yaml(path, misspelt)
            assert f"{key[-1]}s" in refusal(load_transcoders, folder)
        for value in VALUES if key[-1] in (*declared.used, *declared.only, *declared.nested) else ({"a": 1},):
            meant = any(type(value) is type(each) and value == each for each in MEANT.get(key[-1], ())) or (
                value is None and key[-1] in DEFAULTS
            )
            check(with_value(content, key, value), key, meant=meant)
        for value in MEANT.get(key[-1], ()):
            check(with_value(content, key, value), key, meant=True)


def read_arrays(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".npz":
        return {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    return load_file(path)


def write_arrays(path: Path, arrays: Mapping[str, torch.Tensor]) -> None:
    if path.suffix == ".npz":
        held: dict[str, Any] = {name: array.numpy() for name, array in arrays.items()}
        np.savez(path, **held)
    else:
        published.save(path, dict(arrays))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_array_changed(tmp_path: Path, layout: str) -> None:
    folder = LAYOUTS[layout](tmp_path / "set")
    whole = features(load_transcoders(folder))
    for path in sorted({*folder.rglob("*.safetensors"), *folder.rglob("*.npz")})[-2:]:
        arrays = read_arrays(path)
        for name, array in arrays.items():
            others = {other: each for other, each in arrays.items() if other != name}
            changes = {
                "missing": others,
                "renamed": others | {f"{name}_out": array},
                "longer": others | {name: torch.cat([array, array])},
                "one dimension more": others | {name: array[None]},
                "not finite": others | {name: torch.full(array.shape, float("nan"))},
                "whole numbers": others | {name: array.to(torch.int32)},
            }
            for change, changed in changes.items():
                write_arrays(path, changed)
                loaded = outcome(folder)
                if loaded is not None:  # biases behind the TopK may be absent, which means zero
                    assert name.startswith("post_enc"), (path.name, name, change)
                    assert same(loaded, whole)
        for extra in ("b_dec_out", "r_mag", "log_threshold", "running_mean", "scaling_factor", "W_other"):
            write_arrays(path, arrays | {extra: torch.full((published.N_FEATURES,), 2.0)})
            assert f"holds {extra} (" in refusal(load_transcoders, folder) or extra == "W_other"
            assert extra in refusal(load_transcoders, folder)
        for extra in ("sparsity", "n_forward_passes_since_fired", "optimizer.exp_avg"):
            write_arrays(path, arrays | {extra: torch.full((published.N_FEATURES,), -float("inf"))})
            assert same(features(load_transcoders(folder)), whole)
        write_arrays(path, arrays)


REAL: dict[str, dict[str, Any]] = {
    "sparsify, August 2024": {
        "expansion_factor": 32, "normalize_decoder": True, "num_latents": 10, "k": 4, "multi_topk": False,
        "skip_connection": True, "d_in": 6,
    },
    "sparsify, 2025": {
        "activation": "topk", "expansion_factor": 32, "normalize_decoder": True, "num_latents": 10, "k": 4,
        "multi_topk": False, "skip_connection": True, "transcode": True, "d_in": 6,
    },
    "clt-training": {
        "dtype": "none", "activation": "topk", "expansion_factor": 32, "normalize_decoder": True,
        "num_latents": 10, "k": 4, "multi_topk": False, "skip_connection": True, "transcode": True,
        "tp_output": True, "n_targets": 0, "n_sources": 1, "normalize_io": False, "divide_cross_layer": False,
        "train_post_encoder": True, "post_encoder_scale": False, "per_source_tied": False,
        "secondary_target_tied": False, "coalesce_topk": "none", "topk_coalesced": False, "use_fp8": False,
        "d_in": 6,
    },
}  # fmt: skip
"""cfg.json of published sets, but for their sizes."""


@pytest.mark.parametrize("version", REAL)
def test_published_settings_of_sparsify(tmp_path: Path, version: str) -> None:
    folder = published.write_sparsify(tmp_path, random_layers(1), skip=True)
    (folder / "layers.0.mlp" / "cfg.json").write_text(json.dumps(REAL[version]))
    run = {
        "sae": REAL[version],
        "batch_size": 32,
        "hookpoints": ["layers.0.mlp"],
        "model": "org/m",
        "lr": None,
    }
    (folder / "config.json").write_text(json.dumps(run | {"signum": 1}))
    assert "says signum: 1, but clew does not know this key" in refusal(load_transcoders, folder)
    (folder / "config.json").write_text(json.dumps(run))
    assert load_transcoders(folder).trained_on == "org/m"


@pytest.mark.parametrize("nested", [True, False])
def test_published_settings_of_saelens(tmp_path: Path, nested: bool) -> None:
    """As versions 3 to 5 wrote them at the top, and version 6 under `metadata`."""
    model: dict[str, Any] = {
        "model_name": "gpt2-small", "hook_name": "blocks.4.ln2.hook_normalized", "hook_layer": 4,
        "hook_name_out": "blocks.4.hook_mlp_out", "hook_head_index": None, "prepend_bos": True,
        "dataset_path": "org/text", "context_size": 128, "neuronpedia_id": None, "seqpos_slice": [None],
        "model_from_pretrained_kwargs": {"center_writing_weights": False}, "sae_lens_training_version": None,
        "exclude_special_tokens": False, "model_class_name": "HookedTransformer",
    }  # fmt: skip
    settings: dict[str, Any] = {
        "activation_fn_str": "relu", "activation_fn_kwargs": {}, "finetuning_scaling_factor": False,
        "dataset_trust_remote_code": True, "use_error_term": False, "metadata": model if nested else {},
    }  # fmt: skip
    stated: dict[str, Any] = settings if nested else settings | model
    folder = published.write_saelens_layer(tmp_path, random_layers(1)[0], 4, **stated)
    loaded = load_transcoders(folder)
    assert (loaded.trained_on, loaded.trained_with_bos) == ("gpt2-small", True)
    folded = {"model_from_pretrained_kwargs": {"fold_ln": True}}
    changed: dict[str, Any] = settings | ({"metadata": model | folded} if nested else model | folded)
    published.write_saelens_layer(tmp_path, random_layers(1)[0], 4, **changed)
    assert "model_from_pretrained_kwargs.fold_ln: True" in refusal(load_transcoders, folder)


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    folder = published.write_sparsify(tmp_path / "a", random_layers(1))
    path = folder / "layers.0.mlp" / "cfg.json"
    path.write_text(path.read_text().replace('"k": 4', '"k": 4, "k": 5'))
    assert "says k twice; delete one of the two" in refusal(load_transcoders, folder)
    folder = published.write_circuit_tracer(tmp_path / "b", random_layers(1))
    with (folder / "config.yaml").open("a") as file:
        file.write("model_name: org/other\n")
    assert "it says model_name twice" in refusal(load_transcoders, folder)


def test_a_misspelt_key_and_an_unknown_one(tmp_path: Path) -> None:
    folder = published.write_circuit_tracer(tmp_path, random_layers(1), feature_input_hok="mlp.hook_in")
    message = refusal(load_transcoders, folder)
    assert "config.yaml says feature_input_hok: mlp.hook_in, but clew does not know this key" in message
    assert "if feature_input_hook is meant, correct it" in message
    published.write_config(folder, zebra={"a": "x" * 200})
    message = refusal(load_transcoders, folder)
    assert "says zebra: {'a': 'xxx" in message
    assert "delete it from the file if it does not" in message
    assert len(message) < 400


def test_every_used_key_is_in_the_reference() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "dictionary-formats.md").read_text()
    tables = (
        config_yaml.KEYS,
        saelens_keys.KEYS,
        gemma_scope_2.KEYS,
        sparsify_keys.KEYS,
        sparsify_keys.RUN_KEYS,
    )
    assert [key for table in tables for key in table.used if f"`{key}`" not in page] == []
