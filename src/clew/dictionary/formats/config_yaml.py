"""`config.yaml` of circuit-tracer's folders: files, hooks and activation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clew.dictionary.read_write_points import WritePoint
from clew.errors import ClewError

FILE = "config.yaml"
KINDS = ("transcoder_set", "cross_layer_transcoder")
WRITE_POINT = "clew_write_point"
"""The key of a write point without a hook in this format; other tools ignore it."""
LAYERS = "clew_layers"
"""The key of the layers in a folder that does not hold all."""
K_BY_LAYER = "clew_k"
"""The key of k by layer, if the layers differ."""


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


def read_config(path: Path) -> SetConfig:
    """Read a config.yaml. Raises `ClewError` for a damaged one, and for values that make no sense."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ClewError(f"{path} is not readable YAML: {reason}; correct it or fetch it again.") from error
    if not isinstance(content, dict):
        raise ClewError(f"{path} holds no settings; write model_kind, hooks and so on into it.")
    kind = _text(path, content, "model_kind")
    if kind and kind not in KINDS:
        raise _wrong(path, "model_kind", kind, " or ".join(KINDS))
    return SetConfig(
        path=path,
        kind=kind,
        read_hook=_text(path, content, "feature_input_hook"),
        write_hook=_text(path, content, "feature_output_hook"),
        links=_links(path, content),
        activation=_text(path, content, "activation").lower(),
        k=_whole_number(path, content, "k"),
        model_name=_text(path, content, "model_name"),
        write_point=_write_point(path, content),
        layers=_whole_numbers(path, content, LAYERS),
        k_by_layer=_whole_numbers(path, content, K_BY_LAYER),
    )


def _text(path: Path, content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(path, key, repr(value), "a word")
    return value or ""


def _whole_number(path: Path, content: dict[str, Any], key: str) -> int | None:
    value = content.get(key)
    if value is not None and (type(value) is not int or value < 1):
        raise _wrong(path, key, repr(value), "a whole number above 0")
    return value


def _whole_numbers(path: Path, content: dict[str, Any], key: str) -> tuple[int, ...] | None:
    value = content.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or any(type(item) is not int or item < 0 for item in value):
        raise _wrong(path, key, repr(value), "a list of whole numbers")
    return tuple(value)


def _links(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    links = content.get("transcoders") or []
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        raise _wrong(path, "transcoders", "...", "a list of links, one per layer")
    if twice := next((link for link in links if links.count(link) > 1), None):
        raise ClewError(f"{path} lists {twice} for two layers; list one file for each layer.")
    return tuple(links)


def _write_point(path: Path, content: dict[str, Any]) -> WritePoint | None:
    name = _text(path, content, WRITE_POINT)
    if not name:
        return None
    if name.upper() not in WritePoint.__members__:
        raise _wrong(path, WRITE_POINT, name, " or ".join(point.name.lower() for point in WritePoint))
    return WritePoint[name.upper()]


def _wrong(path: Path, key: str, value: str, expected: str) -> ClewError:
    return ClewError(f"{path} says {key}: {value}; correct it to {expected}.")
