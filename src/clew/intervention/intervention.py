"""What a user changes: features, where, and how.

`FORMULAS` says what each way of changing an activation `a` to another means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from clew.errors import ClewError

FORMULAS = {
    "ablate": "a -> 0",
    "set": "a -> v",
    "add": "a -> a + v",
    "scale": "a -> v a",
    "patch": "a -> what it is on the prompt v",
}

SPELLING = re.compile(r"L(\d+)/(\d+)(?:@(-?\d+))?")
MISSPELLING = re.compile(r"[lL]?(\d+)/(\d+)(@.*)?", re.DOTALL)


@dataclass(frozen=True)
class Feature:
    """A feature of a dictionary, at any position."""

    layer: int
    index: int

    @classmethod
    def named(cls, text: str) -> Feature | None:
        """The feature that `L12/4031` spells; None for another text."""
        feature, position = spelled(text)
        return feature if position is None else None

    def __str__(self) -> str:
        return f"L{self.layer}/{self.index}"


def spelled(text: str) -> tuple[Feature | None, int | None]:
    """The feature of `L12/4031` or `L12/4031@5`, and the position where it names one."""
    found = SPELLING.fullmatch(text)
    if found is None:
        return None, None
    return Feature(int(found[1]), int(found[2])), None if found[3] is None else int(found[3])


@dataclass(frozen=True)
class From:
    """This position and all after it, generated tokens included; -1 is the prompt's last."""

    position: int


@dataclass(frozen=True)
class Source:
    """Another prompt (text or token ids) that values are patched from.

    They are those at one `position` of it; None means at the very positions that are changed.
    """

    prompt: str | Sequence[int]
    position: int | None = None


Positions: TypeAlias = "int | slice | From | str | Sequence[int]"
"""One position, a slice or several of the prompt's, `From(p)`, or `"all"` of them with what is generated.

Negative positions count from the prompt's end."""

Features: TypeAlias = "Feature | str | Sequence[Feature | str]"
"""One or several features, or names: `"L12/4031"`, `"L12/4031@5"`, or a supernode or label of a graph."""


@dataclass(frozen=True)
class Intervention:
    """A change of one feature, or of several together (a supernode).

    `positions` None means those that the features' names hold (`"L12/4031@5"`), those of a supernode's or
    label's nodes, or else everywhere (`"all"`). `value` is v in `FORMULAS`, the same for all: a number, for
    `"patch"` another prompt (or a `Source`); ablating takes none.
    """

    features: Features
    positions: Positions | None = None
    how: str = "ablate"
    value: float | str | Sequence[int] | Source | None = None

    @property
    def members(self) -> tuple[Feature, ...]:
        """Its features, whether one or several were given; `ClewError` for a name that only a graph knows."""
        return tuple(
            spelled(each)[0] or refuse_name(each) if isinstance(each, str) else each for each in self.given
        )

    @property
    def given(self) -> tuple[Feature | str, ...]:
        """Its features as they were given, each a feature or a name; `ClewError` for what is neither."""
        if isinstance(self.features, Feature | str):
            return (self.features,)
        if not isinstance(self.features, Sequence):
            raise ClewError(
                f"{self.features!r} is no feature: give Feature(layer, index), a name such as L12/4031, or "
                "several of these."
            )
        return tuple(self.features)

    def __str__(self) -> str:
        """As a person says it: `L24/1005@5 times -2`."""
        return f"{self._names}{self.place} {self._way}"

    @property
    def place(self) -> str:
        """Its positions as on the command line: `@5`; nothing where none are given."""
        return spell_positions(self.positions)

    @property
    def _names(self, most: int = 3) -> str:
        names = [str(each) for each in self.given]
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return ", ".join(names[:most]) + more

    @property
    def _way(self) -> str:
        if self.how == "ablate":
            return "to 0"
        if self.how == "patch":
            source = as_source(self.value)
            return f"to its value on {source.prompt!r}" + spell_positions(source.position)
        value = f"{self.value:g}" if isinstance(self.value, int | float) else repr(self.value)
        return {"set": f"to {value}", "add": f"by adding {value}", "scale": f"times {value}"}.get(
            self.how, f"{self.how} {value}"
        )


def as_source(value: object) -> Source:
    """What values are patched from; `ClewError` for what is no prompt."""
    if isinstance(value, Source):
        return value
    if not isinstance(value, str | Sequence):
        raise ClewError(f"To patch needs another prompt (text, token ids, or a Source), not {value!r}.")
    return Source(value)


def spell_positions(positions: Positions | None) -> str:
    """As on the command line: `@5`, `@2:5`, `@5-`, `@1,4`, `@all`; nothing for None."""
    match positions:
        case None:
            return ""
        case slice():
            bounds = ("" if bound is None else str(bound) for bound in (positions.start, positions.stop))
            step = "" if positions.step is None else f":{positions.step}"
            return f"@{':'.join(bounds)}{step}"
        case From():
            return f"@{positions.position}-"
        case str() | int():
            return f"@{positions}"
        case Sequence():
            return f"@{','.join(map(str, positions))}"
    return f"@{positions}"


def refuse_name(name: str, reason: str | None = None) -> NoReturn:
    """Say why a name is none, and what may have been meant."""
    slip = MISSPELLING.fullmatch(name)
    meant = f" Did you mean L{slip[1]}/{slip[2]}{slip[3] or ''}?" if slip and not SPELLING.match(name) else ""
    raise ClewError(
        reason + meant
        if reason
        else f"{name!r} is no feature such as L12/4031; a supernode or a label needs the graph that has it "
        f"(--graph FILE, or graph= in Python).{meant}"
    )
