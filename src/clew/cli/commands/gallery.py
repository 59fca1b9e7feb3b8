"""`clew gallery`: annotated graphs that come with clew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import file_ending_in
from clew.cli.library_server import add_library, open_library, serve_until_stopped
from clew.errors import ClewError
from clew.files import check_writable

if TYPE_CHECKING:
    from rich.console import Console

    from clew.gallery.exhibits import Exhibit

SUMMARY = "read annotated graphs that come with clew"
USAGE = "[NAME] [options]"
EXAMPLE = """\
example:
  clew gallery
  clew gallery capital --open"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a graph of the gallery (default: list all)")
    parser.add_argument(
        "--out", type=file_ending_in(".clew"), metavar="FILE.clew", help="copy the graph to this file"
    )
    parser.add_argument("--open", action="store_true", help="copy it into the library, and open the page")
    add_library(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the list or one graph, then copy or open that graph."""
    from clew.cli.terminal import page
    from clew.gallery.exhibits import exhibit_named, exhibits

    for option in ("out", "open", "library"):
        if arguments.name is None and getattr(arguments, option):
            raise ClewError(f"--{option} needs a graph of the gallery; name one, as in clew gallery capital.")
    if arguments.library is not None and not arguments.open:
        raise ClewError("--library needs --open; to save the graph as a file, use --out FILE.clew")
    if arguments.out is not None:
        check_writable(arguments.out)
    chosen = None if arguments.name is None else exhibit_named(arguments.name)
    with page() as console:
        if chosen is None:
            _print_list(console, exhibits())
            return
        _print_exhibit(console, chosen, arguments.out)
    if arguments.open:
        _open_page(chosen, arguments.library)


def _print_list(console: Console, listed: list[Exhibit]) -> None:
    from rich.text import Text

    from clew.token_text import quote

    for each in listed:
        question = Text.assemble((f"{each.name}  ", "bold"), f"{quote(each.prompt)} → {quote(each.answer)}")
        console.print(question, soft_wrap=True)
        console.print(Text(f"    {each.summary}", style="dim"), soft_wrap=True)
    console.print("\nclew gallery NAME prints one of them; --open shows it on the page.")


def _print_exhibit(console: Console, exhibit: Exhibit, out: Path | None) -> None:
    from clew.cli.index_lookup import index_of_graph
    from clew.cli.reports.gallery import print_exhibit
    from clew.cli.reports.graph import print_file
    from clew.graph.reader import open_graph
    from clew.index.labels.graph_features import with_index_labels

    graph = open_graph(exhibit.graph_file)
    with index_of_graph(graph, None) as index:
        labelled = with_index_labels(graph, index) if index else graph
    print_exhibit(console, exhibit, labelled)
    if out is not None:
        print_file(console, "\nSaved", graph.save(out), graph)


def _open_page(exhibit: Exhibit, folder: Path | None) -> None:
    from clew.server.gallery import open_exhibit
    from clew.server.http_server import listen

    library = open_library(folder)
    try:
        entry = open_exhibit(library, exhibit)
        address = listen()
    except BaseException:
        library.close()
        raise
    print()
    serve_until_stopped(address, library, graph=entry.id)
