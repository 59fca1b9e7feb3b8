"""`clew serve`: the page on which graphs are read, made and tested."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from pathlib import Path

from clew.cli.library_page import add_library, opened_library, serve_until_stopped

SUMMARY = "open a page to explore graphs, make new ones and test them"
USAGE = "[FILE ...] [options]"
EXAMPLE = """\
example:
  clew serve
  clew serve paris.clew --port 9000"""

PORT = 8417
"""As `clew.server.http_server` has it; said here again so that --help need not import a server."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="graphs to put into the library, and to open"
    )
    add_library(parser)
    parser.add_argument(
        "--index",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an index of what features mean, besides those in your data folder",
    )
    where = parser.add_argument_group("where it listens")
    where.add_argument("--port", type=port, metavar="N", help=f"default: {PORT}, or the next that is free")
    where.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="another address than this machine's own; then a token is needed (default: %(default)s)",
    )
    where.add_argument("--no-open", action="store_true", help="open no browser")
    parser.add_argument(
        "--memory-budget",
        type=gibibytes,
        metavar="GIB",
        help="what the model that is kept may weigh (default: what is free)",
    )


def port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number < 65536:
        raise ArgumentTypeError(f"expected a port from 1 to 65535 (0 for any free one), not {text!r}")
    return number


def gibibytes(text: str) -> int:
    """Bytes."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 2**20:
        raise ArgumentTypeError(f"expected a number of GiB above 0, not {text!r}")
    return int(number * 2**30)


def run(arguments: argparse.Namespace) -> None:
    from clew.server.http_server import listen

    address = listen(arguments.host, arguments.port)
    library = opened_library(arguments.library)
    try:
        imported = [library.import_file_once(path.expanduser()) for path in arguments.files]
    except BaseException:
        library.close()
        raise
    serve_until_stopped(
        address,
        library,
        graph=imported[-1].id if imported else None,
        open_browser=not arguments.no_open,
        memory=arguments.memory_budget,
        indexes=arguments.index,
    )
