"""What `clew serve` and `clew trace --open` share: a library on a page, until Ctrl-C."""

from __future__ import annotations

import argparse
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.facade import Model
    from clew.server.http_server import Address
    from clew.server.library import Library


def add_library(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--library",
        type=Path,
        metavar="DIR",
        help="folder of the graphs (default: one of clew's own in your data folder)",
    )


def opened_library(folder: Path | None) -> Library:
    """The library named, or the usual one; `ClewError` where it cannot be used."""
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
    """Say where the page is, open it at a graph or at the library, and serve; Ctrl-C ends it quietly."""
    from clew.cli.terminal import page
    from clew.server.http_server import serve
    from clew.server.indexes import Indexes
    from clew.server.model_cache import ModelCache

    known = Indexes([path.expanduser() for path in indexes])
    count = len(library.entries())
    link = address.link(f"/g/{graph}" if graph else "")
    with page() as console:
        console.print(f"clew is at {link}", style="bold", soft_wrap=True)
        graphs = "1 graph" if count == 1 else f"{count:,} graphs"
        console.print(f"  {graphs} in {library.folder}", style="dim", soft_wrap=True)
        if address.token:
            line = "  Whoever has this link can use it; the connection is not encrypted."
            console.print(line, style="dim", soft_wrap=True)
        console.print("  Ctrl-C stops it.", style="dim")
    if open_browser:  # it may take its time, and the socket already listens
        threading.Thread(target=webbrowser.open, args=[link], daemon=True).start()
    try:
        serve(address, library, ModelCache(memory, model), known)
    except KeyboardInterrupt:
        return
