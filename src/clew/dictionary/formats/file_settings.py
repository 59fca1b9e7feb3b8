"""A JSON file of settings beside weights, such as SAELens's and sparsify's cfg.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.dictionary.formats.array_file import ArrayFile
from clew.errors import ClewError


@dataclass(frozen=True)
class FileSettings:
    """The settings of one file."""

    path: Path
    values: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def text(self, key: str) -> str:
        """A setting that is a text; "" for any other."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def refuse(self, harmless: Mapping[str, tuple[Any, ...]]) -> None:
        """Raise `ClewError` for a setting without a harmless value; the first one is the default."""
        for key, values in harmless.items():
            if self.get(key, values[0]) not in values:
                raise ClewError(
                    f"{self.path} says {key}: {self.get(key)}, which clew cannot represent exactly; fold it "
                    "into the weights and save them without it."
                )

    def check_sizes(self, file: ArrayFile, n_features: int, d_model: int, sizes: Mapping[str, int]) -> None:
        """Raise `ClewError` for a size that the arrays of a file contradict; a size may be missing."""
        for key, size in sizes.items():
            if (self.get(key) or size) != size:
                raise ClewError(
                    f"{file.path} has d_model {d_model} and {n_features} features, but its {self.path.name} "
                    f"says {key}: {self.get(key)}; fetch both from the same set."
                )


def read_settings(path: Path) -> FileSettings:
    """Read a JSON file of settings. Raises `ClewError` for a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ClewError(f"{path} is not readable JSON; correct it or fetch it again.") from error
    if not isinstance(content, dict):
        raise ClewError(f"{path} is not a JSON object; correct it or fetch it again.")
    return FileSettings(path, content)
