"""`config.yaml` of circuit-tracer's folders: files, hooks and activation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.dictionary import quantised_rows
from clew.dictionary.formats.config_keys import (
    COUNT,
    FLAG,
    INDEX,
    WORD,
    ConfigKeys,
    list_of,
    one_number_of,
    one_of,
    shown,
)
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.dictionary.read_write_points import WritePoint
from clew.errors import ClewError
from clew.yaml_file import read_yaml

FILE = "config.yaml"
KINDS = ("transcoder_set", "cross_layer_transcoder")
WRITE_POINT = "clew_write_point"
"""The key of a write point without a hook in this format; other tools ignore it."""
LAYERS = "clew_layers"
"""The key of the layers in a folder that does not hold all."""
K_BY_LAYER = "clew_k"
"""The key of k by layer, if the layers differ."""
SINK = "clew_sink"
"""The key of the first token that the transcoders were trained behind: a text, `bos` or `none`; `sink`
is read too."""
WITH_BOS = "clew_trained_with_bos"
"""The key that says whether they were trained on prompts with the model's BOS in front."""
BITS = "clew_bits"
"""The key of the bits of packed integers, for matrices that are saved as such."""
GROUP = "clew_group"
"""The key of the number of neighbours in a row that share a scale."""

KEYS = ConfigKeys(
    used={
        "model_name": WORD,
        "model_kind": one_of(*KINDS),
        "feature_input_hook": WORD,
        "feature_output_hook": WORD,
        "transcoders": list_of(WORD, "a list of links, one per layer"),
        "activation": WORD,
        "k": COUNT,
        WRITE_POINT: one_of(*(point.name.lower() for point in WritePoint)),
        LAYERS: list_of(INDEX, "a list of whole numbers"),
        K_BY_LAYER: list_of(COUNT, "a list of whole numbers"),
        SINK: WORD,
        "sink": WORD,
        WITH_BOS: FLAG,
        BITS: one_number_of(quantised_rows.BITS),
        GROUP: COUNT,
    },
    harmless={"where it lies, for other tools": "scan repo_id revision subfolder"},
)


@dataclass(frozen=True)
class SetConfig:
    """The content of a config.yaml; empty or None for missing keys."""

    path: Path
    kind: str = ""
    read_hook: str = ""
    write_hook: str = ""
    links: tuple[str, ...] = ()
    """One file per layer, in order: `hf://org/repo/path?revision=...` or a path beside config.yaml."""
    activation: str = ""
    k: int | None = None
    model_name: str = ""
    write_point: WritePoint | None = None
    layers: tuple[int, ...] | None = None
    k_by_layer: tuple[int, ...] | None = None
    sink: str | None = None
    trained_with_bos: bool | None = None
    bits: int | None = None
    group: int | None = None


def read_config(path: Path) -> SetConfig:
    """Read a config.yaml. Raises `ClewError` for a damaged one, and for values that make no sense."""
    content = _content(path)
    KEYS.check(path, content)
    links = content.get("transcoders") or ()
    if twice := next((link for link in links if links.count(link) > 1), None):
        raise ClewError(f"{path} lists {shown(twice)} for two layers; list one file for each layer.")
    sink, of_others = content.get(SINK), content.get("sink")
    if sink and of_others and sink != of_others:
        raise ClewError(
            f"{path} says {SINK}: {shown(sink)}, but sink: {shown(of_others)}; delete the one that is wrong."
        )
    write_point, layers, ks = (content.get(key) for key in (WRITE_POINT, LAYERS, K_BY_LAYER))
    config = SetConfig(
        path=path,
        kind=content.get("model_kind") or "",
        read_hook=content.get("feature_input_hook") or "",
        write_hook=content.get("feature_output_hook") or "",
        links=tuple(links),
        activation=(content.get("activation") or "").lower(),
        k=content.get("k"),
        model_name=content.get("model_name") or "",
        write_point=WritePoint[write_point.upper()] if write_point else None,
        layers=None if layers is None else tuple(layers),
        k_by_layer=None if ks is None else tuple(ks),
        sink=sink or of_others,
        trained_with_bos=content.get(WITH_BOS),
        bits=content.get(BITS),
        group=content.get(GROUP),
    )
    _check_together(config)
    return config


def _check_together(config: SetConfig) -> None:
    """Raise `ClewError` for settings that contradict each other."""
    if (config.sink, config.trained_with_bos) in (("none", True), ("bos", False)):
        raise ClewError(
            f"{config.path} says {SINK}: {shown(config.sink)}, but {WITH_BOS}: "
            f"{shown(config.trained_with_bos)}; delete the one that is wrong."
        )
    if config.activation != "topk" and (config.k or config.k_by_layer):
        key, value = ("k", config.k) if config.k else (K_BY_LAYER, list(config.k_by_layer or ()))
        stated = f"activation: {shown(config.activation)}" if config.activation else "no activation"
        raise ClewError(
            f"{config.path} says {stated}, but {key}: {shown(value)}, which only a TopK has; write "
            "activation: topk, or delete the number."
        )
    reads, writes = layer_of_hook(config.read_hook), layer_of_hook(config.write_hook)
    if reads is not None and writes is not None and reads != writes:
        raise ClewError(
            f"{config.path} says that features read at {shown(config.read_hook)} and write at "
            f"{shown(config.write_hook)}, "
            "in another layer, which clew does not support; correct the two."
        )


def check_layers(config: SetConfig, found: list[int], *, whole: bool) -> None:
    """Raise `ClewError` for layers that the files lack, and for the hook of one layer in a set of others.

    `whole` is False for one file of a set, which need not hold all layers.
    """
    held = f"but the files hold layers {', '.join(map(str, found))}"
    if whole and config.layers is not None and sorted(config.layers) != found:
        raise ClewError(
            f"{config.path} says {LAYERS}: {shown(list(config.layers))}, {held}; fetch the missing files, or "
            "correct it."
        )
    if whole and config.k_by_layer is not None and len(config.k_by_layer) != len(found):
        raise ClewError(
            f"{config.path} says {K_BY_LAYER}: {shown(list(config.k_by_layer))}, {held}; correct it to one "
            "number for each layer."
        )
    for hook in (config.read_hook, config.write_hook):
        if (layer := layer_of_hook(hook)) is not None and layer not in found:
            raise ClewError(
                f"{config.path} names the hook {shown(hook)} of layer {layer}, {held}; name the hook "
                "without its layer."
            )


def _content(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ClewError(f"{path} holds no settings; write model_kind, hooks and so on into it.")
    return content
