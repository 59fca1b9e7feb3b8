"""Graph files with a random change: refused in a sentence, or read as they say."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import fields
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.neuronpedia.writer import to_neuronpedia
from clew.graph.reader import open_graph
from tests.fuzz.mutations import Mutation, as_json, at, differences, mutate, mutate_bytes
from tests.graph.test_file import assert_same, full_graph

GRAPH = full_graph()
IN_IDS = ("ctx_idx", "layer", "feature", "node_id", "feature_type")
"""Fields of a node that its id is spelled from."""
SENTENCE = re.compile(r"^[^\n]{10,600}[.)]$")


def opened(path: Path, content: bytes) -> Graph | None:
    """The graph, or None where it is refused; anything but a graph or one sentence fails the test."""
    path.write_bytes(content)
    try:
        return open_graph(path)
    except ClewError as error:
        refusal = str(error)
    assert SENTENCE.match(refusal), refusal
    return None


@pytest.fixture(scope="module")
def clew_file(tmp_path_factory) -> bytes:
    return GRAPH.save(tmp_path_factory.mktemp("graph") / "a.clew").read_bytes()


def with_header(content: bytes, header: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def header_of(content: bytes) -> dict:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


@pytest.mark.parametrize("seed", range(100))
def test_a_changed_header_of_a_clew_file(clew_file, tmp_path, seed):
    """Names, types and offsets of the arrays, and the texts as a whole."""
    mutation = mutate(header_of(clew_file), Random(seed))
    graph = opened(tmp_path / "b.clew", with_header(clew_file, as_json(mutation.value)))
    if graph is not None:
        assert_same(graph, GRAPH)


@pytest.mark.parametrize("seed", range(150))
def test_a_changed_description_or_annotation_of_a_clew_file(clew_file, tmp_path, seed):
    random = Random(seed)
    header = header_of(clew_file)
    key = random.choice(["clew", "clew", "annotations"])
    mutation = mutate(json.loads(header["__metadata__"][key]), random)
    header["__metadata__"][key] = json.dumps(mutation.value)
    assert opened(tmp_path / "b.clew", with_header(clew_file, as_json(header))) is None


@pytest.mark.parametrize("seed", range(100))
def test_changed_bytes_of_a_clew_file(clew_file, tmp_path, seed):
    graph = opened(tmp_path / "b.clew", mutate_bytes(clew_file, Random(seed)))
    if graph is not None:
        assert_same(graph, GRAPH)


@pytest.mark.parametrize("seed", range(150))
def test_a_changed_description_of_a_file_without_a_digest(clew_file, tmp_path, seed):
    """As older versions and other tools write: what is read is what the file says, or what it said before."""
    random = Random(seed)
    header = header_of(clew_file)
    del header["__metadata__"]["digest"]
    mutation = mutate(json.loads(header["__metadata__"]["clew"]), random)
    header["__metadata__"]["clew"] = json.dumps(mutation.value)
    graph = opened(tmp_path / "b.clew", with_header(clew_file, as_json(header)))
    if graph is None:
        return
    for field in fields(Graph):
        if isinstance(before := getattr(GRAPH, field.name), np.ndarray):
            np.testing.assert_array_equal(getattr(graph, field.name), before)
    again = header_of(graph.save(tmp_path / "c.clew").read_bytes())["__metadata__"]["clew"]
    check_as_it_says(json.loads(again), json.loads(header_of(clew_file)["__metadata__"]["clew"]), mutation)


@pytest.mark.parametrize("seed", range(200))
def test_changed_json(tmp_path, seed):
    """Neuronpedia's JSON: what is written again is what the file says."""
    original = json.loads(json.dumps(to_neuronpedia(GRAPH)))
    mutation = mutate(original, Random(seed))
    graph = opened(tmp_path / "b.json", as_json(mutation.value))
    if graph is not None:
        check_as_it_says(json.loads(json.dumps(to_neuronpedia(graph))), original, mutation)


@pytest.mark.parametrize("seed", range(50))
def test_changed_bytes_of_json(tmp_path, seed):
    content = as_json(to_neuronpedia(GRAPH))
    opened(tmp_path / "b.json", mutate_bytes(content, Random(seed)))


def check_as_it_says(again: object, original: object, mutation: Mutation) -> None:
    """What was read and written again has the change at its place, or what was there or a default before.

    Nothing else changed.
    """
    same_place = mutation.kind in ("number", "text", "list", "retype")
    place = mutation.path if same_place else mutation.path[:-1]
    if mutation.path[-1] in IN_IDS:  # written ids follow
        place = ()
    for path in differences(again, original):
        assert path[: len(place)] == place, f"{mutation.name} changed {path}"
    if mutation.kind in ("number", "text", "list"):
        value = at(again, mutation.path)
        assert value in (mutation.changed, at(original, mutation.path)), f"{mutation.name}: {value!r}"
