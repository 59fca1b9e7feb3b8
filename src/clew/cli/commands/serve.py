"""`clew serve`: the page on which graphs are read, made and tested."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.library_server import add_library, open_library, serve_until_stopped
from clew.cli.options import GIBIBYTE, add_option, add_options
from clew.files import named_path
from clew.server.settings import ServeSettings

SUMMARY = "open a page to explore, make and test graphs"
USAGE = "[FILE ...] [options]"
EXAMPLE = """\
example:
  clew serve
  clew trace "The capital of France is" --out paris.clew
  clew serve paris.clew --port 9000"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="graphs to add to the library; the last one is opened",
    )
    add_library(parser)
    parser.add_argument(
        "--index",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="another index, besides those in your data folder (may be repeated)",
    )
    add_option(parser, ServeSettings, "memory_budget", unit=GIBIBYTE, metavar="GIB")
    address = parser.add_argument_group("address")
    add_options(address, ServeSettings, port="N", host="ADDRESS")
    address.add_argument("--no-open", action="store_true", help="do not open a browser")


def run(arguments: argparse.Namespace) -> None:
    from clew.server.http_server import listen

    address = listen(arguments.host, arguments.port)
    library = open_library(arguments.library)
    try:
        entries = [library.import_file_once(named_path(path)) for path in arguments.files]
    except BaseException:
        library.close()
        raise
    memory = arguments.memory_budget
    serve_until_stopped(
        address,
        library,
        graph=entries[-1].id if entries else None,
        open_browser=not arguments.no_open,
        memory=None if memory is None else int(memory),
        indexes=arguments.index,
    )
