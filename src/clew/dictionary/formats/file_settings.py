"""The settings of one weight file, read from the JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.config_keys import ConfigKeys, shown
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.errors import ClewError
from clew.files import cannot_read

MOST_BYTES = 2**20
"""Bytes of a file of settings."""


@dataclass(frozen=True)
class FileSettings:
    """The settings of one file."""

    path: Path
    values: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        """A setting; the default for a missing one and for null."""
        value = self.values.get(key)
        return default if value is None else value

    def text(self, *keys: str) -> str:
        """The first of these settings that is there, if it is a text; else ""."""
        values = (self.values.get(key) for key in keys)
        return next((value for value in values if isinstance(value, str) and value), "")

    def check(self, keys: ConfigKeys) -> None:
        """Raise `ClewError` for a key that the format does not know, and for a value that it cannot have."""
        keys.check(self.path, self.values)

    def require(self, key: str, advice: str) -> Any:
        """A setting that must be there; `advice` ends the message."""
        if (value := self.values.get(key)) is None:
            raise ClewError(f"{self.path} does not say {key}; {advice}.")
        return value

    def check_sizes(self, file: ArrayFile, n_features: int, d_model: int, sizes: Mapping[str, int]) -> None:
        """Raise `ClewError` for a size that the arrays of a file contradict; a size may be missing."""
        for key, size in sizes.items():
            if (self.get(key) or size) != size:
                raise ClewError(
                    f"{file.path} has d_model {d_model} and {n_features} features, but its {self.path.name} "
                    f"says {key}: {shown(self.get(key))}; fetch both from the same set."
                )

    def layer(self, hooks: Sequence[str], numbers: Sequence[str] = ()) -> int | None:
        """The layer that hooks and numbers of layers name; None if none does.

        Raises `ClewError` for two layers: features that read in one layer and write to another only.
        """
        stated = {key: layer_of_hook(self.text(key)) for key in hooks} | {
            key: value for key in numbers if type(value := self.values.get(key)) is int
        }
        named = [(key, layer) for key, layer in stated.items() if layer is not None]
        for key, layer in named[1:]:
            first, own = named[0]
            if layer != own:
                raise ClewError(
                    f"{self.path} says {first}: {shown(self.values[first])}, but {key}: "
                    f"{shown(self.values[key])}: features that read in layer {own} and write in layer "
                    f"{layer} are not supported; name transcoders whose features write to the layer where "
                    "they read, or correct the number."
                )
        return named[0][1] if named else None


def read_settings(path: Path) -> FileSettings:
    """Read a JSON file of settings. Raises `ClewError` for a damaged one."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ClewError(f"{path} has {size:,} bytes; settings in JSON may have {MOST_BYTES:,}.")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ClewError(f"{path} is not readable JSON; correct it or fetch it again.") from error
    except _Repetition as error:
        raise ClewError(f"{path} says {error} twice; delete one of the two.") from error
    if not isinstance(content, dict):
        raise ClewError(f"{path} is not a JSON object; correct it or fetch it again.")
    return FileSettings(path, content)


class _Repetition(Exception):
    """A key that stands twice in one object; its text is the key."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _Repetition(shown(key))
        content[key] = value
    return content
