"""circuit-tracer's cross-layer transcoder: config.yaml, W_enc_N and W_dec_N.safetensors.

`W_enc_N.safetensors` holds `W_enc_N [feature, d_model]`, `b_enc_N`, `b_dec_N`, and optionally `threshold_N`
and `W_skip_N` (applied as `x @ W_skip_N`). `W_dec_N.safetensors` holds `W_dec_N [feature, n_layers - N,
d_model]`; its entry j writes to layer N + j.

The format: https://github.com/decoderesearch/circuit-tracer
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.circuit_tracer import configured_set, read_arrays, stated_activation
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.quantised_arrays import row_format
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles, layer_in, require_all
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.progress import OnNote

FILE = re.compile(r"W_(enc|dec)_\d+\.safetensors")


def choose_files(files: Sequence[str], _: str, __: OnNote) -> list[str]:
    return [name for name in files if FILE.fullmatch(name)]


def holds(file: ArrayFile) -> bool:
    return any(re.fullmatch(r"W_(enc|dec)_\d+", name) for name in file.entries)


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` unless every layer has its encoder and its decoder."""
    files.require_folder()
    encoders, decoders = _names(files, "enc"), _names(files, "dec")
    if not encoders:
        raise ClewError(f"{files.name} has decoders (W_dec_N) but no encoders (W_enc_N); fetch them too.")
    require_all(files, list(encoders), "encoders (W_enc_N)")
    if unpaired := sorted(set(encoders) ^ set(decoders)):
        missing = f"W_dec_{unpaired[0]}" if unpaired[0] in encoders else f"W_enc_{unpaired[0]}"
        raise ClewError(f"{files.name} has no {missing}.safetensors; fetch it too.")
    layers = {
        layer: _layer(files, layer, encoders[layer], decoders[layer], len(encoders))
        for layer in sorted(encoders)
    }
    return configured_set(files, layers, FORMAT.name)


def _names(files: TranscoderFiles, part: str) -> dict[int, str]:
    names = [name for name in files.weights if FILE.fullmatch(name) and name.startswith(f"W_{part}_")]
    return {layer: name for name in names if (layer := layer_in(name)) is not None}


def _layer(files: TranscoderFiles, layer: int, encoder: str, decoder: str, n_layers: int) -> LayerTranscoder:
    names = ArrayNames(
        encoder=f"W_enc_{layer}",
        encoder_bias=f"b_enc_{layer}",
        decoder=f"W_dec_{layer}",
        decoder_bias=f"b_dec_{layer}",
        threshold=f"threshold_{layer}",
        skip=f"W_skip_{layer}",
        skip_by_column=True,
    )
    file, decoder_file = files.open(encoder), files.open(decoder)
    activation = stated_activation(files, layer, file, names.threshold)
    refuse_unread(decoder_file, read_arrays(decoder_file, [names.decoder], None))
    in_encoder = [name for name in names.all if name != names.decoder]
    refuse_unread(file, read_arrays(file, in_encoder, activation))
    return read_layer(
        file,
        names,
        n_written=n_layers - layer,
        activation=activation,
        decoder_file=decoder_file,
        rows=row_format(files.config, file.path),
    )


FORMAT = Format(
    "circuit-tracer CLT", "config.yaml, W_enc_N.safetensors, W_dec_N.safetensors", choose_files, holds, load
)
