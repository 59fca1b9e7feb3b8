"""SAELens transcoders: cfg.json with sae_weights.safetensors, one folder per layer or a single one.

W_enc `[d_in, feature]`, W_dec `[feature, d_out]`, b_enc, b_dec, `threshold` for JumpReLU, and `W_skip`
`[d_out, d_in]`, applied as `x @ W_skip.T`. The hooks stand in cfg.json, from version 6 on under `metadata`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.dictionary.formats.layer_arrays import ArrayNames, check_widths, read_layer
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError

NAMES = ArrayNames(encoder_by_column=True, rectified=True)
ARCHITECTURES = {
    "transcoder": (),
    "skip_transcoder": ("W_skip",),
    "jumprelu_transcoder": ("threshold",),
    "jumprelu_skip_transcoder": ("threshold", "W_skip"),
}
"""And the arrays that each has besides the usual ones."""
REFUSED = {
    "normalize_activations": (None, "none", False),
    "reshape_activations": (None, "none"),
    "apply_b_dec_to_input": (None, False),
    "hook_head_index": (None,),
    "hook_head_index_out": (None,),
}
"""Settings under which a feature is no fixed direction at the read point, and the values that are harmless.

SAELens's transcoders never subtract b_dec, whatever `apply_b_dec_to_input` says (newer versions refuse it);
`expected_average_only_in` scales by a number that the files do not hold."""


def choose(files: Sequence[str], _: str, __: Note) -> list[str]:
    return [file for file in files if file.rpartition("/")[2] == "sae_weights.safetensors"]


def holds(file: ArrayFile) -> bool:
    of_saelens = file.path.name == "sae_weights.safetensors"
    return "W_enc" in file and (of_saelens or (file.path.parent / "cfg.json").is_file())


def load(source: TranscoderFiles) -> TranscoderSet:
    """Raises ClewError for what is an autoencoder and for settings that cannot be represented exactly."""
    settings = {name: _settings(source, name) for name in source.weights}
    told = {
        name: layer
        for name, said in settings.items()
        if (layer := layer_of_hook(str(_said(said, "hook_name")))) is not None
    }
    files = source.layers(told)
    layers = {layer: _layer(source.open(name), settings[name]) for layer, name in files.items()}
    check_widths(source, layers, files)
    points = {
        (
            source.read_point(_said(said, "hook_name") or "", where=f"The cfg.json of {name}"),
            source.write_point(_said(said, "hook_name_out") or "", where=f"The cfg.json of {name}"),
        )
        for name, said in settings.items()
    }
    if len(points) > 1:
        raise ClewError(f"{source.name} reads or writes at different points in different layers: split it.")
    models = {str(model) for said in settings.values() if (model := _said(said, "model_name"))}
    return TranscoderSet(
        layers, *points.pop(), FORMAT.name, trained_on=models.pop() if len(models) == 1 else ""
    )


def _said(settings: Mapping[str, Any], key: str) -> Any:
    metadata = settings.get("metadata")
    if isinstance(metadata, dict) and metadata.get(key) is not None:
        return metadata[key]
    return settings.get(key)


def _settings(source: TranscoderFiles, name: str) -> dict[str, Any]:
    folder = name.rpartition("/")[0]
    path = f"{folder}/cfg.json" if folder else "cfg.json"
    said = source.settings(path)
    architecture = str(said.get("architecture", "standard"))
    if architecture not in ARCHITECTURES:
        raise ClewError(
            f"{source.files[path]} says architecture: {architecture}, but clew traces through transcoders "
            f"({', '.join(ARCHITECTURES)}): an autoencoder reads and writes at one place, it stands in for "
            "no MLP."
        )
    for key, harmless in REFUSED.items():
        if _said(said, key) not in harmless:
            raise ClewError(
                f"{source.files[path]} says {key}: {_said(said, key)}, which clew cannot represent exactly: "
                "fold it into the weights and save them without it."
            )
    return said


def _layer(file: ArrayFile, settings: Mapping[str, Any]) -> LayerTranscoder:
    n_features, d_model = file.length(NAMES.encoder_bias), file.length(NAMES.decoder_bias)
    for key, size in (("d_in", d_model), ("d_out", d_model), ("d_sae", n_features)):
        if settings.get(key, size) != size:
            raise ClewError(
                f"{file.path} has d_model {d_model} and {n_features} features, but its cfg.json says "
                f"{key}: {settings[key]}: they belong to different sets."
            )
    extra = ARCHITECTURES[settings["architecture"]]
    for name in (NAMES.threshold, NAMES.skip):
        if (name in file) != (name in extra):
            raise ClewError(
                f"{file.path} {'has' if name in file else 'lacks'} {name}, but its cfg.json says "
                f"architecture: {settings['architecture']}: they belong to different sets."
            )
    return read_layer(file, NAMES)


FORMAT = Format("SAELens", "cfg.json, sae_weights.safetensors (one folder per layer)", choose, holds, load)
