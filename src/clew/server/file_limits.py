"""Limits of imported files, so that one file never takes the machine down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.info_check import MOST_DEPTH
from clew.server.errors import RequestError

MOST_TEXT = 2_000
"""Characters of a label, a name or a token."""
MOST_PROMPT = 1_000_000


@dataclass(frozen=True)
class FileLimits:
    """The largest files that the server takes, and the largest graph that it gives a page."""

    upload: int = 512 * 2**20
    """Bytes of a file."""
    nodes: int = 1_000_000
    page_nodes: int = 20_000
    page_edges: int = 1_000_000

    @property
    def json(self) -> int:
        """Bytes of a JSON file, which takes many times its size in memory."""
        return self.upload // 8


DEFAULT_LIMITS = FileLimits()


def check_file(path: Path, limits: FileLimits) -> None:
    """Raise `ClewError` for a file that is too large to open; reads only its beginning."""
    size = path.stat().st_size
    if size == 0:
        raise ClewError("The file is empty; choose a .clew file or a graph in Neuronpedia's JSON.")
    with path.open("rb") as file:
        start = file.read(16)
    if start[4:8] == bytes(4):
        _check_node_count(path, limits)
    elif size > limits.json:
        raise too_large("A JSON file", size, limits.json)


def too_large(what: str, size: int, most: int) -> RequestError:
    """The refusal of `size` bytes where there may be `most`."""
    size, most = round(size / 2**20), round(most / 2**20)
    return RequestError(413, f"{what} may have at most {most:,} MiB; this one has {size:,} MiB.")


def _check_node_count(path: Path, limits: FileLimits) -> None:
    try:
        with safe_open(path, framework="numpy") as file:
            shape = file.get_slice("node_kind").get_shape()
    except (SafetensorError, TypeError, OSError):
        return  # opening the graph reports it
    if shape:
        _check_most("The graph", shape[0], "nodes", limits.nodes, "Prune", 413)


def _check_most(what: str, number: int, unit: str, most: int, advice: str, status: int = 422) -> None:
    if number > most:
        sentence = f"{what} has {number:,} {unit}; the library takes up to {most:,}. {advice} it first."
        raise RequestError(status, sentence)


def check_graph(graph: Graph, limits: FileLimits) -> None:
    """Raise `ClewError` for a graph that is too large, and for texts that are too long or not Unicode."""
    info, annotations = graph.info, graph.annotations
    _check_most("The graph", graph.n_nodes, "nodes", limits.nodes, "Prune", 413)
    _check_most("The prompt", len(info.prompt), "characters", MOST_PROMPT, "Shorten")
    messages = [text for _, text in info.messages]
    _check_most("The chat", sum(map(len, messages)), "characters", MOST_PROMPT, "Shorten")
    texts = [
        ("token of the prompt", info.tokens),
        ("role of a token", info.roles),
        ("role of a message", [role for role, _ in info.messages]),
        ("target", [target.text for target in info.targets]),
        ("prediction", [text for text, _ in info.predictions]),
        ("output token", info.token_text.values()),
        ("name of the model", [info.model]),
        ("name of the dictionary", [info.dictionary]),
        ("label", annotations.labels.values()),
        ("label of a feature", annotations.feature_labels.values()),
        ("supernode's name", [name for name, _ in annotations.supernodes]),
    ]
    for what, group in texts:
        _check_most(f"A {what}", max(map(len, group), default=0), "characters", MOST_TEXT, "Shorten")
    if _depth(graph.foreign) > MOST_DEPTH:
        raise ClewError(
            f"The file's other fields are nested more than {MOST_DEPTH} deep; flatten them first."
        )
    try:
        json.dumps(
            [info.prompt, *messages, *(list(group) for _, group in texts)], ensure_ascii=False
        ).encode()
    except UnicodeEncodeError as error:
        sentence = "A text of the file holds half a character (a lone surrogate); write it as valid Unicode."
        raise ClewError(sentence) from error


def _depth(value: object) -> int:
    """The nesting of lists and objects, measured level by level to avoid recursion."""
    level, depth = [value], 0
    while level and depth <= MOST_DEPTH:
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list | tuple):
                inner += item
        level, depth = inner, depth + 1
    return depth
