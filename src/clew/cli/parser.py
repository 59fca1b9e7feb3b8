"""All commands, and the parser of their arguments; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from clew.cli.commands import (
    annotate,
    check,
    compare,
    dictionary_inspect,
    dictionary_list,
    dictionary_save,
    export,
    gallery,
    index_cut,
    index_export,
    index_import,
    index_make,
    index_merge,
    index_show,
    intervene,
    label,
    models,
    serve,
    show,
    trace,
    train,
    validate,
)
from clew.errors import ClewError
from clew.options import nearest
from clew.version import __version__


class Command(Protocol):
    """A module of `clew.cli.commands`; that of `clew index make` is `index_make`."""

    @property
    def SUMMARY(self) -> str: ...
    @property
    def USAGE(self) -> str: ...
    @property
    def EXAMPLE(self) -> str: ...
    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...
    def run(self, arguments: argparse.Namespace, /) -> int | None:
        """Do the work, and return an exit code other than 0 where something is wrong with it."""


@dataclass(frozen=True)
class CommandGroup:
    """A command that has commands of its own."""

    SUMMARY: str
    USAGE: str
    EXAMPLE: str
    actions: Mapping[str, Command]
    default: str = ""
    """The action that runs where none is named."""


COMMANDS: Mapping[str, Command | CommandGroup] = {
    "trace": trace,
    "intervene": intervene,
    "dictionary": CommandGroup(
        "measure published transcoders, or save them in one format",
        "ACTION ...",
        """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary save org/name/width_16k my-transcoders""",
        {"list": dictionary_list, "inspect": dictionary_inspect, "save": dictionary_save},
    ),
    "index": CommandGroup(
        "record on which texts features fire",
        "[make | merge | show | cut | export | import] ...",
        """\
example:
  clew index --data my-texts --tokens 1000000 --out my-index.sqlite3
  clew index show my-index.sqlite3 L12/403""",
        {
            "make": index_make,
            "merge": index_merge,
            "show": index_show,
            "cut": index_cut,
            "export": index_export,
            "import": index_import,
        },
        default="make",
    ),
    "train": train,
    "label": label,
    "show": show,
    "compare": compare,
    "annotate": annotate,
    "export": export,
    "validate": validate,
    "check": check,
    "serve": serve,
    "gallery": gallery,
    "models": models,
}
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew show paris.clew"""


class Help(argparse.RawDescriptionHelpFormatter):
    """Options and their explanations side by side, examples as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)
        # argparse aligns options only; this makes room for the names of commands too.
        self._action_max_length = max(map(len, COMMANDS)) + 4


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose complaints are `ClewError`s of one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("clew ")
        message = message.replace("the following arguments are required:", f"{command} needs")
        see = " See" if message.endswith("?") else "; see"
        raise ClewError(f"{message.removeprefix('argument ')}{see} {self.prog} --help")

    @property
    def option_strings(self) -> list[str]:
        """Every option as it is typed: `--model`."""
        return [text for action in self._actions for text in action.option_strings]


def build_parser() -> Parser:
    """The parser of all commands and options."""
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
    for name, command in COMMANDS.items():
        _add_command(commands, name, command)
    return parser


def parse(arguments: list[str]) -> argparse.Namespace:
    """The arguments of one command; raises `ClewError` for any slip."""
    parser = build_parser()
    arguments = _with_default_action(arguments)
    first, second = ([word for word in arguments if not word.startswith("-")] + ["", ""])[:2]
    if first and first not in COMMANDS:
        commands = f"the commands are {', '.join(COMMANDS)}; see clew --help"
        raise ClewError(_with_nearest(f"There is no command {first!r}", first, COMMANDS, commands))
    group = COMMANDS.get(first)
    if isinstance(group, CommandGroup) and second and second not in group.actions:
        actions = ", ".join(group.actions)
        rest = f"the actions are {actions}; see clew {first} --help"
        raise ClewError(_with_nearest(f"{first} has no action {second!r}", second, group.actions, rest))
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        words = parsed.command, getattr(parsed, "action", None)
        command = "".join(f"{word} " for word in words if word)
        hint = "" if unknown[0].startswith("-") else " (a text with spaces needs quotes)"
        known = getattr(parsed, "known_options", parser.option_strings)
        option = unknown[0].partition("=")[0]
        sentence = f"{command}does not know {unknown[0]!r}{hint}"
        raise ClewError(_with_nearest(sentence, option, known, f"see clew {command}--help"))
    if parsed.command is None:
        parsed.run = lambda _: parser.print_help()
    return parsed


def _with_nearest(sentence: str, text: str, names: Iterable[str], rest: str) -> str:
    """`SENTENCE; REST`, with the name that a text was probably meant to be between the two."""
    meant = nearest(text, names)
    return f"{sentence}.{meant} {rest[0].upper()}{rest[1:]}" if meant else f"{sentence}; {rest}"


def _add_command(commands: argparse._SubParsersAction, words: str, command: Command | CommandGroup) -> None:
    """The command `clew WORDS`, with its options or its actions."""
    summary = command.SUMMARY
    parser: Parser = commands.add_parser(
        words.split()[-1],
        prog=f"clew {words}",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        usage=f"clew {words} {command.USAGE}",
        epilog=command.EXAMPLE,
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    if isinstance(command, CommandGroup):
        parser.set_defaults(run=lambda _: parser.print_help())
        actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
        for name, action in command.actions.items():
            _add_command(actions, f"{words} {name}", action)
    else:
        command.add_arguments(parser)
        parser.set_defaults(run=command.run, known_options=parser.option_strings)


def _with_default_action(arguments: list[str]) -> list[str]:
    """`clew index --data ...` as `clew index make --data ...`."""
    place = next((place for place, word in enumerate(arguments) if not word.startswith("-")), None)
    if place is None:
        return arguments
    group, following = COMMANDS.get(arguments[place]), arguments[place + 1 : place + 2]
    if not isinstance(group, CommandGroup) or not group.default or not following:
        return arguments
    if not following[0].startswith("-") or following[0] in ("-h", "--help"):
        return arguments
    return [*arguments[: place + 1], group.default, *arguments[place + 1 :]]
