"""Options: fields of settings classes, from which Python, command line, server and page derive theirs.

A settings class is a frozen, keyword-only dataclass. A field's annotation says what it may be (`Annotated`
with bounds of `annotated_types`, `Literal` for choices), its default is a recommendation, and the string
below it is its sentence:

    max_nodes: Annotated[int, Ge(1)] = 4096
    \"\"\"Features that may become nodes.\"\"\"
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from annotated_types import Ge, Gt, Le

from clew.errors import ClewError

Share = Annotated[float, Gt(0), Le(1)]
"""A number above 0 and at most 1."""

Keywords = ParamSpec("Keywords")
Settings = TypeVar("Settings", covariant=True)
Owner = TypeVar("Owner")
First = TypeVar("First")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """One field of a settings class."""

    name: str
    type: Any
    """Its annotation without bounds and without None."""
    default: Any
    """`dataclasses.MISSING` where it must be given."""
    sentence: str
    at_least: float | None
    above: float | None
    at_most: float | None
    choices: tuple[Any, ...]
    optional: bool = False
    """None is allowed."""

    def expected(self, unit: int = 1) -> str:
        """Its values for a person: `a whole number from 1`, `attribution or influence`; "" for any.

        Numbers are counted in units of `unit`.
        """
        if self.choices:
            *others, last = map(str, self.choices)
            return f"{', '.join(others)} or {last}" if others else last
        if self.type not in (int, float):
            return ""
        most = "to" if self.at_least is not None else "and at most" if self.above is not None else "up to"
        words = (("from", self.at_least), ("above", self.above), (most, self.at_most))
        bounds = [
            f"{word} {bound // unit:,}" if isinstance(bound, int) else f"{word} {bound / unit:,g}"
            for word, bound in words
            if bound is not None
        ]
        return " ".join(["a whole number" if self.type is int else "a number", *bounds])

    def allows(self, value: Any) -> bool:
        if value is None and self.optional:
            return True
        if self.choices:
            return value in self.choices
        if self.type not in (int, float):
            return True
        if isinstance(value, bool) or not isinstance(value, Integral if self.type is int else Real):
            return False
        try:
            number = float(value)
        except OverflowError:  # a whole number that no computer can count to
            return False
        return (
            math.isfinite(number)
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
        )


@functools.cache
def options_of(settings: type) -> Mapping[str, Option]:
    """The options of a settings class by name, those of its base classes first."""
    sentences = {
        name: text for owner in reversed(settings.__mro__[:-1]) for name, text in _sentences(owner).items()
    }
    hints = get_type_hints(settings, include_extras=True)
    return {
        field.name: _option(field.name, hints[field.name], field.default, sentences.get(field.name, ""))
        for field in dataclasses.fields(settings)
    }


def option_name(option: str, value: str = "") -> str:
    """An option as the command line and Python spell it: `--read-point (read_point= in Python)`."""
    flag = f"--{option.replace('_', '-')} {value}".rstrip()
    return f"{flag} ({option}= in Python)"


def check_options(settings: Any) -> None:
    """Raise `ClewError` for the first option whose value is not allowed."""
    for option in options_of(type(settings)).values():
        value = getattr(settings, option.name)
        if not option.allows(value):
            raise ClewError(f"{option.name} must be {option.expected()}, not {value!r}.")


class TakesOptions(Protocol[Keywords, Settings]):
    """A decorator of functions (`load(settings)`) and methods (`trace(self, prompt, settings)`)."""

    @overload
    def __call__(
        self, function: Callable[[Owner, First, Settings], Result], /
    ) -> Callable[Concatenate[Owner, First, Keywords], Result]: ...

    @overload
    def __call__(
        self, function: Callable[[Owner, Settings], Result], /
    ) -> Callable[Concatenate[Owner, Keywords], Result]: ...

    @overload
    def __call__(self, function: Callable[[Settings], Result], /) -> Callable[Keywords, Result]: ...


def takes_options_of(settings: Callable[Keywords, Settings]) -> TakesOptions[Keywords, Settings]:
    """Turn a function's last parameter, a settings object, into the parameters of the settings class.

    `def trace(self, prompt, settings: TraceSettings)` is then called as `trace(prompt, max_nodes=64)`. Its
    signature and the `Args:` of its docstring list the options. Fields that are not keyword-only may be given
    by position.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        *leading, last = inspect.signature(function).parameters.values()
        options = options_of(settings)  # type: ignore[arg-type]
        own = [
            parameter.replace(annotation=_annotation(options[parameter.name]))
            for parameter in inspect.signature(settings).parameters.values()
        ]
        result = inspect.signature(function).return_annotation
        signature = inspect.Signature([*leading, *own], return_annotation=result)

        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            _check_keywords(function.__qualname__, keywords, signature)
            given = signature.bind(*args, **keywords).arguments
            chosen = {name: given.pop(name) for name in options if name in given}
            return function(**given, **{last.name: settings(**chosen)})  # type: ignore[call-arg]

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = _with_options(function.__doc__ or "", [options[parameter.name] for parameter in own])
        return call

    return decorate  # type: ignore[return-value]


def nearest(text: str, names: Iterable[str]) -> str:
    """` Did you mean NAME?` for the name that a mistyped text is most like, or nothing; ends a sentence."""
    found = get_close_matches(text, list(names), n=1, cutoff=0.7)
    return f" Did you mean {found[0]}?" if found else ""


def _check_keywords(function: str, given: Iterable[str], signature: inspect.Signature) -> None:
    """Raise `TypeError`, as Python does, for a keyword that a function lacks, and name the nearest one."""
    for name in given:
        if name not in signature.parameters:
            known = [each for each in signature.parameters if each != "self"]
            raise TypeError(f"{function}() has no parameter {name!r}.{nearest(name, known)}")


def _annotation(option: Option) -> Any:
    return option.type | None if option.optional else option.type


def _with_options(docstring: str, options: Sequence[Option]) -> str:
    """A docstring whose section `Args:` (made where there is none) ends with the options."""
    prose, *sections = re.split(r"\n\n(?=(?:Args|Returns|Raises):\n)", inspect.cleandoc(docstring))
    arguments = sections.pop(0) if sections and sections[0].startswith("Args:") else "Args:"
    for option in options:
        expected = option.expected()
        facts = [f"One of {expected}" if option.choices else expected.capitalize()] if expected else []
        if option.default is not dataclasses.MISSING and not callable(option.default):
            facts.append(f"default {option.default!r}" if facts else f"Default {option.default!r}")
        values = f" {'; '.join(facts)}." if facts else ""
        arguments += f"\n    {option.name}: {' '.join(option.sentence.split())}{values}"
    return "\n\n".join([prose, arguments, *sections])


def _option(name: str, hint: Any, default: Any, sentence: str) -> Option:
    hint = getattr(hint, "__value__", hint)  # of a `TypeAliasType`
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    optional = NoneType in parts
    types = [part for part in parts if part is not NoneType]
    hint = types[0] if len(types) == 1 else hint
    kind, *facts = get_args(hint) if get_origin(hint) is Annotated else (hint,)

    def bound(kind: type, attribute: str) -> Any:
        return next((getattr(fact, attribute) for fact in facts if isinstance(fact, kind)), None)

    choices = get_args(kind) if get_origin(kind) is Literal else ()
    bounds = bound(Ge, "ge"), bound(Gt, "gt"), bound(Le, "le")
    return Option(name, kind, default, sentence, *bounds, choices, optional)


def _sentences(owner: type) -> dict[str, str]:
    """The strings that stand below the fields of a class."""
    if not dataclasses.is_dataclass(owner):
        return {}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    sentences = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                sentences[name] = inspect.cleandoc(text)
    return sentences
