"""SAELens's transcoders: cfg.json with sae_weights.safetensors, one folder per layer or a single one.

W_enc `[d_in, feature]`, W_dec `[feature, d_out]`, b_enc, b_dec, `threshold` for JumpReLU, and `W_skip`
`[d_out, d_in]`, applied as `x @ W_skip.T`. cfg.json names the hooks, from version 6 on under `metadata`.

The format: https://github.com/decoderesearch/SAELens
"""

from __future__ import annotations

from collections.abc import Sequence

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.transcoder_files import FileSettings, Format, TranscoderFiles, only
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.progress import OnNote

NAMES = ArrayNames(encoder_by_column=True, rectified=True)
READ_HOOK, WRITE_HOOK = "hook_name", "hook_name_out"
ARCHITECTURES = {
    "transcoder": (),
    "skip_transcoder": ("W_skip",),
    "jumprelu_transcoder": ("threshold",),
    "jumprelu_skip_transcoder": ("threshold", "W_skip"),
}
"""Architectures, with the arrays that each has besides the usual ones."""
HARMLESS = {
    "normalize_activations": (None, "none", False),
    "reshape_activations": (None, "none"),
    "apply_b_dec_to_input": (None, False),
    "hook_head_index": (None,),
    "hook_head_index_out": (None,),
}
"""Harmless values of settings; with others a feature is no fixed direction at the read point.

SAELens's transcoders never subtract b_dec, whatever `apply_b_dec_to_input` says (newer versions refuse it).
`expected_average_only_in` scales by a number that the files do not hold."""


def choose_files(files: Sequence[str], _: str, __: OnNote) -> list[str]:
    return [file for file in files if file.rpartition("/")[2] == "sae_weights.safetensors"]


def holds(file: ArrayFile) -> bool:
    named_by_saelens = file.path.name == "sae_weights.safetensors"
    return "W_enc" in file and (named_by_saelens or (file.path.parent / "cfg.json").is_file())


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for an autoencoder, and for settings that cannot be represented exactly."""
    settings = {name: _settings(files, name) for name in files.weights}
    names = files.layers({name: layer_of_hook(each.text(READ_HOOK)) for name, each in settings.items()})
    layers = {layer: _layer(files.open(name), settings[name]) for layer, name in names.items()}
    points = files.points(settings.values(), READ_HOOK, WRITE_HOOK)
    trained_on = only(each.text("model_name") for each in settings.values())
    return TranscoderSet(layers, *points, FORMAT.name, trained_on=trained_on)


def _settings(files: TranscoderFiles, name: str) -> FileSettings:
    """The cfg.json beside a file; its `metadata` counts as settings too."""
    settings = files.settings_beside(name, "cfg.json")
    architecture = str(settings.get("architecture", "standard"))
    if architecture not in ARCHITECTURES:
        raise ClewError(
            f"{settings.path} says architecture: {architecture}, but clew needs transcoders "
            f"({', '.join(ARCHITECTURES)}): an autoencoder reads and writes at one place and replaces no "
            "MLP. Name transcoders."
        )
    metadata = settings.get("metadata")
    if isinstance(metadata, dict):
        stated = {key: value for key, value in metadata.items() if value is not None}
        settings = FileSettings(settings.path, {**settings.values, **stated})
    settings.refuse(HARMLESS)
    return settings


def _layer(file: ArrayFile, settings: FileSettings) -> LayerTranscoder:
    n_features, d_model = file.length(NAMES.encoder_bias), file.length(NAMES.decoder_bias)
    settings.check_sizes(file, n_features, d_model, {"d_in": d_model, "d_out": d_model, "d_sae": n_features})
    arrays = ARCHITECTURES[settings.text("architecture")]
    for name in (NAMES.threshold, NAMES.skip):
        if (name in file) != (name in arrays):
            raise ClewError(
                f"{file.path} {'has' if name in file else 'lacks'} {name}, but its cfg.json says "
                f"architecture: {settings.text('architecture')}; fetch both from the same set."
            )
    return read_layer(file, NAMES)


FORMAT = Format(
    "SAELens", "cfg.json, sae_weights.safetensors (one folder per layer)", choose_files, holds, load
)
