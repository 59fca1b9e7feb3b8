"""Settings and files that contradict each other: refused by name, or read with a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from tests.dictionary.formats import published
from tests.dictionary.formats.published import random_layers, refusal
from tests.tiny import tiny_model


def circuit_tracer(folder: Path, **settings: Any) -> None:
    published.write_circuit_tracer(folder, random_layers(2), **settings)


def topk_with_k(folder: Path) -> None:
    circuit_tracer(folder, activation="topk", k=5)
    arrays = load_file(folder / "layer_1.safetensors")
    published.save(folder / "layer_1.safetensors", arrays | {"k": torch.tensor(3)})


def gemma_scope_with_skip(folder: Path) -> None:
    published.write_gemma_scope(folder, random_layers(1))
    path = next(folder.rglob("params.npz"))
    np.savez(path, **np.load(path), W_skip=np.ones((6, 6), np.float32))


def gemma_scope_2_as_clt(folder: Path) -> None:
    published.write_gemma_scope_2(folder, random_layers(1))
    path = next(folder.rglob("config.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"type": "clt"}))


def sparsify_run(**run: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        published.write_sparsify(folder, random_layers(2))
        (folder / "config.json").write_text(json.dumps(run))

    return write


CONTRADICTIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a hook of another layer": (
        lambda folder: circuit_tracer(folder, feature_output_hook="blocks.3.hook_mlp_out"),
        "names the hook blocks.3.hook_mlp_out of layer 3, but the files hold layers 0, 1",
    ),
    "a layer that is not there": (
        lambda folder: circuit_tracer(folder, clew_layers=[0, 1, 2]),
        "says clew_layers: [0, 1, 2], but the files hold layers 0, 1",
    ),
    "a layer that is not listed": (
        lambda folder: circuit_tracer(folder, clew_layers=[0]),
        "says clew_layers: [0], but the files hold layers 0, 1",
    ),
    "more ks than layers": (
        lambda folder: circuit_tracer(folder, activation="topk", clew_k=[3, 4, 5]),
        "says clew_k: [3, 4, 5], but the files hold layers 0, 1; correct it to one number for each layer.",
    ),
    "another k in a file": (topk_with_k, "config.yaml says k: 5, but"),
    "a skip connection in Gemma Scope": (gemma_scope_with_skip, "holds W_skip (a skip connection"),
    "a CLT's type": (gemma_scope_2_as_clt, "says type: clt, but its arrays are those of a per-layer"),
    "another run's hookpoints": (
        sparsify_run(hookpoints=["layers.0.mlp", "layers.2.mlp"]),
        "says hookpoints: ['layers.0.mlp', 'layers.2.mlp'], which is not layer 1",
    ),
    "a coder that reads in another layer": (
        sparsify_run(hookpoints=["layers.0.mlp", "layers.1.mlp"], hookpoints_in=["layers.1.mlp"] * 2),
        "so the coder of layer 0 reads in layer 1, which clew does not support",
    ),
    "a run of autoencoders": (
        sparsify_run(transcode=False),
        "says transcode: True, but",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_refused_by_name(tmp_path: Path, case: str) -> None:
    write, message = CONTRADICTIONS[case]
    write(tmp_path)
    assert message in refusal(load_transcoders, tmp_path)


def test_one_file_of_a_set_need_not_hold_all_layers(tmp_path: Path) -> None:
    circuit_tracer(tmp_path, clew_layers=[0, 1], activation="topk", clew_k=[3, 4])
    loaded = load_transcoders(tmp_path / "layer_1.safetensors")
    assert loaded.layers[1].activation.name == "TopK 4"


def test_two_copies_of_one_file_are_said(tmp_path: Path) -> None:
    circuit_tracer(tmp_path)
    assert not load_transcoders(tmp_path).remarks
    shutil.copy(tmp_path / "layer_0.safetensors", tmp_path / "layer_1.safetensors")
    (remark,) = load_transcoders(tmp_path).remarks
    assert remark == "Layers 0 and 1 hold the same arrays, as two copies of one file; fetch one again."


def test_an_expansion_factor_of_another_size_is_said(tmp_path: Path) -> None:
    published.write_sparsify(tmp_path, random_layers(1), num_latents=0, expansion_factor=4)
    (remark,) = load_transcoders(tmp_path).remarks
    assert "says expansion_factor: 4, which makes 24 features; its weights hold 10, which count." in remark


def test_layers_of_the_model_without_transcoders_are_said(tmp_path: Path) -> None:
    model = tiny_model("LlamaForCausalLM")
    published.write_circuit_tracer(
        tmp_path, random_layers(model.n_layers - 1, d_model=model.d_model), model_name=model.name
    )
    bound = bind(model, load_transcoders(tmp_path), "set")
    last = model.n_layers - 1
    assert bound.remarks == (f"There are no transcoders for layer {last}, so these have no features.",)


def test_the_version_of_the_model_is_said(tmp_path: Path) -> None:
    model = tiny_model("LlamaForCausalLM")
    layers = random_layers(model.n_layers, d_model=model.d_model)
    published.write_sparsify(tmp_path, layers, d_in=model.d_model)
    for revision, said in (("main", False), ("step1000", True)):
        (tmp_path / "config.json").write_text(json.dumps({"model": model.name, "revision": revision}))
        remarks = bind(model, load_transcoders(tmp_path), "set").remarks
        assert bool(remarks) == said
        assert all("were trained on the model's version step1000; load that one." in each for each in remarks)


@pytest.mark.parametrize(("group", "said"), [(4, False), (3, True), (5, True)])
def test_groups_of_another_size_are_said(tmp_path: Path, group: int, said: bool) -> None:
    """A number that gives as many groups of 6 weights as 4 does."""
    circuit_tracer(tmp_path)
    published.pack(tmp_path, 4, 4, stated=False)
    with (tmp_path / "config.yaml").open("a") as file:
        file.write(f"clew_bits: 4\nclew_group: {group}\n")
    remarks = load_transcoders(tmp_path).remarks
    assert (
        any("as if they were packed in groups of another size; check clew_group." in each for each in remarks)
        == said
    )
