"""Graphs written to disk: a `.clew` file, or Neuronpedia's JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from clew.errors import ClewError
from clew.files import as_path, write_file
from clew.graph.arrays import ARRAY_TYPES, OPTIONAL_NODE_ARRAYS, GraphArrays
from clew.graph.consistency import check_consistency
from clew.graph.info_json import annotations_to_json, info_to_json
from clew.graph.neuronpedia.writer import to_neuronpedia

FORMAT = 1
"""Version of the `.clew` format that is written, and the newest that is read."""

OPTIONAL_ARRAY_TYPES: dict[str, str] = {
    **dict.fromkeys(OPTIONAL_NODE_ARRAYS, "float32"),
    "output_node": "int32",
    "output_token": "int32",
    "output_logit": "float32",
}


def save(graph: GraphArrays, path: str | Path) -> Path:
    """Write a graph to a file; see `Graph.save`. Raises `ClewError` for a graph that is not consistent."""
    path = as_path(path)
    check_consistency(graph)
    as_json = path.suffix.lower() == ".json"
    return write_file(path, _strict_json(to_neuronpedia(graph)) if as_json else _clew_bytes(graph))


def _strict_json(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ClewError(f"The graph cannot be written as JSON: {error}.") from error


def _clew_bytes(graph: GraphArrays) -> bytes:
    arrays = {name: getattr(graph, name) for name in ARRAY_TYPES}
    arrays |= {name: getattr(graph, name) for name in OPTIONAL_NODE_ARRAYS}
    if (described := graph.output_tokens) is not None:
        arrays |= {
            "output_node": described.node,
            "output_token": described.token,
            "output_logit": described.logit,
        }
    types = ARRAY_TYPES | OPTIONAL_ARRAY_TYPES
    stored = {
        name: np.ascontiguousarray(array, dtype=types[name])
        for name, array in arrays.items()
        if array is not None
    }
    texts = {
        "clew": {"format": FORMAT, **info_to_json(graph.info)},
        "annotations": annotations_to_json(graph.annotations),
    }
    if graph.foreign is not None:
        texts["neuronpedia"] = graph.foreign
    metadata = {name: _strict_json(value).decode() for name, value in texts.items()}
    metadata["digest"] = content_digest(stored, metadata)
    try:
        return safetensors.numpy.save(stored, metadata=metadata)
    except SafetensorError as error:
        raise ClewError(f"The graph is too large for a .clew file ({error}); prune it first.") from error


def content_digest(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> str:
    """32 hex digits of all arrays and texts of a `.clew` file; the text `digest` itself does not count."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data.cast("B") if array.size else b"")
    for name in sorted(texts):
        if name != "digest":
            digest.update(f"{name} {len(texts[name])}\n".encode())
            digest.update(texts[name].encode())
    return digest.hexdigest()
