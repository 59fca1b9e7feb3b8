"""How changes of features are written on the command line: `L12/4031@5=0`."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite

from clew.errors import ClewError
from clew.intervention.intervention import Feature, From, Intervention, Positions

PLACE = re.compile(r"(?P<name>.+?)(?:@(?P<at>all|-?\d+-?|-?\d*:-?\d*))?", re.DOTALL)
PLACES = "@5, @-1 (the last), @5- (from there on, generated tokens too), @2:5 (2 to 4) or @all"


@dataclass(frozen=True)
class Change:
    """What one option asked for, with the text that asked for it."""

    text: str
    intervention: Intervention

    @property
    def needs_graph(self) -> bool:
        """Whether a name in it is one that only a graph knows."""
        return any(isinstance(each, str) and not Feature.named(each) for each in self.intervention.given)


@dataclass(frozen=True)
class Patch:
    """A feature to set to the value that it has at the same position of another prompt."""

    text: str
    feature: Feature
    position: int
    source: str


def change(how: str) -> Callable[[str], Change]:
    """Reads `NODE=VALUE`; of a node that is ablated `NODE` alone."""

    def read(text: str) -> Change:
        if how == "ablate":
            return Change(f"{text} to 0", _at_place(text, how))
        node, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not (equals and node) or not isfinite(value):
            raise ArgumentTypeError(f"expected a node and a number such as L12/4031@5=0, not {text!r}")
        way = {"set": f"{node} to {value:g}", "add": f"{node} by adding {value:g}"}
        words = way.get(how, f"{node} times {value:g}")
        return Change(words, replace(_at_place(node, how), value=value))

    return read


def patch(text: str) -> Patch:
    """Reads `L12/4031@5=OTHER PROMPT`."""
    node, _, source = text.partition("=")
    found = re.fullmatch(r"(L\d+/\d+)@(-?\d+)", node)
    feature = Feature.named(found[1]) if found else None
    if found is None or feature is None or not source:
        raise ArgumentTypeError(
            f"expected a feature at one position and a prompt such as L12/4031@5='OTHER PROMPT', not {text!r}"
        )
    return Patch(f"{node} to its value on {source!r}", feature, int(found[2]), source)


def layer_range(text: str) -> range:
    """`3:10` for layers 3 to 9."""
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise ArgumentTypeError(f"expected layers such as 3:10 (for 3 to 9), not {text!r}")
    return range(int(found[1]), int(found[2]))


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ArgumentTypeError(f"expected a number, not {text!r}")
    return value


def check_names(changes: list[Change | Patch], has_graph: bool) -> None:
    """Raise `ClewError` for a name without a graph that could know it."""
    for each in changes:
        if isinstance(each, Change) and each.needs_graph and not has_graph:
            name = each.intervention.given[0]
            raise ClewError(
                f"{name!r} is no node such as L12/4031@5 (positions: {PLACES}); a supernode or a label "
                "needs --graph FILE"
            )


def _at_place(text: str, how: str) -> Intervention:
    found = PLACE.fullmatch(text)
    if found is None:
        raise ArgumentTypeError("expected a node such as L12/4031@5, not ''")
    return Intervention(found["name"], _positions(found["at"]), how)


def _positions(text: str | None) -> Positions | None:
    if text is None or text == "all":
        return text
    if ":" in text:
        return slice(*(int(bound) if bound else None for bound in text.split(":")))
    return From(int(text[:-1])) if text.endswith("-") else int(text)
