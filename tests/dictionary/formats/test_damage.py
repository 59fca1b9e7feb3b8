"""Damaged, mislabelled or unsupported weights are refused with one sentence that names the problem."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.dictionary.formats import array_file, content
from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from tests.dictionary.formats import published
from tests.dictionary.formats.published import Arrays, random_layers, refusal


@pytest.fixture
def layers() -> list[Arrays]:
    return random_layers()


@pytest.fixture
def folder(tmp_path: Path, layers: list[Arrays]) -> Path:
    return published.write_circuit_tracer(tmp_path / "set", layers)


@pytest.fixture
def clt(tmp_path: Path) -> Path:
    return published.write_circuit_tracer_clt(tmp_path / "clt", random_layers(crossing=True))


def rewrite(path: Path, layer: Arrays, **changed: torch.Tensor | None) -> None:
    """A circuit-tracer layer with some arrays replaced or, by None, left out."""
    held = published.circuit_tracer_layer(layer) | changed
    published.save(path, {name: array for name, array in held.items() if array is not None})


def test_a_truncated_file(folder: Path) -> None:
    path = folder / "layer_1.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    assert "layer_1.safetensors is damaged or not a safetensors file" in refusal(load_transcoders, folder)


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"\xff" * 64])
def test_something_else_than_safetensors(folder: Path, content: bytes) -> None:
    (folder / "layer_1.safetensors").write_bytes(content)
    message = refusal(load_transcoders, folder)
    assert "layer_1.safetensors is damaged or not a safetensors file" in message
    assert "fetch it again" in message


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_a_truncated_npz(tmp_path: Path, layers: list[Arrays], keep: int) -> None:
    path = published.write_npz(tmp_path / "layer_0/params.npz", layers[0])
    path.write_bytes(path.read_bytes()[:keep])
    assert "params.npz is damaged or not an .npz file" in refusal(load_transcoders, tmp_path)


def test_an_npz_member_cut_short(tmp_path: Path, layers: list[Arrays]) -> None:
    whole = published.write_npz(tmp_path / "whole.npz", layers[0])
    path = tmp_path / "set/layer_0/params.npz"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content[:-8] if name == "W_dec.npy" else content)
    assert "W_dec.npy is cut short" in refusal(load_transcoders, path.parent.parent)


def test_a_pickled_array_is_not_opened(tmp_path: Path, layers: list[Arrays]) -> None:
    path = tmp_path / "layer_0/params.npz"
    path.parent.mkdir()
    good = {name: array.numpy() for name, array in published.circuit_tracer_layer(layers[0]).items()}
    good["W_enc"], good["threshold"] = good["W_enc"].T, layers[0].threshold.numpy()
    good["b_enc"] = np.array([{"a": 1}] * 10, dtype=object)
    np.savez(path, allow_pickle=True, **good)
    assert "holds b_enc as |O" in refusal(load_transcoders, tmp_path)


@pytest.mark.parametrize("missing", ["W_dec", "b_enc", "b_dec"])
def test_a_missing_array(folder: Path, layers: list[Arrays], missing: str) -> None:
    rewrite(folder / "layer_2.safetensors", layers[2], **{missing: None})
    message = refusal(load_transcoders, folder)
    assert "layer_2.safetensors" in message
    assert f"has no array {missing}" in message or "holds no transcoder that clew can read" in message


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("W_enc", (6, 10)),
        ("W_enc", (10, 7)),
        ("W_dec", (10, 7)),
        ("W_dec", (11, 6)),
        ("b_enc", (10, 1)),
        ("activation_function.threshold", (6,)),
        ("W_skip", (6, 10)),
    ],
)
def test_a_wrong_shape(folder: Path, layers: list[Arrays], name: str, shape: tuple[int, ...]) -> None:
    rewrite(folder / "layer_2.safetensors", layers[2], **{name: torch.zeros(shape)})
    message = refusal(load_transcoders, folder)
    assert f"layer_2.safetensors holds {name} in the shape {list(shape)}" in message


def test_whole_numbers_are_no_weights(folder: Path, layers: list[Arrays]) -> None:
    rewrite(folder / "layer_0.safetensors", layers[0], W_dec=torch.ones(10, 6, dtype=torch.int8))
    assert "layer_0.safetensors holds W_dec as I8" in refusal(load_transcoders, folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(
    folder: Path, layers: list[Arrays], dtype: torch.dtype, value: float
) -> None:
    decoder = layers[1].decoder[:, 0].clone()
    decoder[9, 5] = value
    rewrite(folder / "layer_1.safetensors", layers[1], W_dec=decoder.to(dtype))
    for _ in range(2):
        message = refusal(load_transcoders, folder)
        assert "layer_1.safetensors is damaged: W_dec holds NaN or infinity" in message


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_that_are_not_finite_in_an_npz(
    tmp_path: Path, layers: list[Arrays], compressed: bool
) -> None:
    layers[0].encoder[3, 3] = float("nan")
    published.write_npz(tmp_path / "layer_0/params.npz", layers[0], compressed=compressed)
    assert "W_enc holds NaN or infinity" in refusal(load_transcoders, tmp_path)


def test_a_file_is_read_once_and_its_verdict_remembered(
    folder: Path, layers: list[Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    pieces = array_file.ArrayFile.pieces

    def counting(self: array_file.ArrayFile, name: str, size: int):
        if size != content.PIECE:  # a sample for the key of the weights
            read.append(f"{self.path.name}/{name}")
        return pieces(self, name, size)

    monkeypatch.setattr(array_file.ArrayFile, "pieces", counting)
    monkeypatch.setattr(array_file, "LARGE", 0)
    notes: list[str] = []
    load_transcoders(folder, on_note=notes.append)
    assert len(read) == len(set(read)) == 12
    assert [note.partition(" (")[0] for note in notes] == [
        f"Checking layer_{number}.safetensors" for number in range(3)
    ]
    load_transcoders(folder)
    assert len(read) == 12
    rewrite(folder / "layer_0.safetensors", layers[0], b_dec=torch.full((6,), float("nan")))
    assert "b_dec" in refusal(load_transcoders, folder)


def test_a_change_in_place_under_the_old_time_stamp_is_noticed(folder: Path, layers: list[Arrays]) -> None:
    load_transcoders(folder)
    path = folder / "layer_0.safetensors"
    before = path.stat()
    rewrite(path, layers[0], b_dec=torch.full((6,), float("nan")))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert "b_dec" in refusal(load_transcoders, folder)


def test_a_cache_that_cannot_be_written_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "file"))
    assert len(load_transcoders(folder).layers) == 3


def test_pieces_cover_an_array_of_any_length(folder: Path) -> None:
    file = array_file.open_arrays(folder / "layer_0.safetensors")
    whole = b"".join(file.pieces("W_enc", 1 << 20))
    for size in (1, 7, 64, 239, 240):
        assert b"".join(file.pieces("W_enc", size)) == whole
        assert max(map(len, file.pieces("W_enc", size))) <= size


def test_layers_of_different_width(folder: Path) -> None:
    other = random_layers(1, d_model=7)[0]
    rewrite(folder / "layer_1.safetensors", other)
    message = refusal(load_transcoders, folder)
    assert "layer 0 has d_model 6 and layer 1 has d_model 7" in message


def test_a_gap_between_layers(folder: Path) -> None:
    (folder / "layer_1.safetensors").unlink()
    assert "up to layer 2 but not for layer 1" in refusal(load_transcoders, folder)


def test_one_file_of_a_folder_is_no_gap(folder: Path) -> None:
    assert list(load_transcoders(folder / "layer_2.safetensors").layers) == [2]


def test_a_configuration_that_says_the_other_kind(folder: Path, clt: Path) -> None:
    published.write_config(folder, model_kind="cross_layer_transcoder")
    message = refusal(load_transcoders, folder)
    assert (
        "says model_kind: cross_layer_transcoder, but the arrays are those of per-layer transcoders"
        in message
    )
    published.write_config(clt, model_kind="transcoder_set")
    message = refusal(load_transcoders, clt)
    assert "says model_kind: transcoder_set, but the arrays are those of a cross-layer transcoder" in message


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"feature_input_hook": "hook_resid_post"},
            "features read at 'hook_resid_post', but clew supports only",
        ),
        ({"feature_output_hook": "hook_z"}, "features write at 'hook_z', but clew supports only"),
        ({"activation": "groupmax"}, "says activation: groupmax; clew supports relu, topk and jump_relu"),
        ({"activation": "jump_relu"}, "lacks thresholds"),
        (
            {"activation": "topk"},
            "says activation: topk without k; pass the number of active features with --k",
        ),
        ({"activation": "topk", "k": 0}, "says k: 0"),
        ({"activation": 3}, "says activation: 3; correct it to a word"),
        ({"model_kind": "autoencoder"}, "says model_kind: autoencoder"),
        ({"transcoders": "hf://a/b/c"}, "correct it to a list of links"),
        ({"transcoders": ["layer_0.safetensors"] * 2}, "lists layer_0.safetensors for two layers"),
        ({"transcoders": ["nowhere.safetensors"]}, "lists nowhere.safetensors, which is neither a file"),
        ({"clew_write_point": "nowhere"}, "correct it to mlp_output or stream"),
        ({"clew_k": "many"}, "correct it to a list of whole numbers"),
    ],
)
def test_settings_that_cannot_be_meant(folder: Path, said: dict[str, Any], message: str) -> None:
    published.write_config(folder, **said)
    assert message in refusal(load_transcoders, folder)


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", ""])
def test_a_configuration_that_is_not_yaml(folder: Path, text: str) -> None:
    (folder / "config.yaml").write_text(text)
    assert "config.yaml" in refusal(load_transcoders, folder)


@pytest.mark.parametrize("stated", ["relu", "topk"])
def test_thresholds_that_the_configuration_denies(tmp_path: Path, layers: list[Arrays], stated: str) -> None:
    folder = published.write_circuit_tracer(tmp_path, layers, threshold=True, activation=stated, k=3)
    assert f"says activation: {stated}" in refusal(load_transcoders, folder)


def test_a_folder_without_configuration_needs_the_points(folder: Path) -> None:
    (folder / "config.yaml").unlink()
    assert "does not say where its features read; pass --read-point" in refusal(load_transcoders, folder)


def test_listed_files_out_of_order(folder: Path) -> None:
    listed = [f"layer_{number}.safetensors" for number in (0, 2, 1)]
    published.write_config(folder, transcoders=listed)
    message = refusal(load_transcoders, folder)
    assert "layer_1.safetensors is layer 1 by its name, but layer 2 by its place in config.yaml" in message


@pytest.mark.parametrize("missing", ["W_enc_1", "W_dec_1", "W_dec_2"])
def test_a_clt_with_a_part_missing(clt: Path, missing: str) -> None:
    (clt / f"{missing}.safetensors").unlink()
    message = refusal(load_transcoders, clt)
    assert missing in message or "not for layer 1" in message


def test_a_clt_without_its_last_layer(clt: Path) -> None:
    for part in ("W_enc", "W_dec"):
        (clt / f"{part}_2.safetensors").unlink()
    assert "holds W_dec_0 in the shape [10, 3, 6]" in refusal(load_transcoders, clt)


def test_a_part_of_a_clt(clt: Path, tmp_path: Path) -> None:
    assert "name its folder" in refusal(load_transcoders, clt / "W_enc_1.safetensors")
    folder = published.write_gemma_scope_2_clt(tmp_path / "scope", random_layers(crossing=True))
    assert "name its folder" in refusal(load_transcoders, folder / "params_layer_1.safetensors")


def test_a_gemma_scope_2_clt_with_a_layer_missing(tmp_path: Path) -> None:
    published.write_gemma_scope_2_clt(tmp_path, random_layers(crossing=True))
    last = (tmp_path / "params_layer_2.safetensors").read_bytes()
    (tmp_path / "params_layer_2.safetensors").unlink()
    assert "holds w_dec in the shape [10, 3, 6]" in refusal(load_transcoders, tmp_path)
    (tmp_path / "params_layer_2.safetensors").write_bytes(last)
    (tmp_path / "params_layer_1.safetensors").unlink()
    assert "not for layer 1" in refusal(load_transcoders, tmp_path)


def test_several_gemma_scope_widths(tmp_path: Path, layers: list[Arrays]) -> None:
    published.write_gemma_scope(tmp_path, layers)
    published.write_npz(tmp_path / "layer_0/width_65k/average_l0_76/params.npz", layers[0])
    message = refusal(load_transcoders, tmp_path)
    assert "holds 2 sets of transcoders (layer_*/width_16k, layer_*/width_65k)" in message
    assert "/layer_*/width_16k." in message
    assert len(load_transcoders(tmp_path / "layer_*" / "width_16k").layers) == 3


def test_several_gemma_scope_2_sets(tmp_path: Path, layers: list[Arrays]) -> None:
    published.write_gemma_scope_2(tmp_path, layers)
    published.write_gemma_scope_2(tmp_path, layers, variant="_width_16k_l0_big")
    assert "holds 2 sets of transcoders (layer_*_width_16k_l0_big, " in refusal(load_transcoders, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hf_hook_point_in", "model.layers.1.output", "features read at 'model.layers.1.output'"),
        ("hf_hook_point_in", "model.layers.7.mlp.input", "layer 1 by its name, but layer 7 by its settings"),
        ("hf_hook_point_in", "model.layers.1.pre_feedforward_layernorm.input", "different points"),
        ("architecture", "topk", "says architecture: topk"),
    ],
)
def test_gemma_scope_2_settings(
    tmp_path: Path, layers: list[Arrays], key: str, value: str, message: str
) -> None:
    published.write_gemma_scope_2(tmp_path, layers)
    path = tmp_path / "layer_1_width_16k_l0_small" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert message in refusal(load_transcoders, tmp_path)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"architecture": "standard"}, "says architecture: standard, but clew needs transcoders"),
        ({"normalize_activations": "layer_norm"}, "says normalize_activations: layer_norm"),
        ({"normalize_activations": "expected_average_only_in"}, "expected_average_only_in"),
        ({"normalize_activations": "constant_norm_rescale"}, "constant_norm_rescale"),
        ({"reshape_activations": "hook_z"}, "says reshape_activations: hook_z"),
        ({"hook": "hook_resid_pre"}, "features read at 'blocks.0.hook_resid_pre'"),
        ({"hook_out": "hook_attn_out"}, "features write at 'blocks.0.hook_attn_out'"),
        ({"d_in": 7}, "says d_in: 7"),
        ({"d_sae": 7}, "says d_sae: 7"),
        ({"metadata": {}}, "does not say where its features read"),
    ],
)
def test_saelens_settings(tmp_path: Path, layers: list[Arrays], said: dict[str, Any], message: str) -> None:
    published.write_saelens_layer(tmp_path / "layer_0", layers[0], 0, **said)
    assert message in refusal(load_transcoders, tmp_path)


def test_saelens_arrays_that_the_architecture_denies(tmp_path: Path, layers: list[Arrays]) -> None:
    folder = published.write_saelens_layer(tmp_path, layers[0], 0, architecture="skip_transcoder")
    (folder / "cfg.json").write_text(
        (folder / "cfg.json").read_text().replace("skip_transcoder", "transcoder")
    )
    assert "has W_skip, but its cfg.json says architecture: transcoder" in refusal(load_transcoders, folder)


def test_the_same_saelens_layer_twice(tmp_path: Path, layers: list[Arrays]) -> None:
    for name in ("a", "b"):
        published.write_saelens_layer(tmp_path / name, layers[0], 4)
    assert "holds layer 4 twice, in a/sae_weights.safetensors and b/" in refusal(load_transcoders, tmp_path)


def test_a_saelens_layer_in_the_wrong_folder(tmp_path: Path, layers: list[Arrays]) -> None:
    published.write_saelens_layer(tmp_path / "layer_3", layers[0], 4)
    assert "is layer 3 by its name, but layer 4 by its settings" in refusal(load_transcoders, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_settings_that_are_not_json(tmp_path: Path, layers: list[Arrays], text: str) -> None:
    folder = published.write_saelens_layer(tmp_path, layers[0], 0)
    (folder / "cfg.json").write_text(text)
    assert "cfg.json" in refusal(load_transcoders, folder)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"transcode": False}, "says transcode: False and not True: it is an autoencoder"),
        ({"activation": "groupmax"}, "says activation: groupmax and not topk: clew cannot represent"),
        ({"activation": "batchtopk"}, "says activation: batchtopk"),
        ({"coalesce_topk": "per-layer"}, "says coalesce_topk: per-layer, which clew cannot represent"),
        ({"per_source_tied": True}, "says per_source_tied: True"),
        ({"embed_skip": True}, "says embed_skip: True"),
        ({"gram_lookup": True}, "says gram_lookup: True"),
        ({"k": None}, "says k: None; correct it to a whole number from 1 on"),
        ({"d_in": 99}, "says d_in: 99"),
        ({"num_latents": 99}, "num_latents: 99"),
        ({"normalize_io": True}, "has no array out_norm"),
        ({"skip_connection": True}, "has no array W_skip"),
    ],
)
def test_sparsify_settings(tmp_path: Path, layers: list[Arrays], said: dict[str, Any], message: str) -> None:
    published.write_sparsify(tmp_path, layers, **said)
    assert message in refusal(load_transcoders, tmp_path)


def test_a_sparsify_clt_whose_targets_are_missing(tmp_path: Path) -> None:
    layers = random_layers(3, crossing=True)
    published.write_sparsify_clt(tmp_path, layers[:2], [[layer.decoder_bias] * 3 for layer in layers])
    message = refusal(load_transcoders, tmp_path)
    assert "writes to 3 layers from 0 on, but some of them are missing" in message


def test_sparsify_biases_behind_the_topk(tmp_path: Path) -> None:
    layers = random_layers(2, crossing=True)
    biases = [[layer.decoder_bias] * 2 for layer in layers]
    trained = {"post_encs.0": torch.ones(10)}
    published.write_sparsify_clt(tmp_path, layers, biases, trained)
    assert "holds a trained post_encs.0" in refusal(load_transcoders, tmp_path)


def test_sparsify_skips_to_other_layers(tmp_path: Path) -> None:
    layers = random_layers(2, crossing=True)
    biases = [[layer.decoder_bias] * 2 for layer in layers]
    published.write_sparsify_clt(tmp_path, layers, biases, skip_connection=True)
    assert "skip connections to other layers" in refusal(load_transcoders, tmp_path)


def test_sparsify_on_other_modules(tmp_path: Path, layers: list[Arrays]) -> None:
    published.write_sparsify(tmp_path, layers[:1])
    (tmp_path / "layers.0.mlp").rename(tmp_path / "layers.0")
    assert "is for the hookpoint 'layers.0'" in refusal(load_transcoders, tmp_path)


def test_sparsify_inputs_from_elsewhere(tmp_path: Path, layers: list[Arrays]) -> None:
    published.write_sparsify(tmp_path, layers)
    (tmp_path / "config.json").write_text('{"hookpoints_in": ["layers.0.self_attn"]}')
    assert "says hookpoints_in: layers.0.self_attn" in refusal(load_transcoders, tmp_path)


def test_a_file_that_does_not_tell_its_layer(tmp_path: Path, layers: list[Arrays]) -> None:
    path = published.write_npz(tmp_path / "a/b/c/d/params.npz", layers[0])
    assert "does not say its layer" in refusal(load_transcoders, path)


def test_two_formats_side_by_side(folder: Path, layers: list[Arrays]) -> None:
    published.save(folder / "layer_1.safetensors", published.gemma_scope_2_arrays(layers[1]))
    message = refusal(load_transcoders, folder)
    assert "mixes weight formats (layer_0.safetensors is circuit-tracer PLT" in message


def test_arrays_of_no_known_format(tmp_path: Path) -> None:
    published.save(tmp_path / "weights.safetensors", {"a": torch.ones(2), "b": torch.ones(2)})
    message = refusal(load_transcoders, tmp_path)
    assert "(its arrays are a, b)" in message
    assert "Gemma Scope 2 (layer_N_.../params.safetensors or params_layer_N.safetensors)" in message


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "circuit-tracer": lambda folder: published.write_circuit_tracer(folder, random_layers(2)),
    "circuit-tracer CLT": lambda folder: published.write_circuit_tracer_clt(
        folder, random_layers(2, crossing=True)
    ),
    "Gemma Scope": lambda folder: published.write_gemma_scope(folder, random_layers(2)),
    "compressed": lambda folder: published.write_gemma_scope(folder, random_layers(2), compressed=True),
    "Gemma Scope 2": lambda folder: published.write_gemma_scope_2(folder, random_layers(2)),
    "SAELens": lambda folder: published.write_saelens(folder, random_layers(2)),
    "sparsify": lambda folder: published.write_sparsify(folder, random_layers(2)),
}


@given(layout=st.sampled_from(sorted(LAYOUTS)), data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_damaged_there_is_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, layout: str, data: st.DataObject
) -> None:
    folder = LAYOUTS[layout](tmp_path_factory.mktemp("set"))
    path = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        start = start * min(len(content), 300) // len(content)
    content[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    path.write_bytes(bytes(content))
    with contextlib.suppress(ClewError):
        load_transcoders(folder)


@pytest.mark.parametrize("link", ["/etc/passwd", "../set/layer_0.safetensors", "~/a", "C:\\a", "a/../../b"])
def test_listed_files_outside_of_the_folder(folder: Path, link: str) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"transcoders": [link]}))
    assert "which lies outside its folder" in refusal(load_transcoders, folder)


def test_an_npz_that_unpacks_to_much_more_than_its_size(
    tmp_path: Path, layers: list[Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_file, "LARGE", 10_000)
    path = published.write_gemma_scope(tmp_path, layers)
    file = next(path.rglob("*.npz"))
    np.savez_compressed(file, W_enc=np.zeros((1000, 1000), np.float32))
    assert "it would unpack to 4,000,128 bytes, and may to " in refusal(load_transcoders, path)
