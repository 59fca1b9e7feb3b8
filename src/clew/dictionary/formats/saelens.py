"""SAELens's transcoders: cfg.json with sae_weights.safetensors, one folder per layer or a single one.

W_enc `[d_in, feature]`, W_dec `[feature, d_out]`, b_enc, b_dec, `threshold` for JumpReLU, and `W_skip`
`[d_out, d_in]`, applied as `x @ W_skip.T`. cfg.json names the hooks, from version 6 on under `metadata`.
`clew.dictionary.formats.saelens_keys` has its keys. These settings are folded:

- `apply_b_dec_to_input` takes b_dec off the input; an output bias is then b_dec too, or `b_dec_out`.
- `finetuning_scaling_factor` multiplies each activation by a number, which goes into the decoder.
- `normalize_activations` multiplies inputs, and divides outputs, by one number, if the files hold it.

The format: https://github.com/decoderesearch/SAELens
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.config_keys import POSITIVE, ConfigKeys
from clew.dictionary.formats.file_settings import FileSettings
from clew.dictionary.formats.folding import scale_rows, scaled, taken_off_input
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.saelens_keys import (
    ARCHITECTURES,
    HOOK_LAYERS,
    READ_HOOKS,
    WRITE_HOOKS,
    read_saelens_settings,
)
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles, only
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.progress import OnNote

NAMES = ArrayNames(encoder_by_column=True, rectified=True)
FACTORS = ("finetuning_scaling_factor", "scaling_factor")
"""The two names of the array behind the setting `finetuning_scaling_factor`."""
SECOND_BIAS = "b_dec_out"
SCALER = "activation_scaler.json"
SCALER_KEYS = ConfigKeys(used={"scaling_factor": POSITIVE})


def choose_files(files: Sequence[str], _: str, __: OnNote) -> list[str]:
    return [file for file in files if file.rpartition("/")[2] == "sae_weights.safetensors"]


def holds(file: ArrayFile) -> bool:
    named_by_saelens = file.path.name == "sae_weights.safetensors"
    return "W_enc" in file and (named_by_saelens or (file.path.parent / "cfg.json").is_file())


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for an autoencoder, and for settings that cannot be represented exactly."""
    settings = {
        name: read_saelens_settings(files.settings_beside(name, "cfg.json")) for name in files.weights
    }
    hooks = (*READ_HOOKS, *WRITE_HOOKS)
    names = files.layers({name: each.layer(READ_HOOKS) for name, each in settings.items()})
    for each in settings.values():
        each.layer(hooks, HOOK_LAYERS)
    layers = {
        layer: _Part(files.open(name), settings[name], _input_scale(files, name, settings[name])).read()
        for layer, name in names.items()
    }
    points = files.points(settings.values(), READ_HOOKS, WRITE_HOOKS)
    with_bos = {each.get("prepend_bos") for each in settings.values()}
    return TranscoderSet(
        layers,
        *points,
        FORMAT.name,
        trained_on=only(map(_trained_on, settings.values())),
        trained_with_bos=with_bos.pop() if len(with_bos) == 1 else None,
        hooks=tuple(each.text(*keys) for each in settings.values() for keys in (READ_HOOKS, WRITE_HOOKS)),
    )


def _trained_on(settings: FileSettings) -> str:
    """The model that a file names, with its revision behind an @."""
    name, revision = (
        settings.text("model_name"),
        settings.get("model_from_pretrained_kwargs", {}).get("revision"),
    )
    return f"{name}@{revision}" if name and revision else name


def _input_scale(files: TranscoderFiles, name: str, settings: FileSettings) -> float:
    """The factor of the inputs in training, from the file beside the weights; 1 without a normalisation.

    Raises `ClewError` for a normalisation whose factor the files do not hold, and for a factor without one.
    """
    stated = settings.get("normalize_activations", "none")
    scaler = files.settings_beside(name, SCALER, FileSettings(settings.path.with_name(SCALER), {}))
    scaler.check(SCALER_KEYS)
    factors = {
        "constant_scalar_rescale": (settings, "activation_normalization_factor"),
        "expected_average_only_in": (scaler, "scaling_factor"),
    }
    wanted = "expected_average_only_in" if stated is True else stated
    for kind, (place, key) in factors.items():
        factor = place.get(key, 1 if kind != wanted else None)
        if factor is None:
            raise ClewError(
                f"{settings.path} says normalize_activations: {stated}, but {place.path} does not hold the "
                f"factor ({key}); fold it into the weights and save them with normalize_activations: none."
            )
        if kind != wanted and factor != 1:
            raise ClewError(
                f"{place.path} says {key}: {factor}, but {settings.path} says normalize_activations: "
                f"{stated}; correct one of the two."
            )
    if wanted not in factors:
        return 1.0
    place, key = factors[wanted]
    return float(place.get(key))


@dataclass(frozen=True)
class _Part:
    """One layer's file with its settings."""

    file: ArrayFile
    settings: FileSettings
    input_scale: float

    def read(self) -> LayerTranscoder:
        file, settings = self.file, self.settings
        n_features, d_model = file.length(NAMES.encoder_bias), file.length(NAMES.decoder_bias)
        sizes = {"d_in": d_model, "d_out": d_model, "d_sae": n_features}
        settings.check_sizes(file, n_features, d_model, sizes)
        arrays = ARCHITECTURES[settings.text("architecture")]
        for name in (NAMES.threshold, NAMES.skip):
            if (name in file) != (name in arrays):
                raise ClewError(
                    f"{file.path} {'has' if name in file else 'lacks'} {name}, but its cfg.json says "
                    f"architecture: {settings.text('architecture')}; fetch both from the same set."
                )
        layer, bias_names = self._with_input_bias(read_layer(file, NAMES))
        layer, factor_names = self._with_factors(layer)
        refuse_unread(file, [*NAMES.all, *bias_names, *factor_names])
        return self._scaled(layer)

    def _with_input_bias(self, layer: LayerTranscoder) -> tuple[LayerTranscoder, list[str]]:
        """The layer with b_dec taken off its input where the settings say so, and the arrays read for "
        "that."""
        taken_off = self.settings.require(
            "apply_b_dec_to_input",
            "add true if b_dec is taken off the input, as SAELens does by default, or false if it is not",
        )
        if self.settings.text("sae_lens_version").startswith("6.5."):
            taken_off = False  # that version's transcoders took nothing off, whatever the setting said
        bias = layer.decoder_bias
        if not taken_off or bias is None:
            return layer, []
        folded = replace(layer, encoder_bias=taken_off_input(layer.encoder, layer.encoder_bias, bias))
        second = self.file.optional(SECOND_BIAS, layer.d_model)
        if second is None:
            return folded, []
        return replace(folded, decoder_bias=second), [SECOND_BIAS]

    def _with_factors(self, layer: LayerTranscoder) -> tuple[LayerTranscoder, list[str]]:
        """The layer with its activations multiplied, and the arrays read for that."""
        stated = self.settings.get("finetuning_scaling_factor", False)
        held = [name for name in FACTORS if name in self.file]
        factors = [self.file.weights(name, layer.n_features).read() for name in held]
        if not stated:
            # SAELens has saved factors of 1 under either name, which change nothing.
            neutral = [name for name, each in zip(held, factors, strict=True) if bool((each == 1).all())]
            return layer, neutral
        if len(held) != 1:
            lacks = (
                f"{self.file.path} lacks an array of that name" if not held else "there are two arrays of it"
            )
            raise ClewError(
                f"{self.settings.path} says finetuning_scaling_factor: True, but {lacks}; fetch the set "
                "again."
            )
        return replace(layer, decoder=Decoder(scale_rows(layer.decoder.weights, factors[0]))), held

    def _scaled(self, layer: LayerTranscoder) -> LayerTranscoder:
        """The layer with the scale of its inputs and outputs folded."""
        if self.input_scale == 1:
            return layer
        bias = layer.decoder_bias
        return replace(
            layer,
            encoder=scaled(layer.encoder, self.input_scale),
            decoder=Decoder(scaled(layer.decoder.weights, 1 / self.input_scale)),
            decoder_bias=bias and scaled(bias, 1 / self.input_scale),
        )


FORMAT = Format(
    "SAELens", "cfg.json, sae_weights.safetensors (one folder per layer)", choose_files, holds, load
)
