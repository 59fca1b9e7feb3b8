"""The page with a library of graphs, which `clew serve` and `clew trace --open` serve until Ctrl-C."""

from __future__ import annotations

import argparse
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clew.files import named_path

if TYPE_CHECKING:
    from clew.facade import Model
    from clew.server.http_server import Address
    from clew.server.library import Library


def add_library(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--library",
        type=Path,
        metavar="DIR",
        help="folder of the library (default: the one in your data folder)",
    )


def open_library(folder: Path | None) -> Library:
    """The library in a folder, or else the usual one; raises `ClewError` where it cannot be used."""
    from clew.server.library import Library, default_folder

    return Library(folder or default_folder())


def serve_until_stopped(
    address: Address,
    library: Library,
    *,
    graph: str | None = None,
    open_browser: bool = True,
    model: Model | None = None,
    memory: int | None = None,
    indexes: Sequence[Path] = (),
) -> None:
    """Print the address of the page, open it at a graph or at the library, and serve until Ctrl-C."""
    from clew.cli.terminal import page
    from clew.server.http_server import serve
    from clew.server.indexes import Indexes
    from clew.server.model_cache import ModelCache

    index_files = Indexes([named_path(path) for path in indexes])
    count = len(library.entries())
    link = address.link(f"/g/{graph}" if graph else "")
    with page() as console:
        console.print(f"clew is at {link}", style="bold", soft_wrap=True)
        graphs = "1 graph" if count == 1 else f"{count:,} graphs"
        console.print(f"  {graphs} in {library.folder}", style="dim", soft_wrap=True)
        if address.token:
            line = "  Anybody with this link can use the page; the connection is not encrypted."
            console.print(line, style="dim", soft_wrap=True)
        console.print("  Press Ctrl-C to stop.", style="dim")
    if open_browser:  # a slow browser must not delay the server; the socket already listens
        threading.Thread(target=webbrowser.open, args=[link], daemon=True).start()
    try:
        serve(address, library, ModelCache(memory, model), index_files)
    except KeyboardInterrupt:
        return
