"""The arrays of one layer, under a format's names; each shape is checked against the others."""

from __future__ import annotations

from dataclasses import dataclass

from clew.dictionary.activation import Activation, JumpReLU, ReLU
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.quantised_arrays import RowFormat, read_matrix
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights, transpose


@dataclass(frozen=True)
class ArrayNames:
    """A format's names of its arrays, and their orientation."""

    encoder: str = "W_enc"
    encoder_bias: str = "b_enc"
    decoder: str = "W_dec"
    decoder_bias: str = "b_dec"
    threshold: str = "threshold"
    skip: str = "W_skip"
    encoder_by_column: bool = False
    """True for an encoder `[d_model, feature]`."""
    skip_by_column: bool = False
    """True for a skip connection that is applied as `x @ skip`, not as `skip @ x`."""
    rectified: bool = False
    """True if a threshold below zero lets nothing negative pass."""

    @property
    def all(self) -> list[str]:
        """Every array that `read_layer` reads where it is there."""
        return [self.encoder, self.encoder_bias, self.decoder, self.decoder_bias, self.threshold, self.skip]


def read_layer(
    file: ArrayFile,
    names: ArrayNames,
    *,
    n_written: int | None = None,
    activation: Activation | None = None,
    decoder_file: ArrayFile | None = None,
    rows: RowFormat | None = None,
) -> LayerTranscoder:
    """A layer from one file, or two; without an `activation` the arrays decide: JumpReLU or ReLU.

    With `n_written` the decoder is `[feature, n_written, d_model]`. Matrices may be packed integers, of which
    `rows` says the format. Raises `ClewError` for an array that is
    missing, not of floats, or of a shape that the others do not allow.
    """
    n_features, d_model = file.length(names.encoder_bias), file.length(names.decoder_bias)
    decoder = (n_features, d_model) if n_written is None else (n_features, n_written, d_model)
    encoder = (d_model, n_features) if names.encoder_by_column else (n_features, d_model)
    weights = read_matrix(file, names.encoder, *encoder, rows=rows)
    skip = read_matrix(file, names.skip, d_model, d_model, rows=rows) if names.skip in file else None
    return LayerTranscoder(
        encoder=transpose(weights) if names.encoder_by_column else weights,
        encoder_bias=file.weights(names.encoder_bias, n_features),
        decoder=Decoder(read_matrix(decoder_file or file, names.decoder, *decoder, rows=rows)),
        decoder_bias=file.weights(names.decoder_bias, d_model),
        activation=activation or _threshold_activation(file, names, n_features),
        skip=transpose(skip) if skip and names.skip_by_column else skip,
    )


def _threshold_activation(file: ArrayFile, names: ArrayNames, n_features: int) -> Activation:
    """JumpReLU for a file with thresholds, else ReLU."""
    threshold = file.optional(names.threshold, n_features)
    if threshold is None:
        return ReLU()
    if names.rectified and bool(((values := threshold.read()) < 0).any()):
        return JumpReLU(HeldWeights(values.clamp(min=0)))
    return JumpReLU(threshold)
