"""Features of a dictionary, and the one place that reads and writes their names.

`L12/4031` is feature 4031 of layer 12, `L12/4031@5` the same at position 5. `A12/31` is a feature of an
attention dictionary, which only imported graphs have; its `index` is negative, as in `Graph.node_feature`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clew.errors import ClewError

NAME = r"(?P<kind>[LA])(?P<layer>\d{1,9})/(?P<index>\d{1,18})"
FEATURE = re.compile(NAME, re.ASCII)
FEATURE_AT = re.compile(rf"{NAME}@(?P<position>-?\d{{1,9}})", re.ASCII)
NEARLY = re.compile(r"\s*[lL]?\s*(\d{1,9})\s*/\s*(\d{1,18})\s*(@.*)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, order=True, slots=True)
class Feature:
    """One feature of a dictionary, wherever it is active."""

    layer: int
    index: int

    @classmethod
    def match(cls, text: str) -> Feature | None:
        """The feature that `L12/4031` names; None for any other text.

        Args:
            text: A name.
        """
        match = FEATURE.fullmatch(text)
        return _feature(match) if match else None

    @classmethod
    def parse(cls, text: str) -> Feature:
        """The feature that `L12/4031` names.

        Args:
            text: A name.

        Raises:
            ClewError: If the text does not name a feature.
        """
        feature = cls.match(text)
        if feature is None:
            raise ClewError(f"{text[:80]!r} is not a feature; write one as L12/4031.{suggestion(text)}")
        return feature

    def at(self, position: int) -> FeatureAt:
        """This feature at one position.

        Args:
            position: Position of a token, from 0.
        """
        return FeatureAt(self.layer, position, self.index)

    def __str__(self) -> str:
        return f"L{self.layer}/{self.index}" if self.index >= 0 else f"A{self.layer}/{-self.index // 2 - 1}"


@dataclass(frozen=True, order=True, slots=True)
class FeatureAt:
    """A feature at one token position: what a feature node stands for."""

    layer: int
    position: int
    index: int

    @property
    def feature(self) -> Feature:
        """The feature without its position."""
        return Feature(self.layer, self.index)

    @classmethod
    def match(cls, text: str) -> FeatureAt | None:
        """The feature and position that `L12/4031@5` names; None for any other text.

        The position may be negative, which counts from the prompt's end; nothing resolves it here.

        Args:
            text: A name.
        """
        match = FEATURE_AT.fullmatch(text)
        return _feature(match).at(int(match["position"])) if match else None

    def __str__(self) -> str:
        return f"{self.feature}@{self.position}"


def suggestion(text: str) -> str:
    """` Did you mean L12/4031?` where a text nearly names a feature, else nothing; to end a sentence with."""
    match = NEARLY.fullmatch(text)
    if match is None or FEATURE.match(text):
        return ""
    return f" Did you mean L{match[1]}/{match[2]}{match[3] or ''}?"


def _feature(match: re.Match[str]) -> Feature:
    index = int(match["index"])
    return Feature(int(match["layer"]), index if match["kind"] == "L" else -2 * (index + 1))
