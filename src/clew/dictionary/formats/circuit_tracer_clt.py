"""A cross-layer transcoder as circuit-tracer keeps it: config.yaml, W_enc_N and W_dec_N.safetensors.

`W_enc_N.safetensors` holds `W_enc_N [feature, d_model]`, `b_enc_N`, `b_dec_N`, and where they apply
`threshold_N` and `W_skip_N` (used as `x @ W_skip_N`); `W_dec_N.safetensors` holds
`W_dec_N [feature, n_layers - N, d_model]`, of which entry j writes to layer N + j.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.circuit_tracer import stated_activation
from clew.dictionary.formats.layer_arrays import (
    ArrayNames,
    check_widths,
    read_encoder,
    read_skip,
    threshold_activation,
)
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles, layer_in, require_all
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.errors import ClewError

FILE = re.compile(r"W_(enc|dec)_\d+\.safetensors")


def choose(files: Sequence[str], _: str, __: Note) -> list[str]:
    return [name for name in files if FILE.fullmatch(name)]


def holds(file: ArrayFile) -> bool:
    return any(re.fullmatch(r"W_(enc|dec)_\d+", name) for name in file.entries)


def load(source: TranscoderFiles) -> TranscoderSet:
    """Raises ClewError unless every layer has its encoder and its decoder."""
    if not source.whole:
        raise ClewError(f"{source.name} is one part of a cross-layer transcoder: name its folder.")
    encoders, decoders = _parts(source, "enc"), _parts(source, "dec")
    if not encoders:
        raise ClewError(f"{source.name} has decoders (W_dec_N) but no encoders (W_enc_N): fetch them too.")
    require_all(source, list(encoders), "encoders (W_enc_N)")
    if missing := sorted(set(encoders) ^ set(decoders)):
        layer = missing[0]
        part = f"W_dec_{layer}" if layer in encoders else f"W_enc_{layer}"
        raise ClewError(f"{source.name} has no {part}.safetensors: the set is incomplete; fetch it too.")
    layers = {
        layer: _layer(source, layer, encoders[layer], decoders[layer], len(encoders))
        for layer in sorted(encoders)
    }
    check_widths(source, layers, encoders)
    return TranscoderSet(
        layers, source.read_point(), source.write_point(), FORMAT.name, trained_on=source.model_name
    )


def _parts(source: TranscoderFiles, part: str) -> dict[int, str]:
    names = [name for name in source.weights if FILE.fullmatch(name) and name.startswith(f"W_{part}_")]
    return {layer: name for name in names if (layer := layer_in(name)) is not None}


def _layer(source: TranscoderFiles, layer: int, encoder: str, decoder: str, n_layers: int) -> LayerTranscoder:
    names = ArrayNames(
        encoder=f"W_enc_{layer}",
        encoder_bias=f"b_enc_{layer}",
        decoder=f"W_dec_{layer}",
        decoder_bias=f"b_dec_{layer}",
        threshold=f"threshold_{layer}",
        skip=f"W_skip_{layer}",
        skip_by_column=True,
    )
    file = source.open(encoder)
    n_features, d_model = file.length(names.encoder_bias), file.length(names.decoder_bias)
    stated = stated_activation(source, layer, file, names.threshold)
    return LayerTranscoder(
        encoder=read_encoder(file, names, n_features, d_model),
        encoder_bias=file.weights(names.encoder_bias, n_features),
        decoder=Decoder(source.open(decoder).weights(names.decoder, n_features, n_layers - layer, d_model)),
        decoder_bias=file.weights(names.decoder_bias, d_model),
        activation=stated or threshold_activation(file, names, n_features),
        skip=read_skip(file, names, d_model),
    )


FORMAT = Format(
    "circuit-tracer CLT", "config.yaml, W_enc_N.safetensors, W_dec_N.safetensors", choose, holds, load
)
