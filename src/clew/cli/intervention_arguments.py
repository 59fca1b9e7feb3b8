"""How changes of features are written on the command line: `L12/4031@5=0`."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite

from clew.intervention.intervention import From, Intervention, Positions, Source, feature_named, refuse_name

AT = r"all|-?\d+-?|-?\d*:-?\d*|-?\d+(?:,-?\d+)+"
PLACE = re.compile(rf"(?P<name>.+?)(?:@(?P<at>{AT}))?", re.DOTALL)
BEHIND_NAME = re.compile(rf"(?:@(?P<at>{AT}))?(?:=(?P<value>.*))?", re.DOTALL)
SOURCE = re.compile(r"(?:@(?P<at>-?\d+):)?(?P<prompt>.+)", re.DOTALL)
PLACES = "@5, @-1 (the last), @5- (from there on, generated tokens too), @2:5 (2 to 4), @1,4 or @all"


@dataclass(frozen=True)
class Change:
    """What one option asked for."""

    how: str
    text: str
    node: str
    intervention: Intervention

    def among(self, names: Iterable[str]) -> Change:
        """The same change where some names are known: the longest that the text begins with is meant."""
        for name in sorted(names, key=len, reverse=True):
            found = (
                BEHIND_NAME.fullmatch(self.text.removeprefix(name)) if self.text.startswith(name) else None
            )
            if found and name and (self.how == "ablate") == (found["value"] is None):
                return _change(self.how, self.text, name, found["at"], found["value"])
        return self

    def __str__(self) -> str:
        return str(self.intervention)


def change(how: str) -> Callable[[str], Change]:
    """Reads `NODE=VALUE`, of a patch `NODE=OTHER PROMPT`; of a node that is ablated `NODE` alone."""

    def read(text: str) -> Change:
        if how == "ablate":
            node, value = text, None
        elif how == "patch":
            node, _, value = text.partition("=")
        else:
            node, _, value = text.rpartition("=")
        found = PLACE.fullmatch(node)
        if found is None:
            raise ArgumentTypeError(f"expected {EXPECTED.get(how, A_NUMBER)}, not {text!r}")
        return _change(how, text, found["name"], found["at"], value)

    return read


A_NUMBER = "a node and a finite number such as L12/4031@5=0"
EXPECTED = {
    "ablate": "a node such as L12/4031@5",
    "patch": "a node and another prompt such as L12/4031@5='OTHER PROMPT'",
}


def _change(how: str, text: str, name: str, at: str | None, value: str | None) -> Change:
    given = None
    if how == "patch":
        given = _source(value or "")
    elif how != "ablate":
        given = _finite(value or "")
    if given is None and how != "ablate":
        raise ArgumentTypeError(f"expected {EXPECTED.get(how, A_NUMBER)}, not {text!r}")
    return Change(how, text, name, Intervention(name, _positions(at), how, given))


def _source(text: str) -> Source | None:
    """`OTHER PROMPT`, or `@4:OTHER PROMPT` for its position 4."""
    found = SOURCE.fullmatch(text)
    return found and Source(found["prompt"], None if found["at"] is None else int(found["at"]))


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def layer_range(text: str) -> slice:
    """`3:10` for layers 3 to 9; `3:` for all from there on."""
    found = re.fullmatch(r"(\d*):(\d*)", text)
    if found is None or text == ":" or (found[1] and found[2] and int(found[1]) >= int(found[2])):
        raise ArgumentTypeError(f"expected layers such as 3:10 (for 3 to 9) or 3:, not {text!r}")
    return slice(*(int(bound) if bound else None for bound in found.groups()))


def number(text: str) -> float:
    value = _finite(text)
    if value is None:
        raise ArgumentTypeError(f"expected a finite number, not {text!r}")
    return value


def check_names(changes: list[Change], has_graph: bool) -> None:
    """Raise `ClewError` for a name without a graph that could know it."""
    for each in changes:
        if not has_graph and feature_named(each.node) is None:
            refuse_name(
                each.node,
                f"{each.node!r} is no node such as L12/4031@5 (positions: {PLACES}); a supernode or a label "
                "needs --graph FILE.",
            )


def _positions(text: str | None) -> Positions | None:
    if text is None or text == "all":
        return text
    if "," in text:
        return [int(position) for position in text.split(",")]
    if ":" in text:
        return slice(*(int(bound) if bound else None for bound in text.split(":")))
    return From(int(text[:-1])) if text.endswith("-") else int(text)
