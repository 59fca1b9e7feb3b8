"""Changes of features on the command line: `L12/4031@5=0`."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite

from clew.errors import ClewError
from clew.feature import Feature, suggestion
from clew.intervention.intervention import HOW, From, How, Intervention, Positions, Source

AT = r"all|-?\d+-?|-?\d*:-?\d*|-?\d+(?:,-?\d+)+"
NODE = re.compile(rf"(?P<name>.+?)(?:@(?P<at>{AT}))?", re.DOTALL)
BEHIND_NAME = re.compile(rf"(?:@(?P<at>{AT}))?(?:=(?P<value>.*))?", re.DOTALL)
SOURCE = re.compile(r"(?:@(?P<at>-?\d+):)?(?P<prompt>.+)", re.DOTALL)
POSITIONS = "@5, @-1 (the last), @5- (from there on, generated tokens too), @2:5 (2 to 4), @1,4 or @all"


@dataclass(frozen=True)
class Change:
    """The change that one option names."""

    how: How
    text: str
    node: str
    intervention: Intervention

    def among(self, names: Iterable[str]) -> Change:
        """The same change of the longest of these names that the text begins with, if any."""
        for name in sorted(names, key=len, reverse=True):
            rest = self.text.removeprefix(name) if self.text.startswith(name) else None
            match = None if rest is None else BEHIND_NAME.fullmatch(rest)
            if match and name and (HOW[self.how].takes == "nothing") == (match["value"] is None):
                return _change(self.how, self.text, name, match["at"], match["value"])
        return self

    def __str__(self) -> str:
        return str(self.intervention)


def change(how: How) -> Callable[[str], Change]:
    """A reader of `NODE=VALUE`, for a patch of `NODE=OTHER PROMPT`, for an ablation of `NODE`."""

    def read(text: str) -> Change:
        takes = HOW[how].takes
        if takes == "nothing":
            node, value = text, None
        elif takes == "prompt":
            node, _, value = text.partition("=")
        else:
            node, _, value = text.rpartition("=")
        match = NODE.fullmatch(node)
        if match is None:
            raise ArgumentTypeError(f"expected {EXPECTED[takes]}, not {text!r}")
        return _change(how, text, match["name"], match["at"], value)

    return read


EXPECTED = {
    "nothing": "a node such as L12/4031@5",
    "number": "a node and a finite number such as L12/4031@5=0",
    "prompt": "a node and another prompt such as L12/4031@5='OTHER PROMPT'",
}


def _change(how: How, text: str, name: str, at: str | None, value: str | None) -> Change:
    takes, given = HOW[how].takes, None
    if takes == "prompt":
        given = _source(value or "")
    elif takes == "number":
        given = _finite(value or "")
    if given is None and takes != "nothing":
        raise ArgumentTypeError(f"expected {EXPECTED[takes]}, not {text!r}")
    return Change(how, text, name, Intervention(name, _positions(at), how, given))


def _source(text: str) -> Source | None:
    """The source `OTHER PROMPT`, or `@4:OTHER PROMPT` for its position 4."""
    match = SOURCE.fullmatch(text)
    return match and Source(match["prompt"], None if match["at"] is None else int(match["at"]))


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def layer_range(text: str) -> slice:
    """Layers as a slice: `3:10` for 3 to 9, `3:` for all from 3 on."""
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if match is None or text == ":" or (match[1] and match[2] and int(match[1]) >= int(match[2])):
        raise ArgumentTypeError(f"expected layers such as 3:10 (for 3 to 9) or 3:, not {text!r}")
    return slice(*(int(bound) if bound else None for bound in match.groups()))


def number(text: str) -> float:
    """A finite number."""
    value = _finite(text)
    if value is None:
        raise ArgumentTypeError(f"expected a finite number, not {text!r}")
    return value


def check_names(changes: list[Change], has_graph: bool) -> None:
    """Raise `ClewError` for a name that is not a feature if no graph is given."""
    for each in changes:
        if not has_graph and Feature.match(each.node) is None:
            raise ClewError(
                f"{each.node!r} is not a feature such as L12/4031@5; a supernode or a label needs --graph "
                f"FILE. Positions: {POSITIONS}.{suggestion(each.node)}"
            )


def _positions(text: str | None) -> Positions | None:
    if text is None or text == "all":
        return text
    if "," in text:
        return [int(position) for position in text.split(",")]
    if ":" in text:
        return slice(*(int(bound) if bound else None for bound in text.split(":")))
    return From(int(text[:-1])) if text.endswith("-") else int(text)
