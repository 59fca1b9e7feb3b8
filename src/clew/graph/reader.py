"""Graphs read from disk: a `.clew` file or Neuronpedia's JSON, told apart by content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from clew.errors import ClewError
from clew.files import as_path, cannot_read
from clew.graph.arrays import ARRAY_TYPES, OPTIONAL_NODE_ARRAYS, OutputTokens
from clew.graph.consistency import check_consistency
from clew.graph.graph import Graph
from clew.graph.info_check import check_values
from clew.graph.info_json import annotations_from_json, info_from_json
from clew.graph.neuronpedia.reader import from_neuronpedia
from clew.graph.writer import FORMAT, OPTIONAL_ARRAY_TYPES, content_digest

KINDS = ("BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "F32", "F64")
"""Types of arrays in the spelling of safetensors; a newer clew may write further arrays."""
MOST_JSON = 512 * 2**20
"""Bytes of a graph in JSON, which takes many times its size in memory."""
ADVICE = "Copy it again, or make it anew."


def open_graph(path: str | Path) -> Graph:
    """The graph in a `.clew` file or a file of Neuronpedia's JSON; the content decides, not the name.

    Args:
        path: File to read.

    Returns:
        The graph.

    Raises:
        ClewError: The file does not exist, is not a graph, is of a newer version, or is damaged.
    """
    path = as_path(path)
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a graph file (.clew or .json) in it.")
    try:
        with path.open("rb") as file:
            start = file.read(64)
        # A safetensors file begins with its header's length in eight bytes, the upper ones zero.
        if len(start) > 8 and start[4:8] == bytes(4) and start[8:9] == b"{":
            return _open_clew(path)
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return _open_json(path)
        if start.startswith(b"SQLite format 3\0"):
            raise ClewError(
                f"{path} is an SQLite database, not a graph; if it is an index, clew index show {path} "
                "L12/403 (clew.open_index in Python) reads it."
            )
    except OSError as error:
        raise cannot_read(path, error) from error
    raise ClewError(
        f"{path} is neither a .clew file nor a Neuronpedia graph in JSON; name a graph "
        "file. (If this is one, it was cut off; copy it again.)"
    )


def _open_clew(path: Path) -> Graph:
    types = ARRAY_TYPES | OPTIONAL_ARRAY_TYPES
    try:
        with safe_open(path, framework="numpy", backend="pread") as file:
            metadata = file.metadata() or {}
            if "clew" not in metadata:
                raise ClewError(f"{path} is a safetensors file but not a graph; name a file that clew saved.")
            description = _read_description(path, metadata["clew"])
            names = list(file.keys())
            _check_headers(path, {name: file.get_slice(name) for name in names})
            arrays = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, TypeError) as error:
        raise ClewError(f"{path} is damaged or cut off ({error}). {ADVICE}") from error
    digest = metadata.get("digest")  # files of other tools and of older versions have none
    if digest is not None and digest != content_digest(arrays, metadata):
        raise ClewError(f"{path} is not as it was written: its digest differs from its content. {ADVICE}")
    try:
        return _assemble(description, metadata, {name: arrays[name] for name in types if name in arrays})
    except (ClewError, ValueError, RecursionError) as error:
        raise ClewError(f"{path} is damaged: {error} {ADVICE}") from error


def _check_headers(path: Path, slices: Mapping[str, Any]) -> None:
    """Raise `ClewError` for an array of a type that no graph has, or longer than its file."""
    size = path.stat().st_size
    for name, part in slices.items():
        kind, shape = part.get_dtype(), part.get_shape()
        if kind not in KINDS or max(shape, default=0) > size:
            raise ClewError(
                f"{path} is damaged: its array {name} is {kind} {shape}, which no graph has. {ADVICE}"
            )


def _read_description(path: Path, text: str) -> dict[str, Any]:
    try:
        description = json.loads(text)
        version = description["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClewError(f"{path} is damaged: its description cannot be read. {ADVICE}") from error
    if not isinstance(version, int) or version < 1:
        raise ClewError(f"{path} is damaged: its format is {version!r}, expected a number from 1. {ADVICE}")
    if version > FORMAT:
        raise ClewError(
            f"{path} was written by a newer clew (format {version}; this one reads up to {FORMAT}); "
            "upgrade it: pip install --upgrade clew."
        )
    return description


def _assemble(description: dict[str, Any], metadata: dict[str, str], arrays: dict[str, np.ndarray]) -> Graph:
    missing = [name for name in ARRAY_TYPES if name not in arrays]
    if missing:
        raise ClewError(f"The file lacks the array {missing[0]}.")
    for name, dtype in OPTIONAL_ARRAY_TYPES.items():
        if name in arrays and arrays[name].dtype != dtype:
            raise ClewError(f"The array {name} is {arrays[name].dtype}; expected {dtype}.")
    optional: dict[str, Any] = {name: arrays[name] for name in OPTIONAL_NODE_ARRAYS if name in arrays}
    foreign = json.loads(metadata["neuronpedia"]) if "neuronpedia" in metadata else None
    graph = Graph(
        **{name: arrays[name] for name in ARRAY_TYPES},
        info=info_from_json(description),
        annotations=annotations_from_json(json.loads(metadata.get("annotations", "{}"))),
        output_tokens=_output_tokens(arrays),
        **optional,
        foreign=foreign,
    )
    check_values(graph)
    check_consistency(graph)
    nodes = foreign.get("nodes", []) if isinstance(foreign, dict) else None
    if foreign is not None and (not isinstance(nodes, list) or len(nodes) not in (0, graph.n_nodes)):
        raise ClewError(f"The fields of the imported file do not match the graph's {graph.n_nodes} nodes.")
    return graph


def _output_tokens(arrays: dict[str, np.ndarray]) -> OutputTokens | None:
    match [arrays.get(name) for name in ("output_node", "output_token", "output_logit")]:
        case [None, None, None]:
            return None
        case [np.ndarray() as node, np.ndarray() as token, np.ndarray() as logit]:
            return OutputTokens(node, token, logit)
    raise ClewError("The file lacks some of the arrays output_node, output_token and output_logit.")


def _open_json(path: Path) -> Graph:
    if (size := path.stat().st_size) > MOST_JSON:
        mebibytes, most = round(size / 2**20), MOST_JSON // 2**20
        raise ClewError(f"{path} has {mebibytes:,} MiB, and a graph in JSON at most {most}; prune it first.")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ClewError(f"{path} is damaged or cut off: {error}. {ADVICE}") from error
    try:
        return from_neuronpedia(data)
    except ClewError as error:
        raise ClewError(f"{path} is not a graph that clew can read: {error}") from error
