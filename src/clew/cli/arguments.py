"""What may be written for an option: each function reads one text or says what was expected."""

from __future__ import annotations

import argparse
import os
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from clew.errors import ClewError

DTYPES = "float32", "bfloat16", "float16"


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


def add_model(group: argparse._ArgumentGroup) -> None:
    """Options that say which model, and which features of it."""
    group.add_argument(
        "--tokens", type=token_ids, metavar="IDS", help="token ids such as 2,17,45 in place of PROMPT"
    )
    group.add_argument(
        "--model",
        metavar="NAME",
        default="smollm2",
        help="short name (see clew models), folder, .gguf file or hub id (default: %(default)s)",
    )
    add_dictionary(group)


def add_sink(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sink", metavar="TOKEN", help="the first token, which soaks up attention; none for none"
    )


def add_machine(group: argparse._ArgumentGroup) -> None:
    """Options that say how it is computed."""
    group.add_argument(
        "--device", metavar="D", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)"
    )
    group.add_argument(
        "--dtype",
        type=one_of(*DTYPES),
        default="float32",
        metavar="T",
        help=f"{', '.join(DTYPES)} (default: %(default)s)",
    )
    group.add_argument(
        "--low-memory", action="store_true", help="read encoders from disk whenever they are needed"
    )


def check_prompt(arguments: argparse.Namespace, where: str = "") -> None:
    """Raise `ClewError` unless there is either a prompt or `--tokens`; a prompt should stand `where`."""
    command = arguments.command
    if arguments.tokens is not None and arguments.prompt is not None:
        raise ClewError(f"{command} takes a prompt or --tokens, not both; see clew {command} --help")
    if arguments.tokens is None and not arguments.prompt:
        raise ClewError(f"{command} needs a prompt{where}; see clew {command} --help")


def add_dictionary(group: argparse._ArgumentGroup) -> None:
    """Options that say which features, and where they read and write."""
    group.add_argument(
        "--dictionary",
        metavar="REF",
        default="neurons",
        help="neurons, or transcoders: folder, file or hub reference (default: %(default)s)",
    )
    add_overrides(group)
    group.add_argument(
        "--no-check",
        dest="check",
        action="store_false",
        help="take a dictionary even if it explains nothing (FVU above 1)",
    )


def add_overrides(group: argparse._ActionsContainer) -> None:
    """Options that say about transcoders what their files say wrong, or do not say."""
    group.add_argument(
        "--read-point",
        type=one_of("residual", "normalized", "mlp-input"),
        metavar="POINT",
        help="where they read: residual, normalized, mlp-input",
    )
    group.add_argument(
        "--write-point",
        type=one_of("mlp-output", "stream"),
        metavar="POINT",
        help="where they write: mlp-output or stream",
    )
    group.add_argument(
        "--k",
        type=whole_number(1),
        metavar="N",
        help="features of a layer active together, for a TopK whose files do not say",
    )


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


def check_writable(path: Path) -> None:
    """Raise `ClewError` where a file of this name could not be saved; leaves nothing behind."""
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a file in it.")
    destination = Path(os.path.realpath(path))
    if not destination.parent.is_dir():
        raise ClewError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    try:
        # Trying is the only answer that holds on every file system; the name is as long as save's own.
        with tempfile.NamedTemporaryFile(
            dir=destination.parent, prefix=f".{destination.name}.", suffix=".part"
        ):
            pass
    except OSError as error:
        raise ClewError(f"{path} cannot be written: {error.strerror}; choose another place.") from error
