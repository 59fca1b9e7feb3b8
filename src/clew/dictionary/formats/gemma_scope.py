"""Gemma Scope's transcoders (Lieberum et al. 2024): layer_N/width_W/average_l0_L/params.npz.

W_enc `[d_model, feature]`, W_dec `[feature, d_model]`, b_enc, b_dec, threshold. They read after the
scale of the norm in front of the MLP and before its gain, and write what joins the stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.layer_arrays import ArrayNames, check_widths, read_layer
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError

NAMES = ArrayNames(encoder_by_column=True, rectified=True)
USUAL_L0 = 100
"""Where a layer was trained at several sparsities, the nearest to this is taken."""


def choose(files: Sequence[str], name: str, note: Note) -> list[str]:
    """One file per layer. Raises ClewError where several widths are there."""
    found = [file for file in files if file.rpartition("/")[2] == "params.npz"]
    widths = sorted({match[0] for file in found if (match := re.search(r"width_\w+", file))})
    if len(widths) > 1:
        raise ClewError(
            f"{name} holds transcoders of several widths ({', '.join(widths)}): choose one by a pattern, as "
            f"in {name.partition('@')[0].rstrip('/')}/layer_*/{widths[0]}."
        )
    by_layer: dict[str, list[str]] = {}
    for file in found:
        by_layer.setdefault(re.split(r"/?average_l0_", file)[0], []).append(file)
    chosen = [min(layer, key=_distance) for layer in by_layer.values()]
    if len(chosen) < len(found):
        ordered = sorted(chosen, key=_layer_then_name)
        listed = ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
        note(f"Several sparsities per layer: took those nearest to L0 = {USUAL_L0} ({listed}).")
    return chosen


def holds(file: ArrayFile) -> bool:
    return file.path.suffix == ".npz" and "W_enc" in file


def load(source: TranscoderFiles) -> TranscoderSet:
    files = source.layers()
    layers = {layer: read_layer(source.open(name), NAMES) for layer, name in files.items()}
    for layer, name in files.items():
        source.open(name).weights(NAMES.threshold, layers[layer].n_features)
    check_widths(source, layers, files)
    return TranscoderSet(
        layers,
        source.read_point(default=ReadPoint.NORMALIZED),
        source.write_point(default=WritePoint.STREAM),
        FORMAT.name,
        trained_on=source.model_name,
    )


def _distance(file: str) -> tuple[int, str]:
    match = re.search(r"average_l0_(\d+)", file)
    return (abs(int(match[1]) - USUAL_L0) if match else 0, file)


def _layer_then_name(file: str) -> tuple[int, str]:
    match = re.search(r"layer_(\d+)", file)
    return (int(match[1]) if match else -1, file)


FORMAT = Format(
    "Gemma Scope", "layer_N/width_W/average_l0_L/params.npz", choose=choose, holds=holds, load=load
)
