"""What a user changes: features, where, and how.

`FORMULAS` says what each way of changing an activation `a` to another means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clew.errors import ClewError

FORMULAS = {
    "ablate": "a -> 0",
    "set": "a -> v",
    "add": "a -> a + v",
    "scale": "a -> v a",
}

SPELLING = re.compile(r"L(\d+)/(\d+)")


@dataclass(frozen=True)
class Feature:
    """A feature of a dictionary, at any position."""

    layer: int
    index: int

    @classmethod
    def named(cls, text: str) -> Feature | None:
        """The feature that `L12/4031` spells; None for another text."""
        found = SPELLING.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        return f"L{self.layer}/{self.index}"


@dataclass(frozen=True)
class From:
    """This position and all after it, generated tokens included; -1 is the prompt's last."""

    position: int


Positions: TypeAlias = "int | slice | From | str | Sequence[int]"
"""One position, a slice or several of the prompt's, `From(p)`, or `"all"` of them with what is generated.

Negative positions count from the prompt's end."""

Features: TypeAlias = "Feature | str | Sequence[Feature | str]"
"""One or several features, or names: `"L12/4031"`, or a supernode or label of a graph."""


@dataclass(frozen=True)
class Intervention:
    """A change of one feature, or of several together (a supernode).

    `positions` None means everywhere (`"all"`), or of a graph's supernode or label where its nodes are.
    `value` is v in `FORMULAS`, the same for all; ablating takes none, everything else needs one.
    """

    features: Features
    positions: Positions | None = None
    how: str = "ablate"
    value: float | None = None

    @property
    def members(self) -> tuple[Feature, ...]:
        """Its features, whether one or several were given; `ClewError` for a name that only a graph knows."""
        return tuple(
            Feature.named(each) or _refuse_name(each) if isinstance(each, str) else each
            for each in self.given
        )

    @property
    def given(self) -> tuple[Feature | str, ...]:
        """Its features as they were given, each a feature or a name."""
        return (self.features,) if isinstance(self.features, Feature | str) else tuple(self.features)


def _refuse_name(name: str) -> Feature:
    raise ClewError(
        f"{name!r} is no feature such as L12/4031; a supernode or a label needs the graph that has it "
        "(--graph FILE, or graph= in Python)."
    )
