"""Metadata of an index: what it was made of, and how far."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from clew.errors import ClewError
from clew.feature import Feature
from clew.fingerprints import same_weights
from clew.sink import quoted


@dataclass(frozen=True)
class IndexMetadata:
    """The rows of the table `about`: JSON values by the names of these fields."""

    model: str
    dictionary: str
    widths: tuple[int, ...]
    """Features of each layer."""
    tokenizer: str
    """Twelve hex digits of the vocabulary."""
    window: int
    """Tokens of a window, the sink in front included."""
    sink: int | None
    """The token id in front of each window; None where the first position is an ordinary one."""
    two_sided: bool
    """Features may be negative, so the lowest activations have examples too."""
    wanted: int
    """Tokens to read; 0 for all."""
    shard: tuple[int, int] = (1, 1)
    """The number of this worker, and how many there are."""
    batch: int = 0
    """Windows that are read together."""
    batches: int = 0
    """Batches of the corpus that are done, those of other shards included."""
    positions: int = 0
    """Positions at which features were counted."""
    texts: int = 0
    """Texts read so far, by all shards together."""
    digest: str = ""
    """A digest of all windows so far."""
    complete: bool = False
    partial: bool = False
    """It holds only some of the features: it was cut out of another index, or imported."""
    bundled: bool = False
    """It is a copy of the index that comes with clew, which any other may replace."""
    files: str = ""
    """Twelve hex digits of the names and sizes of the files that are read."""
    corpus: tuple[str, ...] = ()
    """Files and folders as the user named them."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Counts of texts that could not be read, by reason."""
    sink_text: str = ""
    """The text of the sink; empty in indexes of before it was kept."""
    sink_mean_kl: float | None = None
    """The sink's mean KL divergence (nats) over several fixed texts, where it was measured for the model."""
    created: str = ""
    generator: str = ""
    weights: str = ""
    """Fingerprint of the model's files; empty where they are not known."""
    dictionary_weights: str = ""
    """Fingerprint of the dictionary's files; empty for neurons, and where they are not known."""

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

    def feature_id(self, feature: Feature) -> int | None:
        """The id of a feature, which counts through all layers; None where there is no such feature."""
        layer, index = feature.layer, feature.index
        if not (0 <= layer < self.n_layers and 0 <= index < self.widths[layer]):
            return None
        return self.offsets[layer] + index

    def feature_of(self, feature_id: int) -> Feature:
        """The feature with an id; the inverse of `feature_id`."""
        layer = next(layer for layer in reversed(range(self.n_layers)) if self.offsets[layer] <= feature_id)
        return Feature(layer, feature_id - self.offsets[layer])


def check_weights(metadata: IndexMetadata, keys: Mapping[str, object], path: object) -> None:
    """Raise `ClewError` where an index was made with other weights than these; unknown ones may be any.

    `keys` holds `weights` and `dictionary_weights`, as the settings of a graph do.
    """
    for name, of in (("weights", metadata.model), ("dictionary_weights", metadata.dictionary)):
        own, other = getattr(metadata, name), keys.get(name)
        if own and other and not same_weights(own, str(other)):
            raise ClewError(
                f"{path} was made with other weights of {of} (their files have changed since, or are of "
                "another version); make it again with clew index --replace."
            )


def sink_named(metadata: IndexMetadata) -> str:
    """The sink of an index for people."""
    if metadata.sink is None or metadata.sink_text:
        return quoted(metadata.sink_text or None)
    return f"the token {metadata.sink}"


def read_metadata(connection: sqlite3.Connection, path: object) -> IndexMetadata:
    """The metadata of an open index; raises `ClewError` where some of it is missing or damaged."""
    try:
        rows = connection.execute("SELECT key, value FROM about").fetchall()
        values: dict[str, Any] = {key: json.loads(value) for key, value in rows}
        for name in ("widths", "shard", "corpus"):
            values[name] = tuple(values[name])
        names = {each.name for each in fields(IndexMetadata)}
        return IndexMetadata(**{name: value for name, value in values.items() if name in names})
    except (KeyError, TypeError, ValueError, sqlite3.Error) as error:
        raise ClewError(f"{path} is not a whole index: its metadata cannot be read ({error}).") from error


def write_metadata(connection: sqlite3.Connection, metadata: IndexMetadata) -> None:
    """Write all metadata; within the caller's transaction."""
    rows = [(name, json.dumps(value)) for name, value in asdict(metadata).items()]
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)
