"""The `clew` command: runs a subcommand; an error becomes one line."""

from __future__ import annotations

import codecs
import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper

from clew.cli.parser import parse
from clew.errors import ClewError
from clew.system_errors import system_sentence

PLAIN_SPELLING = {"→": "->", "●": "*", "·": "|", "…": "...", "�": "?", "░": "-", "▓": "+"}
"""Replacements for characters that an encoding lacks; bars become number signs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for bad input, 130 for Ctrl-C, 1 for a fault.

    `clew check` returns 1 for a model that fails.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _allow_any_text()
    try:
        parsed = parse(arguments)
        code = parsed.run(parsed)
        sys.stdout.flush()
        return code or 0
    except SystemExit as request:  # argparse after --help; rich when its reader has gone
        return request.code if isinstance(request.code, int) else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, Exception) as error:
        if "--debug" in arguments:
            traceback.print_exception(error)
        code, line = _explain(error)
        print("clew: " + " ".join(line.splitlines()), file=sys.stderr)
        return code


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
