"""`config.yaml` of circuit-tracer's folders: files, hooks and activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def value_of(key: str, expected: str, is_right: Callable[[Any], bool]) -> Any:
        value = content.get(key)
        if value is not None and not is_right(value):
            raise ClewError(f"{path} says {key}: {value}; correct it to {expected}.")
        return value

    def word(key: str) -> str:
        return value_of(key, "a word", lambda value: isinstance(value, str)) or ""

    def choice(key: str, choices: Sequence[str]) -> str:
        return value_of(key, " or ".join(choices), lambda value: value in ("", *choices)) or ""

    def numbers(key: str) -> tuple[int, ...] | None:
        values = value_of(key, "a list of whole numbers", lambda value: _is_list_of(int, value))
        return None if values is None else tuple(values)

    links = value_of("transcoders", "a list of links, one per layer", lambda value: _is_list_of(str, value))
    if twice := next((link for link in links or () if links.count(link) > 1), None):
        raise ClewError(f"{path} lists {twice} for two layers; list one file for each layer.")
    write_point = choice(WRITE_POINT, [point.name.lower() for point in WritePoint])
    return SetConfig(
        path=path,
        kind=choice("model_kind", KINDS),
        read_hook=word("feature_input_hook"),
        write_hook=word("feature_output_hook"),
        links=tuple(links or ()),
        activation=word("activation").lower(),
        k=value_of("k", "a whole number above 0", lambda value: type(value) is int and value > 0),
        model_name=word("model_name"),
        write_point=WritePoint[write_point.upper()] if write_point else None,
        layers=numbers(LAYERS),
        k_by_layer=numbers(K_BY_LAYER),
    )


def _is_list_of(kind: type, value: Any) -> bool:
    """True for a list of texts, or of whole numbers from 0."""
    return isinstance(value, list) and all(type(item) is kind and item >= kind() for item in value)
