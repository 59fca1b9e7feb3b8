"""Graphs as files to take away, with everything that people added to them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, Literal

from clew.server.html_file import html_file
from clew.server.index_excerpt import index_excerpt
from clew.server.page_graph import bytes_for_page
from clew.server.schemas.library import GraphEntry
from clew.server.state import ServerState

Format = Literal["clew", "json", "html"]
TYPES: dict[Format, str] = {
    "clew": "application/vnd.clew",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}


def export(state: ServerState, graph: str, kind: Format) -> tuple[str, bytes]:
    """A file name and its content; raises `ClewError` for a graph that does not exist."""
    entry = state.library.entry(graph)
    name = f"{file_name(entry.name)}.{kind}"
    if kind == "html":
        return name, _page(state, entry)
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        return name, state.annotated_graph(graph).save(Path(folder) / f"graph.{kind}").read_bytes()


def file_name(name: str) -> str:
    """A name reduced to what every system accepts as the name of a file."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
    return plain[:60].strip("-") or "graph"


def _page(state: ServerState, entry: GraphEntry) -> bytes:
    """The page with the graph inside, and what the page would ask a server for."""
    library, opened = state.library, state.library.opened(entry.id)
    annotated = state.annotated_graph(entry.id)
    revision, values = library.annotations.read(entry.id, opened)
    index = state.indexes.readable(opened.graph)
    document: dict[str, Any] = {
        "entry": entry.model_dump(),
        "annotations": {"revision": revision, "values": values},
        "summary": annotated.summarize().as_json(),
        "index": index and index_excerpt(annotated, index),
        "nodes_total": opened.graph.n_nodes,
        "edges_total": opened.graph.n_edges,
    }
    arrays = bytes_for_page(opened, library.path_of(entry.id), library.limits)
    return html_file(state.page, arrays, document, entry.name)
