"""What is odd in files, or replaced by the caller, is said; what is not there is not guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from tests.dictionary.formats import published
from tests.dictionary.formats.published import random_layers, refusal


def test_options_in_place_of_the_files_are_said(tmp_path: Path) -> None:
    folder = published.write_circuit_tracer(tmp_path, random_layers(), activation="topk", k=7)
    assert load_transcoders(folder).remarks == ()
    k, read, write = load_transcoders(folder, read_point="residual", write_point="mlp-output", k=3).remarks
    assert "config.yaml says k: 7; 3 features of a layer are active together instead, as --k" in k
    assert "features read at mlp.hook_in; they read at residual instead, as --read-point" in read
    assert "features write at hook_mlp_out; they write at mlp-output instead, as --write-point" in write
    same = load_transcoders(folder, read_point="mlp-input", write_point="stream")
    assert same.remarks == ()


def test_layers_that_are_missing_or_differ_are_said(tmp_path: Path) -> None:
    layers = [*random_layers(2), random_layers(1, n_features=12)[0]]
    published.write_saelens(tmp_path, layers)
    published.write_saelens_layer(
        tmp_path / "blocks.6.mlp", random_layers(4)[3], 6, architecture="jumprelu_transcoder"
    )
    (tmp_path / "blocks.2.mlp" / "cfg.json").write_text(
        (tmp_path / "blocks.2.mlp" / "cfg.json").read_text().replace('"d_sae": 10', '"d_sae": 12')
    )
    assert load_transcoders(tmp_path).remarks == (
        "There are no transcoders for layers 3-5, so these have no features.",
        "The layers have different numbers of features: 10 in layers 0-1, 6, 12 in layer 2.",
        "The layers have different activations: ReLU in layers 0-2, JumpReLU in layer 6.",
    )


def test_a_sink_is_kept(tmp_path: Path) -> None:
    folder = published.write_circuit_tracer(
        tmp_path / "a", random_layers(), clew_sink="<|endoftext|>", clew_trained_with_bos=False
    )
    loaded = load_transcoders(folder)
    assert (loaded.sink, loaded.trained_with_bos) == ("<|endoftext|>", False)
    save_transcoders(loaded, tmp_path / "b", "org/m")
    again = load_transcoders(tmp_path / "b")
    assert (again.sink, again.trained_with_bos) == ("<|endoftext|>", False)
    assert load_transcoders(published.write_sparsify(tmp_path / "c", random_layers())).sink is None


@pytest.mark.parametrize("name", ["neuron", "Neurons", "nuerons"])
def test_neurons_misspelt(name: str) -> None:
    assert "for the model's own neurons, name neurons" in refusal(load_transcoders, name)
    assert "neurons, name neurons" not in refusal(load_transcoders, f"org/{name}")


def test_autoencoders_of_gemma_scope_by_name(tmp_path: Path) -> None:
    folder = published.write_gemma_scope(tmp_path / "gemma-scope-2b-pt-res", random_layers())
    assert "holds Gemma Scope's autoencoders of the stream behind a layer" in refusal(
        load_transcoders, folder
    )
    published.write_gemma_scope(tmp_path / "gemma-scope-2b-pt-transcoders", random_layers())
    assert load_transcoders(tmp_path / "gemma-scope-2b-pt-transcoders").layers


@pytest.mark.parametrize(("kind", "reason"), [("sae", "an autoencoder"), ("crosscoder", "no transcoder")])
def test_other_kinds_of_gemma_scope_2(tmp_path: Path, kind: str, reason: str) -> None:
    folder = published.write_gemma_scope_2(tmp_path, random_layers(1))
    path = folder / "layer_0_width_16k_l0_small" / "config.json"
    path.write_text(path.read_text().replace('"type": "transcoder"', f'"type": "{kind}"'))
    assert f"says type: {kind}, which is {reason}" in refusal(load_transcoders, folder)


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = published.write_sparsify(tmp_path, random_layers())
    scan = os.scandir

    def refuse(path: str):
        if str(path).endswith("layers.1.mlp"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "cannot be read: Permission denied" in refusal(load_transcoders, folder)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00k", b"{" * 20_000, b'{"k": 1e999}', b"\x00"])
def test_settings_of_strange_bytes(tmp_path: Path, content: bytes) -> None:
    folder = published.write_sparsify(tmp_path / "a", random_layers(1))
    (folder / "layers.0.mlp" / "cfg.json").write_bytes(content)
    refusal(load_transcoders, folder)
    folder = published.write_circuit_tracer(tmp_path / "b", random_layers(1))
    (folder / "config.yaml").write_bytes(content)
    refusal(load_transcoders, folder)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    folder = published.write_circuit_tracer(tmp_path, random_layers(2))
    (folder / "layer_0.safetensors").unlink()
    (folder / "layer_0.safetensors").mkdir()
    message = "layer_0.safetensors is a folder, but its name is that of a file; rename it."
    assert message in refusal(load_transcoders, folder)


def test_a_file_that_changes_while_it_is_read_from(tmp_path: Path) -> None:
    folder = published.write_circuit_tracer(tmp_path, random_layers(1))
    loaded = load_transcoders(folder)
    assert not loaded.changed_on_disk()
    path, layer = folder / "layer_0.safetensors", random_layers(2)[1]
    before = path.stat()
    published.save(path, published.circuit_tracer_layer(layer))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert loaded.changed_on_disk()
    with pytest.raises(ClewError, match="changed while clew read from it; load it again"):
        loaded.layers[0].decoder.rows(torch.tensor([0]), 0)


def test_a_change_of_the_settings_is_noticed(tmp_path: Path) -> None:
    loaded = load_transcoders(published.write_circuit_tracer(tmp_path, random_layers(1)))
    published.write_config(tmp_path, scan="other")
    assert loaded.changed_on_disk()


def test_a_file_changed_in_place_is_checked_again(tmp_path: Path) -> None:
    """Even one that keeps its size and time stamp."""
    folder = published.write_circuit_tracer(tmp_path, random_layers(1))
    path = folder / "layer_0.safetensors"
    load_transcoders(folder)
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "holds NaN or infinity" in refusal(load_transcoders, folder)
