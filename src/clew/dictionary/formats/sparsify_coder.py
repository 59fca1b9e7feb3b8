"""One sparse coder of sparsify: its arrays, its settings, and which of these clew cannot represent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.transcoder_files import TranscoderFiles
from clew.dictionary.weights import Weights
from clew.errors import ClewError

REQUIRED = {"transcode": True, "activation": "topk"}
REFUSED = {
    "coalesce_topk": ("none",),
    "topk_coalesced": (False,),
    "per_source_tied": (False,),
    "secondary_target_tied": (False,),
    "embed_skip": (False,),
    "gram_lookup": (False,),
}
"""Settings under which a feature is no fixed direction that writes fixed ones, and their harmless values."""


@dataclass(frozen=True)
class SparseCoder:
    """One hookpoint's file and settings."""

    file: ArrayFile
    settings: Mapping[str, Any]
    n_features: int
    d_model: int

    @property
    def n_targets(self) -> int:
        """How many hookpoints it writes to, its own counted."""
        return max(1, self.settings.get("n_targets", 0))

    @property
    def input_scale(self) -> float:
        return sqrt(self.d_model) / self._norm("in_norm")

    @property
    def output_scale(self) -> float:
        return self._norm("out_norm") / sqrt(self.d_model)

    def array(self, kind: str, target: int, *shape: int) -> Weights:
        """`W_dec`, or `W_decs.j` where there are several."""
        several = f"{kind}s.{target}"
        return self.file.weights(several if several in self.file or target else kind, *shape)

    def _norm(self, name: str) -> float:
        if not self.settings.get("normalize_io"):
            return sqrt(self.d_model)
        norm = float(self.file.weights(name, 1).read()[0])
        if norm <= 0:
            raise ClewError(
                f"{self.file.path} holds {name} = {norm:g}, but a norm is above 0: it is damaged."
            )
        return norm


def open_coder(source: TranscoderFiles, name: str) -> SparseCoder:
    """Raises ClewError for an autoencoder, and for settings or arrays that cannot be represented exactly."""
    file = source.open(name)
    folder = name.rpartition("/")[0]
    path = f"{folder}/cfg.json" if folder else "cfg.json"
    said = source.settings(path)
    for key, wanted in REQUIRED.items():
        if said.get(key) != wanted:
            why = "it is an autoencoder" if key == "transcode" else "clew cannot represent it exactly"
            raise ClewError(f"{source.files[path]} says {key}: {said.get(key)} and not {wanted}: {why}.")
    for key, harmless in REFUSED.items():
        if said.get(key, harmless[0]) not in harmless:
            raise ClewError(
                f"{source.files[path]} says {key}: {said[key]}, which clew cannot represent exactly."
            )
    for key, least in (("k", 1), ("n_targets", 0)):
        value = said.get(key, 0)
        if type(value) is not int or value < least:
            raise ClewError(
                f"{source.files[path]} says {key}: {value}, but this should be a whole number from "
                f"{least} on."
            )
    n_features, d_model = file.weights("encoder.weight", None, None).shape
    if said.get("d_in", d_model) != d_model or (said.get("num_latents") or n_features) != n_features:
        raise ClewError(
            f"{file.path} has d_model {d_model} and {n_features} features, but its cfg.json says d_in: "
            f"{said.get('d_in')} and num_latents: {said.get('num_latents')}: they belong to different sets."
        )
    coder = SparseCoder(file, said, n_features, d_model)
    _refuse_post_encoder(coder)
    return coder


def _refuse_post_encoder(coder: SparseCoder) -> None:
    """Biases and scales that are applied after the TopK, per target: harmless only where they do nothing."""
    for name in coder.file.entries:
        if not name.startswith("post_enc"):
            continue
        neutral = 1.0 if name.startswith("post_enc_scale") else 0.0
        if bool((coder.file.weights(name, coder.n_features).read() != neutral).any()):
            raise ClewError(
                f"{coder.file.path} holds a trained {name}: activations that depend on the layer they write "
                "to, which clew cannot represent exactly."
            )
