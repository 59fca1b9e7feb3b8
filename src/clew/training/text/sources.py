"""Texts to train on: those of files and folders, and of a dataset on the Hub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from clew.errors import ClewError
from clew.index.creation.corpus import Piece, find_files, read_pieces
from clew.model.cache import content_key

HUB = "hub:"
"""The beginning of a dataset's name; a plain `owner/name` that is no file is one too."""
DATASET_NAME = re.compile(r"[\w.-]+/[\w.-]+")


class Source(Protocol):
    """A file or a dataset."""

    @property
    def name(self) -> str:
        """The name that a person gave it."""
        ...

    @property
    def identity(self) -> str:
        """Its name and whatever else tells it from a changed one."""
        ...

    def pieces(self, skip: int) -> Iterator[Piece]:
        """Its text in pieces, without the first ones."""
        ...


@dataclass
class Skipped:
    """Reasons why parts of the data were not read, with how often."""

    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, reason: str, path: Path) -> None:
        self.reasons[reason] += 1

    def __str__(self) -> str:
        return ", ".join(
            f"{count:,} times {reason}" if count > 1 else reason
            for reason, count in self.reasons.most_common()
        )


@dataclass(frozen=True)
class FileSource:
    """A file of one of the kinds that an index reads."""

    path: Path
    field: str
    skipped: Skipped

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def identity(self) -> str:
        return f"{self.path.name} ({self.path.stat().st_size} bytes, {content_key([self.path])})"

    def pieces(self, skip: int) -> Iterator[Piece]:
        return islice(read_pieces([self.path], self.skipped.note, self.field), skip, None)


@dataclass(frozen=True)
class HubSource:
    """A dataset on the Hub, streamed by the package `datasets`; a piece is a whole text."""

    dataset: str
    field: str

    @property
    def name(self) -> str:
        return HUB + self.dataset

    @property
    def identity(self) -> str:
        return self.name

    def pieces(self, skip: int) -> Iterator[Piece]:
        for row in self._open().skip(skip):
            text = row.get(self.field)
            if not isinstance(text, str):
                raise ClewError(
                    f"The dataset {self.dataset} has no text in a column {self.field!r}, only the columns "
                    f"{', '.join(row)}; name the one that holds the text."
                )
            yield Piece(text, begins=True)

    def _open(self) -> Any:
        import datasets  # type: ignore[import-not-found]

        name, _, configuration = self.dataset.partition(":")
        try:
            return datasets.load_dataset(name, configuration or None, split="train", streaming=True)
        except (OSError, ValueError) as error:
            raise ClewError(f"The dataset {self.dataset} cannot be read: {error}") from error


def find_sources(data: Sequence[str], field: str, skipped: Skipped) -> list[Source]:
    """The files and datasets that some names stand for.

    Raises `ClewError` for what is not there, and for a package that is needed and missing.

    Args:
        data: Files, folders, and datasets: `hub:owner/name`, `hub:owner/name:configuration`, or `owner/name`.
        field: The field or column that holds the text, where there are several.
        skipped: Where to count what cannot be read.
    """
    found: list[Source] = []
    for name in data:
        path = Path(name).expanduser()
        if name.startswith(HUB) or (DATASET_NAME.fullmatch(name) and not path.exists()):
            if find_spec("datasets") is None:
                raise ClewError(
                    f"{name} is no file here, and a dataset of the Hub needs the package datasets: "
                    "pip install datasets."
                )
            found.append(HubSource(name.removeprefix(HUB), field))
        else:
            found += [FileSource(file, field, skipped) for file in find_files([name])]
    return found
