"""What may be written for an option: each function reads one text or says what was expected."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from clew.errors import ClewError


def whole_number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise ArgumentTypeError(f"expected a whole number from {least}, not {text!r}")
        return number

    return read


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise ArgumentTypeError(f"expected a number above 0 and at most 1, not {text!r}")
    return number


def amount(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return number


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ArgumentTypeError(f"expected {', '.join(choices[:-1])} or {choices[-1]}, not {text!r}")
        return text

    return read


def check_prompt(arguments: argparse.Namespace, where: str = "") -> None:
    """Raise `ClewError` unless there is either a prompt or `--tokens`; a prompt should stand `where`."""
    command = arguments.command
    if arguments.tokens is not None and arguments.prompt is not None:
        raise ClewError(f"{command} takes a prompt or --tokens, not both; see clew {command} --help")
    if arguments.tokens is None and not arguments.prompt:
        raise ClewError(f"{command} needs a prompt{where}; see clew {command} --help")


def token_ids(text: str) -> list[int]:
    """`2,17,45`: ids with commas between them."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            raise ArgumentTypeError(f"expected token ids such as 2,17,45; {part!r} is none")
    return [int(part) for part in parts]


def target(text: str) -> str | int:
    """A token's text, `A minus B`, or a token id as `id:7042`."""
    if not text.startswith("id:"):
        return text
    number = text.removeprefix("id:")
    if not (number.isascii() and number.isdigit()):
        raise ArgumentTypeError(f"expected a token id such as id:7042, not {text!r}")
    return int(number)


def file_ending_in(suffix: str) -> Callable[[str], Path]:
    def read(text: str) -> Path:
        path = Path(text).expanduser()
        if path.suffix.lower() != suffix:
            other = {".json": " (--json writes JSON)", ".clew": " (--out writes .clew files)"}
            hint = other.get(path.suffix.lower(), "") if suffix in other else ""
            raise ArgumentTypeError(f"expected a name that ends in {suffix}, not {text!r}{hint}")
        return path

    return read
