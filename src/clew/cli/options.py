"""Options of settings classes on the command line."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any, TypeVar

from clew.options import Option, options_of

Settings = TypeVar("Settings")

MEBIBYTE = 2**20


def add_option(
    group: argparse._ActionsContainer, settings: type, name: str, *, unit: int = 1, **details: Any
) -> None:
    """Add `--max-nodes` for the option `max_nodes` of a settings class.

    Type, default and help come from the class; `details` of argparse go before. A bool becomes a flag. With
    `unit` `MEBIBYTE` the command line counts in MiB what the class counts in bytes.
    """
    option = options_of(settings)[name]
    sentence = option.sentence.removesuffix(".").replace("Bytes", "MiB")
    sentence = sentence if unit > 1 else sentence[:1].lower() + sentence[1:]
    without_default = option.default is None or option.type is bool
    default = "" if without_default else f" (default: {_spelled(option.default, unit)})"
    kind = {"action": "store_true"} if option.type is bool else {"type": _reader(option, unit)}
    given = {"default": option.default, "help": (sentence + default).replace("%", "%%"), **kind, **details}
    group.add_argument(f"--{name.replace('_', '-')}", **given)


def settings_of(arguments: argparse.Namespace, settings: type[Settings], **more: Any) -> Settings:
    """The settings that the arguments of a command say; `more` are those that no option says."""
    given = {name: getattr(arguments, name) for name in options_of(settings) if name in arguments}
    return settings(**(given | more))


def _spelled(value: Any, unit: int) -> str:
    return str(value // unit) if unit > 1 else str(value)


def _reader(option: Option, unit: int) -> Callable[[str], Any]:
    """A function that reads an option's text, or says what was expected."""

    def read(text: str) -> Any:
        value: Any = text
        if option.type in (int, float):
            try:
                value = option.type(text) * unit
            except ValueError:
                value = None
        if value is None or not option.allows(value):
            raise ArgumentTypeError(f"expected {option.expected(unit)}, not {text!r}")
        return value

    return read
