"""The `clew` command: find the subcommand, run it, say in one line what went wrong."""

from __future__ import annotations

import argparse
import codecs
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

from clew.errors import ClewError
from clew.version import __version__

COMMANDS = {
    "trace": "find the features that led from a prompt to the next token",
    "intervene": "change features on a prompt and see what the model does then",
    "dictionary": "look at published transcoders, or save them in one format",
    "index": "find out from texts on what every feature fires",
    "label": "give features short names, from a language model or by rule",
    "show": "print what is in a graph file",
    "annotate": "name nodes of a graph, and group them as supernodes",
    "validate": "remove features one by one and see if a graph is right",
    "serve": "open a page to explore graphs, make new ones and test them",
    "models": "list the models that are ready on this machine",
}
ACTIONS = {
    "dictionary": {
        "inspect": "measure transcoders on a text, layer by layer",
        "save": "write transcoders anew, as a circuit-tracer folder",
    },
    "index": {
        "make": "read texts once and keep what every feature fires on",
        "merge": "join what several workers made",
        "show": "print what is known of one feature",
        "cut": "write a small index of the features of some graphs",
        "export": "write an index as files of details that other tools read",
        "import": "make an index of files of details that other tools wrote",
    },
}
"""The commands that have commands of their own."""
UNSAID = {"index": "make"}
"""The command of a command that is meant where none is named."""
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew show paris.clew"""

PLAIN_SPELLING = {"→": "->", "●": "*", "·": "|", "…": "...", "�": "?", "░": "-", "▓": "+"}
"""For terminals and files whose encoding lacks these; bars become number signs."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Options and their explanations side by side, examples as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)
        # argparse measures options alone; the longest command should not need a line of its own either.
        self._action_max_length = max(map(len, COMMANDS)) + 4


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose complaints are `ClewError`s of one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise ClewError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """All commands and options; imports nothing heavy."""
    parser = Parser(
        prog="clew",
        description="A circuit tracer for language models: which features led to the next token.",
        epilog=EXAMPLE,
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"clew {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error arose")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        _add_command(commands, name, summary)
    return parser


def _add_command(commands: argparse._SubParsersAction, words: str, summary: str) -> None:
    """The command `clew WORDS`, with the actions or the options of its module."""
    module = import_module(f"clew.cli.{words.replace(' ', '.')}")
    command: argparse.ArgumentParser = commands.add_parser(
        words.split()[-1],
        prog=f"clew {words}",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        usage=f"clew {words} {module.USAGE}",
        epilog=module.EXAMPLE,
        formatter_class=Help,
        allow_abbrev=False,
    )
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    if words in ACTIONS:
        command.set_defaults(run=lambda _: command.print_help())
        actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions")
        for name, of_action in ACTIONS[words].items():
            _add_command(actions, f"{words} {name}", of_action)
    else:
        module.add_arguments(command)
        command.set_defaults(run=module.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for bad input, 130 for Ctrl-C, 1 for a fault."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _allow_any_text()
    try:
        _run(arguments)
        sys.stdout.flush()
        return 0
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
    reason = f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0]
    return 1, f"unexpected {reason}; run again with --debug to see where"


def _run(arguments: list[str]) -> None:
    parser = build_parser()
    arguments = _with_unsaid(arguments)
    first, second = ([word for word in arguments if not word.startswith("-")] + ["", ""])[:2]
    if first and first not in COMMANDS:
        raise ClewError(f"there is no command {first!r}, only {', '.join(COMMANDS)}; see clew --help")
    if first in ACTIONS and second and second not in ACTIONS[first]:
        raise ClewError(f"{first} can {' or '.join(ACTIONS[first])}, not {second!r}; see clew {first} --help")
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        words = parsed.command, getattr(parsed, "action", None)
        command = "".join(f"{word} " for word in words if word)
        hint = "" if unknown[0].startswith("-") else " (a text with spaces needs quotes)"
        raise ClewError(f"{command}does not know {unknown[0]!r}{hint}; see clew {command}--help")
    if parsed.command is None:
        parser.print_help()
        return
    parsed.run(parsed)


def _with_unsaid(arguments: list[str]) -> list[str]:
    """`clew index --data ...` is `clew index make --data ...`."""
    for number, word in enumerate(arguments):
        if not word.startswith("-"):
            following = arguments[number + 1 : number + 2]
            unsaid = word in UNSAID and following and following[0].startswith("-")
            unsaid = unsaid and following[0] not in ("-h", "--help")
            return [*arguments[: number + 1], UNSAID[word], *arguments[number + 1 :]] if unsaid else arguments
    return arguments


def _allow_any_text() -> None:
    """Let no token stop a report whose reader's encoding lacks a character of it."""

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
