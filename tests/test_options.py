"""Options say what they are in one place; Python and the command line derive theirs from it."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_overloads

import numpy as np
import pytest
from annotated_types import Ge, Le

from clew.attribution.settings import TraceCall
from clew.cli.options import MEBIBYTE, add_option, settings_of
from clew.errors import ClewError
from clew.facade import Model
from clew.index.settings import IndexCall
from clew.intervention.intervention import HOW, How
from clew.intervention.layer_interventions import TERMS
from clew.intervention.settings import (
    REGIMES,
    CircuitSettings,
    GenerateCall,
    InterveneCall,
    Regime,
    ValidateCall,
)
from clew.load_settings import LoadCall
from clew.options import Share, check_options, options_of, takes_options_of
from clew.server.schemas.jobs import POSITIONS, NodeChange


@dataclass(frozen=True, kw_only=True)
class Base:
    share: Share = 0.5
    """A share."""


@dataclass(frozen=True, kw_only=True)
class Example(Base):
    count: Annotated[int, Ge(1), Le(9)] = 3
    """The number of them."""
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
        """Work on a prompt.

        Args:
            prompt: A text.

        Returns:
            What was given.
        """
        return prompt, settings


@dataclass(frozen=True)
class WithPosition(Base):
    name: str = "neurons"
    """A name."""


@takes_options_of(WithPosition)
def load(settings: WithPosition) -> WithPosition:
    """Load by name."""
    return settings


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


def test_a_function_takes_options_by_position_where_they_are_not_keywords_alone():
    assert load() == WithPosition()
    assert load("other", share=0.1) == load(name="other", share=0.1) == WithPosition("other", share=0.1)
    assert list(inspect.signature(load).parameters) == ["name", "share"]
    with pytest.raises(TypeError):
        load("other", 0.1)  # type: ignore[call-arg]


def test_the_docstring_lists_options_with_sentences_bounds_and_defaults():
    *_, arguments, returns = inspect.getdoc(Owner.work).split("\n\n")  # type: ignore[union-attr]
    assert returns.startswith("Returns:")
    assert arguments.splitlines()[:5] == [
        "Args:",
        "    prompt: A text.",
        "    share: A share. A number above 0 and at most 1; default 0.5.",
        "    count: The number of them. A whole number from 1 to 9; default 3.",
        "    how: The way that it is done. One of fast or well; default 'fast'.",
    ]
    assert inspect.getdoc(load) == (
        "Load by name.\n\nArgs:\n    name: A name. Default 'neurons'.\n"
        "    share: A share. A number above 0 and at most 1; default 0.5."
    )


@pytest.mark.parametrize(
    "settings", [TraceCall, InterveneCall, GenerateCall, ValidateCall, CircuitSettings, LoadCall, IndexCall]
)
def test_every_option_has_a_sentence(settings):
    assert all(option.sentence.endswith(".") for option in options_of(settings).values())


def test_overloads_of_intervene_have_the_parameters_of_its_call():
    for overload in get_overloads(inspect.getattr_static(Model, "intervene").__wrapped__):
        _, _, *options = inspect.signature(overload).parameters.values()
        assert {option.name: option.kind for option in options} == {
            option.name: option.kind for option in inspect.signature(InterveneCall).parameters.values()
        }


def test_every_regime_and_every_way_of_change_has_a_sentence():
    assert tuple(REGIMES) == get_args(Regime)
    assert tuple(HOW) == get_args(How)
    assert {how for how, way in HOW.items() if way.takes != "prompt"} == set(TERMS)
    assert all(each.endswith(".") for each in (*REGIMES.values(), *(way.sentence for way in HOW.values())))
    assert tuple(POSITIONS) == options_of(NodeChange)["positions"].choices


def test_numbers_of_numpy_are_numbers_and_infinity_is_none():
    check_options(Example(count=np.int64(3), share=np.float32(0.5)))  # type: ignore[arg-type]
    with pytest.raises(ClewError, match="memory must be"):
        check_options(Example(memory=float("inf")))  # type: ignore[arg-type]


def test_the_command_line_reads_them():
    parser = argparse.ArgumentParser()
    for name in ("share", "count", "how", "most", "again"):
        add_option(parser, Example, name)
    add_option(parser, Example, "memory", unit=MEBIBYTE)
    given = parser.parse_args(["--count", "4", "--memory", "32", "--most", "2", "--again"])
    assert settings_of(given, Example) == Example(count=4, memory=32 * 2**20, most=2, again=True)
    assert settings_of(parser.parse_args([]), Example) == Example()
    help = " ".join(parser.format_help().split())
    assert "the number of them (default: 3)" in help
    assert "MiB to work in (default: 96)" in help


def test_a_number_beyond_all_bounds_is_refused():
    with pytest.raises(ClewError, match="memory must be a whole number from"):
        check_options(Example(memory=10**400))


def test_an_unknown_keyword_is_answered_with_the_nearest():
    @takes_options_of(Base)
    def work(settings: Base) -> None: ...

    name = next(iter(options_of(Base)))
    with pytest.raises(TypeError, match=rf"work\(\) has no parameter '{name}s'\. Did you mean {name}\?"):
        work(**{f"{name}s": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"work\(\) has no parameter 'xyzzy'\.$"):
        work(xyzzy=1)  # type: ignore[call-arg]
