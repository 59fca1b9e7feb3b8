"""Options of settings classes on the command line."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeVar

from clew.options import Option, options_of

Settings = TypeVar("Settings")

MEBIBYTE = 2**20
GIBIBYTE = 2**30
UNITS = {MEBIBYTE: "MiB", GIBIBYTE: "GiB"}


def add_options(group: argparse._ActionsContainer, settings: type, /, **metavars: str) -> None:
    """Add several options of a settings class, each with the word for its value; "" for a flag."""
    for name, metavar in metavars.items():
        details: dict[str, Any] = {"metavar": metavar} if metavar else {}
        add_option(group, settings, name, **details)


def add_option(
    group: argparse._ActionsContainer,
    settings: type,
    name: str,
    *,
    flag: str = "",
    unit: int = 1,
    **details: Any,
) -> None:
    """Add `--max-nodes`, or another `flag`, for the option `max_nodes` of a settings class.

    Type, default and help come from the class; `details` of argparse go before. A bool becomes a flag, such
    as `--no-check` for one that is on by default. An option without a default is required. With `unit`
    `MEBIBYTE` the command line counts in MiB what the class counts in bytes. With the default
    `argparse.SUPPRESS` only what is given becomes an argument.
    """
    option = options_of(settings)[name]
    prefix = "--no-" if option.default is True else "--"
    given: dict[str, Any] = {"default": option.default, "dest": name, "help": _help(option, unit, details)}
    if option.default is MISSING:
        del given["default"]
        given["required"] = True
    if option.type is bool:
        given["action"] = "store_false" if option.default else "store_true"
    else:
        given["type"] = _reader(option, unit)
    group.add_argument(flag or prefix + name.replace("_", "-"), **(given | details))


def settings_of(arguments: argparse.Namespace, settings: type[Settings], **more: Any) -> Settings:
    """The settings that the arguments of a command name; `more` are those that no option names."""
    given = {name: getattr(arguments, name) for name in options_of(settings) if name in arguments}
    return settings(**(given | more))


def _help(option: Option, unit: int, details: dict[str, Any]) -> str:
    """An option's sentence and default: `most features that become nodes (default: 4096)`."""
    sentence = option.sentence.removesuffix(".").replace("`", "").replace("%", "%%")
    sentence = sentence.replace("Bytes", UNITS[unit]) if unit > 1 else sentence[:1].lower() + sentence[1:]
    if option.type is bool:
        return f"do not {sentence}" if option.default else sentence
    if not all(str(choice) in sentence for choice in option.choices):
        sentence += f": {option.expected()}"
    default = details.get("default", option.default)
    if default is argparse.SUPPRESS:
        default = option.default
    if default in (None, MISSING) or isinstance(default, tuple):
        return sentence
    return f"{sentence} (default: {default // unit if unit > 1 else default})"


def _reader(option: Option, unit: int) -> Callable[[str], Any]:
    """A function that reads an option's text, or says what was expected."""

    def read(text: str) -> Any:
        value: Any = {str(choice): choice for choice in option.choices}.get(text, text)
        if option.type in (int, float):
            try:
                value = option.type(text) * unit
            except ValueError:
                value = None
        if value is None or not option.allows(value):
            raise ArgumentTypeError(f"expected {option.expected(unit)}, not {text!r}")
        return value

    return read
