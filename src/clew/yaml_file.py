"""YAML files that other people may have written: of limited size, without anchors, and each key once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from clew.errors import ClewError
from clew.files import cannot_read
from clew.plain_text import one_line

MOST_BYTES = 2**20
"""Bytes of a file; settings of a dictionary with hundreds of layers have some ten thousand."""


def read_yaml(path: Path) -> Any:
    """The plain values in a YAML file.

    Raises `ClewError` for a file that is missing, too large, not UTF-8 or not YAML, for a key that stands
    twice, and for anchors and aliases, with which a few bytes can stand for gigabytes.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ClewError(f"{path} has {size:,} bytes; settings in YAML may have {MOST_BYTES:,}.")
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)  # a SafeLoader
    except OSError as error:
        raise cannot_read(path, error) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # dates out of bounds are ValueErrors
        reason = one_line(str(error).split("\n")[0])
        raise ClewError(f"{path} is not readable YAML: {reason}; correct it or fetch it again.") from error


class _PlainLoader(yaml.SafeLoader):
    """Refuses anchors and aliases, and a key that stands twice, of which YAML would take the last one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"it has an anchor or alias ({one_line(event.anchor)})")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.YAMLError(f"it says {one_line(str(twice))} twice")
        return super().construct_mapping(node, deep)
