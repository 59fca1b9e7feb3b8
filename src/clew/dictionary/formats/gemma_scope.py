"""Gemma Scope's transcoders: layer_N/width_W/average_l0_L/params.npz.

W_enc `[d_model, feature]`, W_dec `[feature, d_model]`, b_enc, b_dec, threshold. Features read after the scale
of the norm in front of the MLP and before its gain, and write to the stream.

"Gemma Scope: Open Sparse Autoencoders Everywhere All At Once on Gemma 2", Lieberum et al. 2024,
https://arxiv.org/abs/2408.05147
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.dictionary.file_listing import some_of
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles, several_sets
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.progress import OnNote

NAMES = ArrayNames(encoder_by_column=True, rectified=True, skip="")
"""This format has no skip connections."""
USUAL_L0 = 100
"""The L0 to choose for a layer with several sparsities: the nearest to this one."""


AUTOENCODERS = re.compile(r"gemma-scope-[\w.]+-(?:pt|it)-(res|mlp|att)(?![a-z])")
"""The names of Gemma Scope's repositories of autoencoders, whose files are like those of its transcoders."""
PLACES = {"res": "the stream behind a layer", "mlp": "the output of an MLP", "att": "the heads of attention"}


def choose_files(files: Sequence[str], name: str, note: OnNote) -> list[str]:
    """One file per layer. Raises `ClewError` for several widths."""
    params = [file for file in files if file.rpartition("/")[2] == "params.npz"]
    widths = sorted({match[0] for file in params if (match := re.search(r"width_\w+", file))})
    if len(widths) > 1:
        raise several_sets(name, [f"layer_*/{width}" for width in widths])
    by_layer: dict[str, list[str]] = {}
    for file in params:
        by_layer.setdefault(re.split(r"/?average_l0_", file)[0], []).append(file)
    chosen = [min(layer, key=_distance) for layer in by_layer.values()]
    if len(chosen) < len(params):
        listed = some_of(sorted(chosen, key=_layer_then_name), 3)
        note(f"Several sparsities per layer; clew takes those nearest to L0 = {USUAL_L0} ({listed}).")
    return chosen


def holds(file: ArrayFile) -> bool:
    return file.path.suffix == ".npz" and "W_enc" in file


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for Gemma Scope's autoencoders, which only names tell from its transcoders."""
    for place in (files.name, *map(str, files.paths.values())):
        if match := AUTOENCODERS.search(place):
            raise ClewError(
                f"{files.name} holds Gemma Scope's autoencoders of {PLACES[match[1]]} ({match[0]}), which "
                "replace no MLP; name its transcoders, such as google/gemma-scope-2b-pt-transcoders."
            )
    layers = {}
    for layer, name in files.layers().items():
        file = files.open(name)
        file.weights(NAMES.threshold, file.length(NAMES.encoder_bias))
        layers[layer] = read_layer(file, NAMES)
        refuse_unread(file, NAMES.all)
    return TranscoderSet(
        layers,
        files.read_point(default=ReadPoint.NORMALIZED),
        files.write_point(default=WritePoint.STREAM),
        FORMAT.name,
        trained_on=files.model_name,
    )


def _distance(file: str) -> tuple[int, str]:
    match = re.search(r"average_l0_(\d+)", file)
    return (abs(int(match[1]) - USUAL_L0) if match else 0, file)


def _layer_then_name(file: str) -> tuple[int, str]:
    match = re.search(r"layer_(\d+)", file)
    return (int(match[1]) if match else -1, file)


FORMAT = Format("Gemma Scope", "layer_N/width_W/average_l0_L/params.npz", choose_files, holds, load)
