"""What an index is of: one row of facts, kept as JSON values by name."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from clew.errors import ClewError


@dataclass(frozen=True)
class About:
    """The facts of an index."""

    model: str
    dictionary: str
    widths: tuple[int, ...]
    """Features of each layer."""
    tokenizer: str
    """Twelve hex digits that tell one tokenizer from another."""
    window: int
    """Tokens of a window, the sink in front included."""
    sink: int | None
    """The token id in front of each window; None where the first position is an ordinary one."""
    two_sided: bool
    """Whether features may be negative, so that their most negative examples are kept too."""
    wanted: int
    """How many tokens to read; 0 for all that there are."""
    shard: tuple[int, int] = (1, 1)
    """Which of how many workers this is the part of."""
    batch: int = 0
    """Windows that are read together."""
    batches: int = 0
    """How many of the corpus are done, those of other shards included."""
    positions: int = 0
    """At how many positions features were looked at, in all batches that are done."""
    texts: int = 0
    """Texts read so far, by all shards together."""
    digest: str = ""
    """Of all windows so far; other data has another."""
    complete: bool = False
    partial: bool = False
    """Whether it holds some features only: it was cut, or made of files. Of others nothing is known."""
    bundled: bool = False
    """Whether it is a copy of the one that comes with clew, which any other may replace."""
    files: str = ""
    """Twelve hex digits of the names and sizes of the files that are read."""
    corpus: tuple[str, ...] = ()
    """What was read, as it was named."""
    skipped: dict[str, int] = field(default_factory=dict)
    """What could not be read, by reason."""
    created: str = ""
    generator: str = ""

    @property
    def n_features(self) -> int:
        return sum(self.widths)

    @property
    def n_layers(self) -> int:
        return len(self.widths)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The id of each layer's first feature."""
        return tuple(sum(self.widths[:layer]) for layer in range(self.n_layers))

    def feature_id(self, layer: int, feature: int) -> int | None:
        """The row of a feature; None where there is no such feature."""
        if not (0 <= layer < self.n_layers and 0 <= feature < self.widths[layer]):
            return None
        return self.offsets[layer] + feature

    def place_of(self, feature_id: int) -> tuple[int, int]:
        """Layer and index of a row; the inverse of `feature_id`."""
        layer = next(layer for layer in reversed(range(self.n_layers)) if self.offsets[layer] <= feature_id)
        return layer, feature_id - self.offsets[layer]


def read_about(connection: sqlite3.Connection, path: object) -> About:
    """The facts of an open index; raises `ClewError` where some are missing or damaged."""
    try:
        rows = connection.execute("SELECT key, value FROM about").fetchall()
        found: dict[str, Any] = {key: json.loads(value) for key, value in rows}
        for name in ("widths", "shard", "corpus"):
            found[name] = tuple(found[name])
        known = {f.name for f in fields(About)}
        return About(**{name: value for name, value in found.items() if name in known})
    except (KeyError, TypeError, ValueError, sqlite3.Error) as error:
        raise ClewError(f"{path} is no whole index: its description cannot be read ({error}).") from error


def write_about(connection: sqlite3.Connection, about: About) -> None:
    """Within the caller's transaction."""
    rows = [(name, json.dumps(value)) for name, value in asdict(about).items()]
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)
