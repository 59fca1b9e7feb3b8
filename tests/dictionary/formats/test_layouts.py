"""Every published layout gives back the arrays it was written from, at the right points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.dictionary.activation import JumpReLU, ReLU, TopK
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.reference import load_transcoders
from clew.dictionary.weights import HeldWeights, StoredWeights
from clew.errors import ClewError
from tests.dictionary.formats import published
from tests.dictionary.formats.published import assert_same, random_layers, rows

PARITY = Path(__file__).resolve().parents[3].parent / "shared" / "parity"
PARITY_CASES = {
    "gemma2-clt": (ReadPoint.RESIDUAL, ReLU, False),
    "gemma2-jumprelu": (ReadPoint.NORMALIZED, JumpReLU, False),
    "gemma3-jumprelu": (ReadPoint.MLP_INPUT, JumpReLU, False),
    "gemma3-skip": (ReadPoint.MLP_INPUT, ReLU, True),
    "llama-clt": (ReadPoint.RESIDUAL, ReLU, False),
    "llama-jumprelu": (ReadPoint.RESIDUAL, JumpReLU, False),
    "llama-relu": (ReadPoint.MLP_INPUT, ReLU, False),
    "llama-skip": (ReadPoint.MLP_INPUT, ReLU, True),
    "qwen3-relu": (ReadPoint.MLP_INPUT, ReLU, False),
}


@pytest.mark.parametrize("threshold", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_circuit_tracer(tmp_path: Path, threshold: bool, skip: bool) -> None:
    layers = random_layers()
    folder = published.write_circuit_tracer(tmp_path, layers, threshold=threshold, skip=skip)
    loaded = load_transcoders(folder)
    assert_same(loaded, layers, skip=skip, threshold=threshold)
    assert loaded.format == "circuit-tracer PLT"
    assert loaded.trained_on == "org/model"
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.MLP_INPUT, WritePoint.STREAM)
    assert isinstance(loaded.layers[0].encoder, StoredWeights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_stay_as_they_are(tmp_path: Path, dtype: torch.dtype) -> None:
    layers = random_layers()
    loaded = load_transcoders(published.write_circuit_tracer(tmp_path, layers, dtype=dtype))
    encoder = loaded.layers[1].encoder
    assert isinstance(encoder, StoredWeights)
    assert encoder.dtype == dtype
    assert torch.equal(encoder.read(), layers[1].encoder.to(dtype).float())


@pytest.mark.parametrize(
    ("hook", "point"),
    [
        ("hook_resid_mid", ReadPoint.RESIDUAL),
        ("hook_mlp_in", ReadPoint.RESIDUAL),
        ("ln2.hook_normalized", ReadPoint.NORMALIZED),
        ("mlp.hook_in", ReadPoint.MLP_INPUT),
        ("blocks.0.mlp.hook_in", ReadPoint.MLP_INPUT),
    ],
)
def test_hooks_say_where_features_read(tmp_path: Path, hook: str, point: ReadPoint) -> None:
    folder = published.write_circuit_tracer(tmp_path, random_layers(), feature_input_hook=hook)
    assert load_transcoders(folder).read_point is point
    assert load_transcoders(folder, read_point=ReadPoint.NORMALIZED).read_point is ReadPoint.NORMALIZED
    stated = load_transcoders(folder, write_point=WritePoint.MLP_OUTPUT)
    assert stated.write_point is WritePoint.MLP_OUTPUT


def test_topk_comes_from_the_configuration(tmp_path: Path) -> None:
    layers = random_layers()
    folder = published.write_circuit_tracer(tmp_path, layers, activation="topk", k=7)
    assert load_transcoders(folder).layers[2].activation == TopK(7)
    assert load_transcoders(folder, k=3).layers[2].activation == TopK(3)


def test_topk_may_stand_in_the_layer(tmp_path: Path) -> None:
    layers = random_layers(1)
    folder = published.write_circuit_tracer(tmp_path, layers, activation="topk")
    arrays = published.circuit_tracer_layer(layers[0]) | {"k": torch.tensor(5)}
    published.save(folder / "layer_0.safetensors", arrays)
    assert load_transcoders(folder).layers[0].activation == TopK(5)


@pytest.mark.parametrize("threshold", [False, True])
def test_circuit_tracer_clt(tmp_path: Path, threshold: bool) -> None:
    layers = random_layers(crossing=True)
    folder = published.write_circuit_tracer_clt(tmp_path, layers, threshold=threshold, skip=True)
    loaded = load_transcoders(folder)
    assert_same(loaded, layers, skip=True, threshold=threshold)
    assert [layer.decoder.n_written for layer in loaded.layers.values()] == [3, 2, 1]
    assert loaded.format == "circuit-tracer CLT"
    assert loaded.read_point is ReadPoint.RESIDUAL


@pytest.mark.parametrize("compressed", [False, True])
def test_gemma_scope(tmp_path: Path, compressed: bool) -> None:
    layers = random_layers()
    loaded = load_transcoders(published.write_gemma_scope(tmp_path, layers, compressed=compressed))
    assert_same(loaded, layers, threshold=True)
    assert loaded.format == "Gemma Scope"
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.NORMALIZED, WritePoint.STREAM)
    assert isinstance(loaded.layers[0].encoder, HeldWeights if compressed else StoredWeights)


def test_gemma_scope_takes_the_sparsity_next_to_100_and_says_so(tmp_path: Path) -> None:
    layers = random_layers()
    published.write_gemma_scope(tmp_path, layers)
    for l0 in (8, 131, 440):
        published.write_npz(tmp_path / f"layer_1/width_16k/average_l0_{l0}/params.npz", layers[0])
    notes: list[str] = []
    loaded = load_transcoders(tmp_path, on_note=notes.append)
    assert_same(loaded, layers, threshold=True)
    assert len(notes) == 1
    assert "layer_1/width_16k/average_l0_71" in notes[0]


def test_one_gemma_scope_file(tmp_path: Path) -> None:
    layer = random_layers(1)[0]
    path = published.write_npz(tmp_path / "layer_12/width_16k/average_l0_54/params.npz", layer)
    for named in (path, path.parent, tmp_path / "layer_12"):
        assert list(load_transcoders(named).layers) == [12]


def test_a_matrix_may_be_stored_column_by_column(tmp_path: Path) -> None:
    layer = random_layers(1)[0]
    path = tmp_path / "layer_0" / "params.npz"
    path.parent.mkdir()
    np.savez(
        path,
        W_enc=np.asfortranarray(layer.encoder.numpy().T),
        W_dec=np.asfortranarray(layer.decoder[:, 0].numpy()),
        b_enc=layer.encoder_bias.numpy(),
        b_dec=layer.decoder_bias.numpy(),
        threshold=layer.threshold.numpy(),
    )
    assert_same(load_transcoders(path), [layer], threshold=True)


def test_a_threshold_below_zero_lets_nothing_negative_pass(tmp_path: Path) -> None:
    layer = random_layers(1)[0]
    layer.threshold[2] = -1.0
    published.write_npz(tmp_path / "layer_0/params.npz", layer)
    activation = load_transcoders(tmp_path).layers[0].activation
    below = torch.full((1, published.N_FEATURES), -0.5)
    assert activation(below).abs().max() == 0


@pytest.mark.parametrize("skip", [False, True])
def test_gemma_scope_2(tmp_path: Path, skip: bool) -> None:
    layers = random_layers()
    loaded = load_transcoders(published.write_gemma_scope_2(tmp_path, layers, skip=skip))
    assert_same(loaded, layers, skip=skip, threshold=True)
    assert loaded.format == "Gemma Scope 2 PLT"
    assert loaded.trained_on == "google/gemma-3-1b-pt"
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.MLP_INPUT, WritePoint.STREAM)


def test_one_of_several_sets_is_chosen_by_a_pattern(tmp_path: Path) -> None:
    layers = random_layers()
    published.write_gemma_scope_2(tmp_path, layers)
    published.write_gemma_scope_2(tmp_path, random_layers(2), variant="_width_262k_l0_big")
    assert_same(load_transcoders(tmp_path / "layer_*_width_16k_l0_small"), layers, threshold=True)


@pytest.mark.parametrize("skip", [False, True])
def test_gemma_scope_2_clt_keeps_its_last_layer(tmp_path: Path, skip: bool) -> None:
    layers = random_layers(crossing=True)
    loaded = load_transcoders(published.write_gemma_scope_2_clt(tmp_path, layers, skip=skip))
    assert_same(loaded, layers, skip=skip, threshold=True)
    assert loaded.format == "Gemma Scope 2 CLT"
    assert len(loaded.layers) == 3


@pytest.mark.parametrize(
    "architecture", ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"]
)
def test_saelens(tmp_path: Path, architecture: str) -> None:
    layers = random_layers()
    loaded = load_transcoders(published.write_saelens(tmp_path, layers, architecture=architecture))
    assert_same(loaded, layers, skip="skip" in architecture, threshold="jumprelu" in architecture)
    assert (loaded.format, loaded.trained_on) == ("SAELens", "gpt2")
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.MLP_INPUT, WritePoint.STREAM)


def test_a_single_saelens_layer_with_hooks_outside_metadata(tmp_path: Path) -> None:
    layer = random_layers(1)[0]
    hooks: dict[str, Any] = {
        "metadata": {},
        "hook_name": "blocks.5.ln2.hook_normalized",
        "hook_name_out": "blocks.5.hook_mlp_out",
    }
    folder = published.write_saelens_layer(tmp_path, layer, 5, **hooks)
    for named in (folder, folder / "sae_weights.safetensors"):
        loaded = load_transcoders(named)
        assert list(loaded.layers) == [5]
        assert loaded.read_point is ReadPoint.NORMALIZED


@pytest.mark.parametrize("prefix", ["layers", "model.layers", "h", "transformer.h"])
@pytest.mark.parametrize("skip", [False, True])
def test_sparsify(tmp_path: Path, prefix: str, skip: bool) -> None:
    layers = random_layers()
    loaded = load_transcoders(published.write_sparsify(tmp_path, layers, prefix=prefix, skip=skip))
    assert_same(loaded, layers, skip=skip)
    assert loaded.format == "sparsify PLT"
    assert loaded.layers[0].activation == TopK(4)
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.MLP_INPUT, WritePoint.MLP_OUTPUT)


def test_one_sparsify_hookpoint(tmp_path: Path) -> None:
    published.write_sparsify(tmp_path, random_layers())
    assert list(load_transcoders(tmp_path / "layers.1.mlp").layers) == [1]


def test_the_run_says_where_sparsify_read(tmp_path: Path) -> None:
    published.write_sparsify(tmp_path, random_layers())
    run = '{"model": "org/m", "hookpoints_in": ["layers.0.post_attention_layernorm"]}'
    (tmp_path / "config.json").write_text(run)
    loaded = load_transcoders(tmp_path)
    assert (loaded.read_point, loaded.trained_on) == (ReadPoint.RESIDUAL, "org/m")


@pytest.mark.parametrize("divide", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_sparsify_clt_reconstructs_as_its_trainer_does(tmp_path: Path, divide: bool, normalize: bool) -> None:
    layers = random_layers(crossing=True)
    biases = [[torch.randn(published.D_MODEL) for _ in range(3 - number)] for number in range(3)]
    norms = {"in_norm": torch.tensor([3.0]), "out_norm": torch.tensor([5.0])}
    folder = published.write_sparsify_clt(
        tmp_path, layers, biases, norms, divide_cross_layer=divide, normalize_io=normalize
    )
    loaded = load_transcoders(folder)
    assert loaded.format == "sparsify CLT"
    x = torch.randn(4, 3, published.D_MODEL)
    scale_in, scale_out = (6**0.5 / 3, 5 / 6**0.5) if normalize else (1.0, 1.0)
    codes = [
        TopK(4)(scale_in * x[:, number] @ layer.encoder.T + layer.encoder_bias)
        for number, layer in enumerate(layers)
    ]
    for target in range(3):
        parts = [
            codes[source] @ layers[source].decoder[:, target - source] + biases[source][target - source]
            for source in range(target + 1)
        ]
        divisor = max(1, target) if divide else 1
        earlier = sum(parts[:-1], start=torch.zeros(4, published.D_MODEL)) / divisor
        torch.testing.assert_close(reconstruction(loaded, x, target), scale_out * (parts[-1] + earlier))


def reconstruction(loaded, x: torch.Tensor, target: int) -> torch.Tensor:
    bias = loaded.layers[target].decoder_bias.read()
    total = bias.expand(x.shape[0], -1).clone()
    for number, layer in loaded.layers.items():
        if number <= target < number + layer.decoder.n_written:
            code = layer.activation(x[:, number] @ layer.encoder.read().T + layer.encoder_bias.read())
            total += code @ rows(layer)[:, target - number]
    return total


def test_sparsify_clt_without_norms_stays_exact(tmp_path: Path) -> None:
    layers = random_layers(crossing=True)
    biases = [
        [layer.decoder_bias] + [torch.zeros(published.D_MODEL)] * (2 - number)
        for number, layer in enumerate(layers)
    ]
    assert_same(load_transcoders(published.write_sparsify_clt(tmp_path, layers, biases)), layers)


@given(
    d_model=st.integers(1, 5),
    n_features=st.integers(4, 9),
    n_layers=st.integers(1, 4),
    layout=st.sampled_from(["plt", "clt", "gemma scope", "gemma scope 2", "gemma scope 2 clt"]),
)
@settings(max_examples=30, deadline=None)
def test_any_size(
    tmp_path_factory: pytest.TempPathFactory, d_model: int, n_features: int, n_layers: int, layout: str
) -> None:
    layers = random_layers(n_layers, crossing="clt" in layout, d_model=d_model, n_features=n_features)
    write: dict[str, Any] = {
        "plt": lambda folder: published.write_circuit_tracer(folder, layers, threshold=True),
        "clt": lambda folder: published.write_circuit_tracer_clt(folder, layers, threshold=True),
        "gemma scope": lambda folder: published.write_gemma_scope(folder, layers),
        "gemma scope 2": lambda folder: published.write_gemma_scope_2(folder, layers),
        "gemma scope 2 clt": lambda folder: published.write_gemma_scope_2_clt(folder, layers),
    }
    assert_same(load_transcoders(write[layout](tmp_path_factory.mktemp("set"))), layers, threshold=True)


@pytest.mark.parametrize("case", PARITY_CASES)
def test_the_published_cases_load(case: str) -> None:
    folder = PARITY / case / "transcoders"
    if not folder.exists():
        pytest.skip("the published results are not beside this checkout (folder shared/parity)")
    read_point, activation, skip = PARITY_CASES[case]
    loaded = load_transcoders(folder)
    first = loaded.layers[0]
    assert loaded.read_point is read_point
    assert loaded.write_point is WritePoint.STREAM
    assert isinstance(first.activation, activation)
    assert (first.skip is not None) == skip
    assert (first.d_model, first.n_features, len(loaded.layers)) == (32, 48, 4)
    assert first.decoder.n_written == (4 if case.endswith("clt") else 1)


@pytest.mark.parametrize("key", ["sink", "clew_sink"])
@pytest.mark.parametrize("sink", ["<turn>", "bos", "none"])
def test_the_sink_that_a_config_names_is_kept_and_written_again(tmp_path: Path, key: str, sink: str) -> None:
    folder = published.write_circuit_tracer(tmp_path / "one", random_layers())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {key: sink}))
    loaded = load_transcoders(folder)
    assert loaded.sink == sink
    save_transcoders(loaded, tmp_path / "two", "org/model")
    assert load_transcoders(tmp_path / "two").sink == sink


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"sink": "<a>", "clew_sink": "<b>"}, "says clew_sink: <b>, but sink: <a>"),
        (
            {"clew_sink": "none", "clew_trained_with_bos": True},
            "sink: none, but clew_trained_with_bos: True",
        ),
        ({"sink": "bos", "clew_trained_with_bos": False}, "sink: bos, but clew_trained_with_bos: False"),
    ],
)
def test_two_statements_about_the_sink_that_differ_are_refused(
    tmp_path: Path, config: dict[str, object], sentence: str
) -> None:
    folder = published.write_circuit_tracer(tmp_path / "one", random_layers())
    own = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(own | config))
    with pytest.raises(ClewError, match=f"{sentence}; delete the one that is wrong"):
        load_transcoders(folder)
