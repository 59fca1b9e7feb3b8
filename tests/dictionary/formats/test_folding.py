"""Settings of training that are folded into the weights give the same features as their trainer's code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clew.dictionary.activation import TopK
from clew.dictionary.read_write_points import ReadPoint
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from tests.dictionary.formats import published
from tests.dictionary.formats.published import Arrays, random_layers, refusal, rows
from tests.tiny import tiny_model

X = torch.randn(9, published.D_MODEL, generator=torch.Generator().manual_seed(3))
OLD = {key: value for key, value in published.SPARSIFY.items() if key not in ("transcode", "activation")}
"""cfg.json of sparsify before February 2025."""


def output(loaded: TranscoderSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations and output of the only layer."""
    (part,) = loaded.layers.values()
    code = part.activation(X @ part.encoder.read().T + part.encoder_bias.read())
    assert part.decoder_bias is not None
    written = code @ rows(part)[:, 0] + part.decoder_bias.read()
    return code, written if part.skip is None else written + X @ part.skip.read().T


def expected(layer: Arrays, x: torch.Tensor, *, skip: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """The same from the arrays, with the encoder at `x`."""
    code = (x @ layer.encoder.T + layer.encoder_bias).relu()
    written = code @ layer.decoder[:, 0] + layer.decoder_bias
    return code, written + X @ layer.skip.T if skip else written


def write_old_sparsify(
    folder: Path, layer: Arrays, run: dict[str, Any] | None = None, **settings: Any
) -> Path:
    published.write_sparsify(folder, [layer], skip=bool(settings.get("skip_connection")))
    (folder / "layers.0.mlp" / "cfg.json").write_text(json.dumps(OLD | settings))
    if run is not None:
        (folder / "config.json").write_text(json.dumps(run))
    return folder


@pytest.mark.parametrize(
    ("skip", "run"),
    [(True, None), (True, {"model": "org/m"}), (True, {"transcode": True}), (False, {"transcode": True})],
)
def test_old_sparsify_takes_its_bias_off_the_input(tmp_path: Path, skip: bool, run: Any) -> None:
    (layer,) = random_layers(1)
    code, written = output(load_transcoders(write_old_sparsify(tmp_path, layer, run, skip_connection=skip)))
    before = (X - layer.decoder_bias) @ layer.encoder.T + layer.encoder_bias
    own = TopK(4)(before)
    assert ((code > 0) == (own > 0)).all()
    torch.testing.assert_close(code, own, atol=1e-5, rtol=1e-5)
    whole = own @ layer.decoder[:, 0] + layer.decoder_bias + (X @ layer.skip.T if skip else 0)
    torch.testing.assert_close(written, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "run", "message"),
    [
        ({}, None, "until February 2025, which reconstruct what they read"),
        ({}, {"transcode": False}, "config.json says transcode: False: its coders are autoencoders"),
        (
            {"skip_connection": True},
            {"transcode": False},
            "says transcode: False: its coders are autoencoders",
        ),
        (
            {"skip_connection": True, "activation": "topk"},
            None,
            "as sparsify does since February",
        ),
        ({"skip_connection": True, "signed": True}, None, "says signed: True, which clew cannot represent"),
        ({"transcode": False}, None, "it is an autoencoder, which reconstructs what it reads"),
    ],
)
def test_the_reason_of_a_refusal_of_sparsify(tmp_path: Path, settings: Any, run: Any, message: str) -> None:
    write_old_sparsify(tmp_path, random_layers(1)[0], run, **settings)
    assert message in refusal(load_transcoders, tmp_path)


def write_saelens(folder: Path, layer: Arrays, extra: Any = None, **settings: Any) -> Path:
    published.write_saelens_layer(folder, layer, 0, **settings)
    path = folder / "sae_weights.safetensors"
    published.save(path, load_file(path) | (extra or {}))
    return folder


@pytest.mark.parametrize("architecture", ["transcoder", "skip_transcoder"])
@pytest.mark.parametrize("second_bias", [False, True])
def test_saelens_takes_its_bias_off_the_input(tmp_path: Path, architecture: str, second_bias: bool) -> None:
    (layer,) = random_layers(1)
    out = torch.arange(6.0)
    extra = {"b_dec_out": out} if second_bias else {}
    folder = write_saelens(tmp_path, layer, extra, architecture=architecture, apply_b_dec_to_input=True)
    code, written = output(load_transcoders(folder))
    own, whole = expected(layer, X - layer.decoder_bias, skip="skip" in architecture)
    torch.testing.assert_close(code, own, atol=1e-5, rtol=1e-5)
    whole = whole + (out - layer.decoder_bias if second_bias else 0)
    torch.testing.assert_close(written, whole, atol=1e-5, rtol=1e-5)


def test_saelens_6_5_left_the_bias_on(tmp_path: Path) -> None:
    (layer,) = random_layers(1)
    folder = write_saelens(tmp_path, layer, apply_b_dec_to_input=True, sae_lens_version="6.5.1")
    torch.testing.assert_close(output(load_transcoders(folder))[0], expected(layer, X)[0])


def test_an_input_bias_that_nobody_states(tmp_path: Path) -> None:
    folder = write_saelens(tmp_path, random_layers(1)[0], apply_b_dec_to_input=None)
    assert "does not say apply_b_dec_to_input; add true if" in refusal(load_transcoders, folder)
    write_saelens(tmp_path, random_layers(1)[0], {"b_dec_out": torch.ones(6)})
    assert "holds b_dec_out (a second output bias" in refusal(load_transcoders, tmp_path)


@pytest.mark.parametrize("name", ["finetuning_scaling_factor", "scaling_factor"])
def test_saelens_factors_of_activations(tmp_path: Path, name: str) -> None:
    (layer,) = random_layers(1)
    factor = torch.linspace(0.5, 2, published.N_FEATURES)
    folder = write_saelens(tmp_path, layer, {name: factor}, finetuning_scaling_factor=True)
    loaded = load_transcoders(folder)
    code, written = output(loaded)
    torch.testing.assert_close(written, (code * factor) @ layer.decoder[:, 0] + layer.decoder_bias)
    torch.testing.assert_close(
        loaded.layers[0].decoder.rows(torch.tensor([7, 2]), 0),
        layer.decoder[[7, 2], 0] * factor[[7, 2], None],
    )
    write_saelens(tmp_path, layer, {name: factor})
    assert f"holds {name} (a scale of activations)" in refusal(load_transcoders, folder)
    write_saelens(tmp_path, layer, {name: torch.ones(published.N_FEATURES)})
    torch.testing.assert_close(output(load_transcoders(folder))[1], expected(layer, X)[1])
    write_saelens(tmp_path, layer, finetuning_scaling_factor=True)
    assert "says finetuning_scaling_factor: True, but" in refusal(load_transcoders, folder)


@pytest.mark.parametrize(
    ("stated", "scaler", "key"),
    [
        ("expected_average_only_in", 0.25, None),
        (True, 0.25, None),
        ("constant_scalar_rescale", None, 0.25),
    ],
)
def test_saelens_scales_of_inputs(
    tmp_path: Path, stated: Any, scaler: float | None, key: float | None
) -> None:
    (layer,) = random_layers(1)
    given = {"activation_normalization_factor": key} if key else {}
    folder = write_saelens(tmp_path, layer, normalize_activations=stated, **given)
    if scaler:
        (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": scaler}))
    code, written = output(load_transcoders(folder))
    own, whole = expected(layer, 0.25 * X)
    torch.testing.assert_close(code, own, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(written, whole / 0.25, atol=1e-5, rtol=1e-5)
    write_saelens(tmp_path, layer, **given)
    assert "normalize_activations: none; correct one of the two" in refusal(load_transcoders, folder)


def test_a_scale_that_the_files_do_not_hold(tmp_path: Path) -> None:
    for stated, key in (
        ("expected_average_only_in", "scaling_factor"),
        ("constant_scalar_rescale", "activation_normalization_factor"),
    ):
        folder = write_saelens(tmp_path, random_layers(1)[0], normalize_activations=stated)
        assert f"({key}); fold it into the weights" in refusal(load_transcoders, folder)


HOOKS = {
    "model.layers.0.post_attention_layernorm.output": ReadPoint.MLP_INPUT,
    "model.layers.0.pre_feedforward_layernorm.output": ReadPoint.MLP_INPUT,
    "model.layers.0.post_attention_layernorm.input": ReadPoint.RESIDUAL,
    "transformer.h.0.ln_2.output": ReadPoint.MLP_INPUT,
    "model.layers.0.mlp.input": ReadPoint.MLP_INPUT,
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("nested", [False, True])
def test_a_hugging_face_module_decides_the_read_point(tmp_path: Path, hook: str, nested: bool) -> None:
    (layer,) = random_layers(1)
    names: dict[str, Any] = {
        "hook_name": "blocks.0.ln2.hook_normalized",
        "hook_name_out": "blocks.0.hook_mlp_out",
    }
    names["hf_hook_name"] = hook
    folder = write_saelens(tmp_path, layer, **({"metadata": names} if nested else {**names, "metadata": {}}))
    assert load_transcoders(folder).read_point is HOOKS[hook]
    assert load_transcoders(folder, read_point="residual").read_point is ReadPoint.RESIDUAL


@pytest.mark.parametrize(
    "names",
    [
        {"hook_name_out": "blocks.2.hook_mlp_out"},
        {"hf_hook_name_out": "model.layers.2.mlp.output"},
        {"hf_hook_name": "model.layers.2.mlp.input"},
        {"hook_layer": 2},
        {"hook_layer_out": 2},
    ],
)
def test_two_layers_in_one_file(tmp_path: Path, names: dict[str, Any]) -> None:
    usual = {"hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
    folder = write_saelens(tmp_path, random_layers(1)[0], metadata=usual | names)
    message = refusal(load_transcoders, folder)
    assert f"{next(iter(names))}: " in message
    assert "are not supported" in message


def test_the_norm_behind_attention_is_no_read_point(tmp_path: Path) -> None:
    names = {
        "hf_hook_name": "model.layers.0.post_attention_layernorm.output",
        "hf_hook_name_out": "model.layers.0.post_feedforward_layernorm.output",
    }
    model = tiny_model("Gemma2ForCausalLM")
    layer = random_layers(1, d_model=model.d_model)[0]
    sizes: dict[str, Any] = {"d_in": model.d_model, "d_out": model.d_model}
    folder = write_saelens(tmp_path, layer, metadata=names, **sizes)
    with pytest.raises(ClewError, match="is the norm behind attention and not the one before the MLP"):
        bind(model, load_transcoders(folder), "set")
    assert bind(model, load_transcoders(folder, read_point="mlp-input"), "set")
