"""Options say what they are in one place; Python and the command line derive theirs from it."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from clew.cli.options import MEBIBYTE, add_option, settings_of
from clew.errors import ClewError
from clew.options import Share, check_options, options_of, takes_options_of


@dataclass(frozen=True, kw_only=True)
class Base:
    share: Share = 0.5
    """A share."""


@dataclass(frozen=True, kw_only=True)
class Example(Base):
    count: Annotated[int, Ge(1), Le(9)] = 3
    """How many there are."""
    how: Literal["fast", "well"] = "fast"
    """The way that it is done."""
    memory: Annotated[int, Ge(16 * 2**20)] = 96 * 2**20
    """Bytes to work in."""
    most: Annotated[int, Ge(1)] | None = None
    """At most so many."""
    again: bool = False
    """Work once more."""


class Owner:
    @takes_options_of(Example)
    def work(self, prompt: str, settings: Example) -> tuple[str, Example]:
        """Work on a prompt."""
        return prompt, settings


def test_options_are_read_with_those_of_base_classes():
    options = options_of(Example)
    assert list(options) == ["share", "count", "how", "memory", "most", "again"]
    assert options["share"].sentence == "A share."
    assert options["count"].expected() == "a whole number from 1 to 9"
    assert options["how"].choices == ("fast", "well")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"share": 0}, "share must be a number above 0 and at most 1, not 0."),
        ({"count": True}, "count must be a whole number from 1 to 9, not True."),
        ({"how": "badly"}, "how must be fast or well, not 'badly'."),
        ({"most": 0}, "most must be a whole number from 1, not 0."),
    ],
)
def test_what_is_not_allowed_is_told(given, sentence):
    with pytest.raises(ClewError) as refused:
        check_options(Example(**given))
    assert str(refused.value) == sentence


def test_a_method_takes_options_as_keywords():
    assert Owner().work("p", count=4) == ("p", Example(count=4))
    assert Owner().work(prompt="p") == ("p", Example())  # type: ignore[call-arg]
    parameters = inspect.signature(Owner.work).parameters
    assert list(parameters) == ["self", "prompt", *options_of(Example)]
    assert parameters["count"].default == 3
    assert parameters["most"].annotation == int | None
    with pytest.raises(TypeError, match="nothing"):
        Owner().work("p", nothing=1)  # type: ignore[call-arg]


def test_the_command_line_reads_them():
    parser = argparse.ArgumentParser()
    for name in ("share", "count", "how", "most", "again"):
        add_option(parser, Example, name)
    add_option(parser, Example, "memory", unit=MEBIBYTE)
    given = parser.parse_args(["--count", "4", "--memory", "32", "--most", "2", "--again"])
    assert settings_of(given, Example) == Example(count=4, memory=32 * 2**20, most=2, again=True)
    assert settings_of(parser.parse_args([]), Example) == Example()
    help = " ".join(parser.format_help().split())
    assert "how many there are (default: 3)" in help
    assert "MiB to work in (default: 96)" in help
