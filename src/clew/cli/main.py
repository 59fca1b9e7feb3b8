"""The `clew` command: runs a subcommand; an error becomes one line."""

from __future__ import annotations

import codecs
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from clew.cli.output import visible_output
from clew.cli.parser import parse
from clew.errors import ClewError, ClewWarning
from clew.system_errors import system_sentence

PLAIN_SPELLING = {"→": "->", "●": "*", "·": "|", "…": "...", "�": "?", "░": "-", "▓": "+"}
"""Replacements for characters that an encoding lacks; bars become number signs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for bad input, 130 for Ctrl-C, 1 for a fault.

    `clew check` returns 1 for a model that fails.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _allow_any_text()
    with visible_output():
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        parsed = parse(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = parsed.run(parsed)
        sys.stdout.flush()
        return code or 0
    except SystemExit as request:  # argparse after --help; rich when its reader has gone
        return request.code if isinstance(request.code, int) else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:  # a panic of Rust is not an `Exception`
        if "--debug" in arguments:
            traceback.print_exception(error)
        code, line = _explain(error)
        print("clew: " + " ".join(line.splitlines()), file=sys.stderr)
        return code


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Print a warning of clew as a line, without the place that gave it."""
    if issubclass(category, ClewWarning):
        print(f"Warning: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *place[:2]), file=sys.stderr, end="")


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit code and one line."""
    match error:
        case KeyboardInterrupt():
            return 130, f"stopped; {str(error) or 'nothing was written'}."
        case ClewError():
            return 2, str(error)
    if sentence := system_sentence(error):
        return 2, sentence
    reason = f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0]
    return 1, f"unexpected {reason}; run again with --debug to see where"


def _allow_any_text() -> None:
    """Replace characters that the encoding of the output lacks, so that no token stops a report."""

    def substitute(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        missing = error.object[error.start : error.end]
        plain = "".join(PLAIN_SPELLING.get(c, "#" if "▁" <= c <= "▏" else "?") for c in missing)
        return plain, error.end

    codecs.register_error("clew", substitute)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="clew")


if __name__ == "__main__":
    sys.exit(main())
