"""One sparse coder of sparsify: its arrays, and its settings with those that clew cannot represent."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.file_settings import FileSettings
from clew.dictionary.formats.transcoder_files import TranscoderFiles
from clew.dictionary.weights import Weights
from clew.errors import ClewError

REQUIRED = {"transcode": True, "activation": "topk"}
HARMLESS = {
    "coalesce_topk": ("none",),
    "topk_coalesced": (False,),
    "per_source_tied": (False,),
    "secondary_target_tied": (False,),
    "embed_skip": (False,),
    "gram_lookup": (False,),
}
"""Harmless values of settings; with others a feature has no fixed directions to read and write."""


@dataclass(frozen=True)
class SparseCoder:
    """One hookpoint's file and settings."""

    file: ArrayFile
    settings: FileSettings
    n_features: int
    d_model: int

    @property
    def n_targets(self) -> int:
        """The number of hookpoints that it writes to, with its own."""
        return max(1, self.settings.get("n_targets", 0))

    @property
    def input_scale(self) -> float:
        return sqrt(self.d_model) / self._norm("in_norm")

    @property
    def output_scale(self) -> float:
        return self._norm("out_norm") / sqrt(self.d_model)

    def array(self, kind: str, target: int, *shape: int) -> Weights:
        """`W_dec`, or `W_decs.j` for several targets."""
        several = f"{kind}s.{target}"
        return self.file.weights(several if several in self.file or target else kind, *shape)

    def _norm(self, name: str) -> float:
        if not self.settings.get("normalize_io"):
            return sqrt(self.d_model)
        norm = float(self.file.weights(name, 1).read()[0])
        if norm <= 0:
            raise ClewError(
                f"{self.file.path} holds {name} = {norm:g}, but a norm is above 0; fetch it again."
            )
        return norm


def open_coder(files: TranscoderFiles, name: str) -> SparseCoder:
    """Raises `ClewError` for an autoencoder, and for what clew cannot represent exactly."""
    file, settings = files.open(name), files.settings_beside(name, "cfg.json")
    for key, value in REQUIRED.items():
        if settings.get(key) != value:
            reason = "it is an autoencoder" if key == "transcode" else "clew cannot represent it exactly"
            raise ClewError(
                f"{settings.path} says {key}: {settings.get(key)} and not {value}: {reason}; name "
                "transcoders with a TopK."
            )
    settings.refuse(HARMLESS)
    for key, least in (("k", 1), ("n_targets", 0)):
        value = settings.get(key, 0)
        if type(value) is not int or value < least:
            raise ClewError(
                f"{settings.path} says {key}: {value}; correct it to a whole number from {least} on."
            )
    n_features, d_model = file.weights("encoder.weight", None, None).shape
    settings.check_sizes(file, n_features, d_model, {"d_in": d_model, "num_latents": n_features})
    coder = SparseCoder(file, settings, n_features, d_model)
    _refuse_post_encoder(coder)
    return coder


def _refuse_post_encoder(coder: SparseCoder) -> None:
    """Raise `ClewError` for biases and scales after the TopK, one per target, unless they do nothing."""
    for name in coder.file.entries:
        if not name.startswith("post_enc"):
            continue
        neutral = 1.0 if name.startswith("post_enc_scale") else 0.0
        if bool((coder.file.weights(name, coder.n_features).read() != neutral).any()):
            raise ClewError(
                f"{coder.file.path} holds a trained {name}, so an activation depends on the layer that it "
                "writes to, which clew cannot represent exactly; name a set without it."
            )
