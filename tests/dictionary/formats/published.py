"""Every published layout, written from the same random arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save_file

from clew.dictionary.quantised_rows import quantise_rows
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError

D_MODEL, N_FEATURES, N_LAYERS = 6, 10, 3


@dataclass(frozen=True)
class Arrays:
    """One layer in clew's orientation: encoder and decoder by feature, `skip @ x`."""

    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    decoder: torch.Tensor
    """`[feature, n_written, d_model]`."""
    decoder_bias: torch.Tensor
    threshold: torch.Tensor
    skip: torch.Tensor


def random_layers(
    n_layers: int = N_LAYERS, *, crossing: bool = False, d_model: int = D_MODEL, n_features: int = N_FEATURES
) -> list[Arrays]:
    generator = torch.Generator().manual_seed(n_layers)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return [
        Arrays(
            encoder=draw(n_features, d_model),
            encoder_bias=draw(n_features),
            decoder=draw(n_features, n_layers - layer if crossing else 1, d_model),
            decoder_bias=draw(d_model),
            threshold=draw(n_features).abs(),
            skip=draw(d_model, d_model),
        )
        for layer in range(n_layers)
    ]


def save(path: Path, arrays: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: array.clone().contiguous() for name, array in arrays.items()}, path)


def write_config(folder: Path, **settings: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "model_name": "org/model",
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(usual | settings))


def circuit_tracer_layer(
    layer: Arrays, *, threshold: bool = False, skip: bool = False
) -> dict[str, torch.Tensor]:
    arrays = {
        "W_enc": layer.encoder,
        "b_enc": layer.encoder_bias,
        "W_dec": layer.decoder[:, 0],
        "b_dec": layer.decoder_bias,
    }
    if threshold:
        arrays["activation_function.threshold"] = layer.threshold
    if skip:
        arrays["W_skip"] = layer.skip
    return arrays


def write_circuit_tracer(
    folder: Path,
    layers: list[Arrays],
    *,
    threshold: bool = False,
    skip: bool = False,
    dtype: torch.dtype = torch.float32,
    **settings: Any,
) -> Path:
    write_config(folder, **settings)
    for number, layer in enumerate(layers):
        arrays = circuit_tracer_layer(layer, threshold=threshold, skip=skip)
        save(
            folder / f"layer_{number}.safetensors", {name: array.to(dtype) for name, array in arrays.items()}
        )
    return folder


def write_circuit_tracer_clt(
    folder: Path, layers: list[Arrays], *, threshold: bool = False, skip: bool = False, **settings: Any
) -> Path:
    clt: dict[str, Any] = {
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": "hook_resid_mid",
    }
    write_config(folder, **(clt | settings))
    for number, layer in enumerate(layers):
        arrays = {
            f"W_enc_{number}": layer.encoder,
            f"b_enc_{number}": layer.encoder_bias,
            f"b_dec_{number}": layer.decoder_bias,
        }
        if threshold:
            arrays[f"threshold_{number}"] = layer.threshold
        if skip:
            arrays[f"W_skip_{number}"] = layer.skip.T
        save(folder / f"W_enc_{number}.safetensors", arrays)
        save(folder / f"W_dec_{number}.safetensors", {f"W_dec_{number}": layer.decoder})
    return folder


def pack(folder: Path, bits: int, group: int, *, stated: bool = True) -> Path:
    """Turn the matrices of a circuit-tracer folder into packed integers; config.yaml says so if `stated`."""
    for path in folder.glob("*.safetensors"):
        arrays = load_file(path)
        for name in [name for name in arrays if name.startswith("W_")]:
            arrays[name], arrays[f"{name}_scale"] = quantise_rows(arrays[name], bits, group)
        save(path, arrays)
    if stated:
        with (folder / "config.yaml").open("a") as file:
            file.write(f"clew_bits: {bits}\nclew_group: {group}\n")
    return folder


def write_npz(path: Path, layer: Arrays, *, compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (np.savez_compressed if compressed else np.savez)(
        path,
        W_enc=np.ascontiguousarray(layer.encoder.numpy().T),
        W_dec=layer.decoder[:, 0].numpy(),
        b_enc=layer.encoder_bias.numpy(),
        b_dec=layer.decoder_bias.numpy(),
        threshold=layer.threshold.numpy(),
    )
    return path


def write_gemma_scope(folder: Path, layers: list[Arrays], *, compressed: bool = False) -> Path:
    for number, layer in enumerate(layers):
        l0 = 70 + number
        write_npz(
            folder / f"layer_{number}/width_16k/average_l0_{l0}/params.npz", layer, compressed=compressed
        )
    return folder


def gemma_scope_2_arrays(layer: Arrays, *, skip: bool = False) -> dict[str, torch.Tensor]:
    arrays = {
        "w_enc": layer.encoder.T,
        "b_enc": layer.encoder_bias,
        "w_dec": layer.decoder[:, 0],
        "b_dec": layer.decoder_bias,
        "threshold": layer.threshold,
    }
    if skip:
        arrays["affine_skip_connection"] = layer.skip.T
    return arrays


def write_gemma_scope_2(
    folder: Path, layers: list[Arrays], *, skip: bool = False, variant: str = "_width_16k_l0_small"
) -> Path:
    for number, layer in enumerate(layers):
        place = folder / f"layer_{number}{variant}"
        save(place / "params.safetensors", gemma_scope_2_arrays(layer, skip=skip))
        settings = {
            "hf_hook_point_in": f"model.layers.{number}.pre_feedforward_layernorm.output",
            "hf_hook_point_out": f"model.layers.{number}.post_feedforward_layernorm.output",
            "width": len(layer.encoder),
            "model_name": "google/gemma-3-1b-pt",
            "architecture": "jump_relu",
            "l0": 20,
            "affine_connection": skip,
            "type": "transcoder",
        }
        (place / "config.json").write_text(json.dumps(settings))
    return folder


def write_gemma_scope_2_clt(folder: Path, layers: list[Arrays], *, skip: bool = False) -> Path:
    """Decoders hold every layer; layers below a feature's own hold numbers that must not be read."""
    for number, layer in enumerate(layers):
        arrays = gemma_scope_2_arrays(layer, skip=skip)
        unused = torch.full((layer.decoder.shape[0], number, layer.decoder.shape[2]), 99.0)
        arrays["w_dec"] = torch.cat([unused, layer.decoder], dim=1)
        save(folder / f"params_layer_{number}.safetensors", arrays)
    return folder


def write_saelens_layer(
    folder: Path,
    layer: Arrays,
    number: int,
    *,
    architecture: str = "transcoder",
    hook: str = "mlp.hook_in",
    hook_out: str = "hook_mlp_out",
    **settings: Any,
) -> Path:
    arrays = {
        "W_enc": layer.encoder.T,
        "b_enc": layer.encoder_bias,
        "W_dec": layer.decoder[:, 0],
        "b_dec": layer.decoder_bias,
    }
    if "jumprelu" in architecture:
        arrays["threshold"] = layer.threshold
    if "skip" in architecture:
        arrays["W_skip"] = layer.skip
    save(folder / "sae_weights.safetensors", arrays)
    usual = {
        "d_in": D_MODEL,
        "d_sae": N_FEATURES,
        "d_out": D_MODEL,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "architecture": architecture,
        "metadata": {
            "model_name": "gpt2",
            "hook_name": f"blocks.{number}.{hook}",
            "hook_name_out": f"blocks.{number}.{hook_out}",
            "hook_head_index": None,
        },
    }
    (folder / "cfg.json").write_text(json.dumps(usual | settings))
    return folder


def write_saelens(folder: Path, layers: list[Arrays], **settings: Any) -> Path:
    for number, layer in enumerate(layers):
        write_saelens_layer(folder / f"blocks.{number}.mlp", layer, number, **settings)
    return folder


SPARSIFY: dict[str, Any] = {
    "activation": "topk",
    "expansion_factor": 32,
    "normalize_decoder": True,
    "num_latents": 0,
    "k": 4,
    "multi_topk": False,
    "skip_connection": False,
    "transcode": True,
    "d_in": D_MODEL,
}


def write_sparsify(
    folder: Path, layers: list[Arrays], *, skip: bool = False, prefix: str = "layers", **settings: Any
) -> Path:
    for number, layer in enumerate(layers):
        arrays = {
            "encoder.weight": layer.encoder,
            "encoder.bias": layer.encoder_bias,
            "W_dec": layer.decoder[:, 0],
            "b_dec": layer.decoder_bias,
        }
        if skip:
            arrays["W_skip"] = layer.skip
        place = folder / f"{prefix}.{number}.mlp"
        save(place / "sae.safetensors", arrays)
        (place / "cfg.json").write_text(
            json.dumps(SPARSIFY | {"skip_connection": skip, "num_latents": len(layer.encoder)} | settings)
        )
    return folder


def sparsify_clt_arrays(layer: Arrays, biases: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    arrays = {"encoder.weight": layer.encoder, "encoder.bias": layer.encoder_bias}
    for target in range(layer.decoder.shape[1]):
        arrays[f"W_decs.{target}"] = layer.decoder[:, target]
        arrays[f"b_decs.{target}"] = biases[target]
        arrays[f"post_encs.{target}"] = torch.zeros(len(layer.encoder))
    return arrays


def write_sparsify_clt(
    folder: Path,
    layers: list[Arrays],
    biases: list[list[torch.Tensor]],
    extra: dict[str, torch.Tensor] | None = None,
    **settings: Any,
) -> Path:
    for number, layer in enumerate(layers):
        place = folder / f"layers.{number}.mlp"
        save(place / "sae.safetensors", sparsify_clt_arrays(layer, biases[number]) | (extra or {}))
        targets = {
            "n_targets": layer.decoder.shape[1],
            "coalesce_topk": "none",
            "num_latents": len(layer.encoder),
        }
        (place / "cfg.json").write_text(json.dumps(SPARSIFY | targets | settings))
    return folder


def rows(layer: LayerTranscoder) -> torch.Tensor:
    """A layer's decoder as `[feature, n_written, d_model]`, read row by row as attribution reads it."""
    every = torch.arange(layer.n_features)
    return torch.stack([layer.decoder.rows(every, ahead) for ahead in range(layer.decoder.n_written)], dim=1)


def assert_same(
    loaded: TranscoderSet, layers: list[Arrays], *, skip: bool = False, threshold: bool = False
) -> None:
    """Every array of every layer, exactly."""
    assert list(loaded.layers) == list(range(len(layers)))
    for number, layer in enumerate(layers):
        found = loaded.layers[number]
        assert torch.equal(found.encoder.read(), layer.encoder)
        assert torch.equal(found.encoder.rows(torch.tensor([3, 0])), layer.encoder[[3, 0]])
        assert torch.equal(found.encoder_bias.read(), layer.encoder_bias)
        assert torch.equal(rows(found), layer.decoder)
        assert found.decoder_bias is not None
        assert torch.equal(found.decoder_bias.read(), layer.decoder_bias)
        assert (found.skip is not None) == skip
        if found.skip is not None:
            assert torch.equal(found.skip.read(), layer.skip)
        assert hasattr(found.activation, "threshold") == threshold
        if threshold:
            assert torch.equal(found.activation.threshold.read(), layer.threshold)  # type: ignore[attr-defined]


def refusal(action: Any, *arguments: Any, **named: Any) -> str:
    """The message of a refusal."""
    try:
        action(*arguments, **named)
    except ClewError as error:
        message = str(error)
        assert message.endswith("."), message
        assert "\n" not in message
        return message
    raise AssertionError("nothing was refused")
