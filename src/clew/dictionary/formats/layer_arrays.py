"""One layer's arrays under the names that a format gives them, every shape checked against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clew.dictionary.activation import Activation, JumpReLU, ReLU
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.transcoder_files import TranscoderFiles
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights, Weights, transpose
from clew.errors import ClewError


@dataclass(frozen=True)
class ArrayNames:
    """What a format calls its arrays, and which way round it stores them."""

    encoder: str = "W_enc"
    encoder_bias: str = "b_enc"
    decoder: str = "W_dec"
    decoder_bias: str = "b_dec"
    threshold: str = "threshold"
    skip: str = "W_skip"
    encoder_by_column: bool = False
    """Whether the encoder is `[d_model, feature]`."""
    skip_by_column: bool = False
    """Whether the skip connection is applied as `x @ skip` and not as `skip @ x`."""
    rectified: bool = False
    """Whether a threshold below zero still lets nothing negative pass."""


def read_layer(
    file: ArrayFile, names: ArrayNames, *, n_written: int | None = None, activation: Activation | None = None
) -> LayerTranscoder:
    """A layer from one file. The activation is JumpReLU or ReLU, by the arrays, unless it is given.

    `n_written` asks for a decoder `[feature, n_written, d_model]`. Raises ClewError for an array that is
    missing, not of floats, or of a shape that the others do not allow.
    """
    n_features, d_model = file.length(names.encoder_bias), file.length(names.decoder_bias)
    decoder = (n_features, d_model) if n_written is None else (n_features, n_written, d_model)
    return LayerTranscoder(
        encoder=read_encoder(file, names, n_features, d_model),
        encoder_bias=file.weights(names.encoder_bias, n_features),
        decoder=Decoder(file.weights(names.decoder, *decoder)),
        decoder_bias=file.weights(names.decoder_bias, d_model),
        activation=activation or threshold_activation(file, names, n_features),
        skip=read_skip(file, names, d_model),
    )


def read_encoder(file: ArrayFile, names: ArrayNames, n_features: int, d_model: int) -> Weights:
    """`[feature, d_model]`, whichever way round the file has it."""
    if names.encoder_by_column:
        return transpose(file.weights(names.encoder, d_model, n_features))
    return file.weights(names.encoder, n_features, d_model)


def read_skip(file: ArrayFile, names: ArrayNames, d_model: int) -> Weights | None:
    """`[d_model, d_model]`, to be applied as `skip @ x`."""
    skip = file.optional(names.skip, d_model, d_model)
    return transpose(skip) if skip and names.skip_by_column else skip


def threshold_activation(file: ArrayFile, names: ArrayNames, n_features: int) -> Activation:
    """JumpReLU where the file holds thresholds, ReLU where it does not."""
    threshold = file.optional(names.threshold, n_features)
    if threshold is None:
        return ReLU()
    if names.rectified and bool(((values := threshold.read()) < 0).any()):
        return JumpReLU(HeldWeights(values.clamp(min=0)))
    return JumpReLU(threshold)


def check_widths(
    source: TranscoderFiles, layers: Mapping[int, LayerTranscoder], files: Mapping[int, str]
) -> None:
    """Raises ClewError where layers were not made for a stream of one width."""
    first = min(layers)
    for layer, transcoder in layers.items():
        if transcoder.d_model != layers[first].d_model:
            raise ClewError(
                f"{source.name} mixes models: {files[layer]} has d_model {transcoder.d_model}, but "
                f"{files[first]} has {layers[first].d_model}."
            )
