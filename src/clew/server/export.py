"""Graphs as files to take away, with all that people added to them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, Literal

from clew.server.html_file import self_contained
from clew.server.index_excerpt import index_excerpt
from clew.server.page_graph import bytes_for_page
from clew.server.state import ServerState

Format = Literal["clew", "json", "html"]
TYPES: dict[Format, str] = {
    "clew": "application/vnd.clew",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}


def export(service: ServerState, graph: str, kind: Format) -> tuple[str, bytes]:
    """A file name and its content; raises `ClewError` for a graph that is not there."""
    entry = service.library.entry(graph)
    name = f"{file_name(entry['name'])}.{kind}"
    if kind == "html":
        return name, _page(service, entry)
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        return name, service.graph(graph).save(Path(folder) / f"graph.{kind}").read_bytes()


def file_name(name: str) -> str:
    """What of a name any system takes as the name of a file."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
    return plain[:60].strip("-") or "graph"


def _page(service: ServerState, entry: dict[str, Any]) -> bytes:
    library, graph = service.library, entry["id"]
    opened = library.opened(graph)
    annotated = service.graph(graph)
    revision, values = library.annotations.read(graph, opened)
    document = {
        "entry": entry,
        "annotations": {"revision": revision, "values": values},
        "summary": annotated.summarize().as_json(),
        "index": index_excerpt(annotated, service.indexes.readable(opened.graph)),
        "nodes_total": opened.graph.n_nodes,
        "edges_total": opened.graph.n_edges,
    }
    arrays = bytes_for_page(opened, library.path_of(graph), library.limits)
    return self_contained(service.page, arrays, document, entry["name"])
