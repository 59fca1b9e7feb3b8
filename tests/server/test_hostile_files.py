"""Files that mean harm: refused with a sentence, or harmless; and never a trace of them in the library."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.graph.arrays import ARRAY_TYPES
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import Annotations, GraphInfo
from clew.graph.neuronpedia.writer import to_neuronpedia
from clew.server.file_limits import FileLimits
from tests.graph.random_graphs import random_graph
from tests.server.conftest import brought, sentence

GRAPH = random_graph()
SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def clew_bytes(arrays=None, description=None, annotations=None):
    """A `.clew` file of the random graph with some arrays or words replaced, unchecked."""
    stored = {name: getattr(GRAPH, name) for name in ARRAY_TYPES} | (arrays or {})
    plain = {
        "format": 1,
        "prompt": GRAPH.info.prompt,
        "tokens": list(GRAPH.info.tokens),
        "targets": [
            {"text": target.text, "token_id": target.token_id, "weight": target.weight}
            for target in GRAPH.info.targets
        ],
    }
    metadata = {
        "clew": json.dumps(plain | (description or {})),
        "annotations": json.dumps(annotations or {}),
    }
    return safetensors.numpy.save(stored, metadata=metadata)


def refused(client, library, content, status=422):
    answer = client.post("/api/graphs", content=content)
    told = sentence(answer, status)
    assert str(library.folder) not in told
    assert len(told) < 500
    assert client.get("/api/graphs").json() == []
    assert [path.name for path in library.folder.iterdir() if path.suffix in (".clew", ".part")] == []
    return told


def weights(value):
    changed = GRAPH.edge_weight.copy()
    changed[0] = value
    return {"edge_weight": changed}


def twice() -> dict[str, np.ndarray]:
    """The arrays of the graph with an edge in place of its neighbour in a row."""
    source = GRAPH.edge_source.copy()
    place = int(GRAPH.edge_offset[int(np.argmax(np.diff(GRAPH.edge_offset) > 1))])
    source[place + 1] = source[place]
    return {"edge_source": source}


def cycle():
    """Two features that feed each other."""
    source = GRAPH.edge_source.copy()
    node = int(np.flatnonzero(np.diff(GRAPH.edge_offset))[-1])
    source[GRAPH.edge_offset[node]] = node
    return {"edge_source": source}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither a .clew file nor a Neuronpedia graph"),
        (b"PK\x03\x04" + bytes(100), "neither a .clew file nor"),
        (b"{" * 100_000, "damaged or cut off"),
        (b"[" * 100_000, "neither a .clew file nor"),
        (b'{"metadata": 1}', "expected an object"),
        (clew_bytes()[:-1], "cut off"),
        (clew_bytes()[:50], "cut off"),
        (clew_bytes(weights(np.nan)), "has weight nan; expected a finite number"),
        (clew_bytes(weights(np.inf)), "has weight inf"),
        (clew_bytes(cycle()), "form a cycle"),
        (clew_bytes({"node_kind": GRAPH.node_kind.astype(np.int64)}), "expected one dimension of uint8"),
        (clew_bytes({"edge_offset": GRAPH.edge_offset[::-1].copy()}), "edge_offset"),
        (clew_bytes({"edge_source": GRAPH.edge_source + 10**6}), "comes from node"),
        (clew_bytes({"node_position": GRAPH.node_position - 9}), "is at position"),
        (clew_bytes({"node_layer": GRAPH.node_layer[:3]}), "has 3 entries"),
        (clew_bytes(twice()), "is given twice; expected it once"),
        (clew_bytes(description={"timing": {"rows": -1}}), "took -1 seconds; expected a number from 0"),
        (clew_bytes(description={"timing": {"rows": 10**400}}), "a number that is not finite"),
        (clew_bytes(description={"predictions": [["a", 1.5]]}), "has the probability 1.5; expected"),
        (clew_bytes(description={"token_text": {"-7": "a"}}), "names the token id -7"),
        (clew_bytes({"output_token": np.zeros((2, 20), np.int8)}), "The array output_token is int8"),
        (clew_bytes(description={"prompt": 7}), '"prompt" cannot be read'),
        (clew_bytes(description={"tokens": "text"}), '"tokens" cannot be read'),
        (clew_bytes(description={"format": 99}), "written by a newer clew"),
        (clew_bytes(annotations={"labels": {"a": 1}}), '"labels" cannot be read'),
        (clew_bytes(annotations={"labels": {"a": "x" * 10_000_000}}), "A label has 10,000,000 characters"),
        (clew_bytes(annotations={"supernodes": [["x" * 3000, []]]}), "A supernode's name has 3,000"),
        (clew_bytes(description={"tokens": ["x" * 5000] * 4}), "A token of the prompt has 5,000 characters"),
        (clew_bytes(description={"prompt": "x" * 1_000_001}), "The prompt has 1,000,001 characters"),
        (clew_bytes(description={"prompt": "\ud800"}), "half a character"),
    ],
)
def test_a_file_that_is_no_sound_graph_is_refused(client, library, content, problem):
    assert problem in refused(client, library, content)


def test_settings_nested_without_end_are_refused(client, library):
    nested: object = 1
    for _ in range(500):
        nested = [nested]
    assert "nested more than 64 deep" in refused(
        client, library, clew_bytes(description={"settings": {"a": nested}})
    )


def test_a_graph_of_more_than_a_million_nodes_is_refused_before_it_is_read(client, library):
    n = 1_000_001
    arrays = {name: np.zeros(n, dtype) for name, dtype in ARRAY_TYPES.items() if name.startswith("node_")}
    assert "has 1,000,001 nodes; the library takes up to 1,000,000" in refused(
        client, library, clew_bytes(arrays), 413
    )


def test_a_graph_of_very_many_nodes_is_served_in_part(client, library):
    """Errors and tokens without an edge: sound, and much more than a page can draw."""
    side, layers = 250, 800
    layer, position = (axis.ravel() for axis in np.mgrid[:layers, :side])
    n, zeros = side * layers, np.zeros(side * layers, np.float32)
    graph = Graph(
        node_kind=np.full(n, NodeKind.ERROR, np.uint8),
        node_layer=layer.astype(np.int16),
        node_position=position.astype(np.int32),
        node_feature=np.full(n, -1, np.int64),
        node_activation=zeros,
        node_influence=zeros,
        edge_offset=np.zeros(n + 1, np.int64),
        edge_source=np.zeros(0, np.int32),
        edge_weight=np.zeros(0, np.float32),
        token_ids=np.zeros(side, np.int64),
        info=GraphInfo(prompt="x", tokens=("x",) * side),
    )
    entry = library.add(graph)
    answer = client.get(f"/api/graphs/{entry.id}/arrays")
    assert answer.headers["clew-nodes-total"] == "200000"
    assert len(answer.content) < len(library.path_of(entry.id).read_bytes()) / 5


def test_an_upload_above_the_limit_is_refused_while_it_comes(client, library):
    library.limits = FileLimits(upload=1000)
    chunks = (bytes(100) for _ in range(100))
    assert "A file may have" in refused(client, library, chunks, 413)
    assert "A file may have" in refused(client, library, bytes(2000), 413)


def test_json_above_its_own_limit_is_not_parsed(client, library):
    library.limits = FileLimits(upload=80_000)
    assert "A JSON file may have" in refused(client, library, b'{"a":"' + b"x" * 20_000 + b'"}', 413)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("nodes", 0, "ctx_idx"), -5, "ctx_idx"),
        (("nodes", 0, "node_id"), 5, "node_id"),
        (("links", 0, "weight"), 1e300, "finite"),
        (("links", 0, "weight"), "1", "weight"),
        (("metadata", "prompt_tokens"), ["x" * 10_000_000] * 4, "A token of the prompt has"),
    ],
)
def test_json_that_is_no_sound_graph_is_refused(client, library, path, value, problem):
    data = json.loads(json.dumps(to_neuronpedia(GRAPH)))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert problem in refused(client, library, json.dumps(data).encode())


def test_a_script_in_a_label_or_a_token_is_only_text(client, tmp_path):
    info = replace(GRAPH.info, prompt=SCRIPT, tokens=(SCRIPT,) * 4, model=SCRIPT)
    annotations = Annotations(
        labels={GRAPH.node_ids[0]: SCRIPT}, supernodes=((SCRIPT, (GRAPH.node_ids[0],)),)
    )
    entry = brought(client, replace(GRAPH, info=info, annotations=annotations).save(tmp_path / "evil.clew"))
    listed = client.get("/api/graphs")
    assert listed.headers["content-type"] == "application/json"
    assert listed.json()[0]["prompt"] == SCRIPT
    values = client.get(f"/api/graphs/{entry['id']}/annotations").json()["values"]
    assert values[f"label:{GRAPH.node_ids[0]}"] == SCRIPT
    exported = client.get(f"/api/graphs/{entry['id']}/export?format=html").text
    assert SCRIPT not in exported
    assert exported.count("<script") == 3
    name = client.get(f"/api/graphs/{entry['id']}/export?format=clew").headers["content-disposition"]
    assert name == 'attachment; filename="script-script-alert-1-script-img-src-x-onerror-alert-1.clew"'


@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_some_bytes_changed_is_refused_or_sound(client, changes, as_json):
    content = bytearray(json.dumps(to_neuronpedia(GRAPH)).encode() if as_json else clew_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    answer = client.post("/api/graphs", content=bytes(content))
    assert answer.status_code in (201, 422), answer.text
    if answer.status_code == 201:
        entry = f"/api/graphs/{answer.json()['id']}"
        for part in ("arrays", "annotations", "summary", "suggestions", "export?format=json"):
            assert client.get(f"{entry}/{part}").status_code == 200, part


@pytest.mark.parametrize("name", ["node_influence", "node_activation"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(client, name, value):
    features = GRAPH.node_kind == NodeKind.FEATURE
    changed = np.where(features, np.float32(value), getattr(GRAPH, name))
    answer = client.post("/api/graphs", content=clew_bytes({name: changed}))
    assert answer.status_code == 422
    assert f"Node 0 has the {name.removeprefix('node_')} {value}; expected" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["node_influence", "node_activation"])
def test_large_numbers_harm_no_answer(client, name):
    features = GRAPH.node_kind == NodeKind.FEATURE
    changed = np.where(features, np.float32(-3.4e38), getattr(GRAPH, name))
    answer = client.post("/api/graphs", content=clew_bytes({name: changed}))
    assert answer.status_code == 201, answer.text
    entry = f"/api/graphs/{answer.json()['id']}"
    for part in (
        "arrays",
        "annotations",
        "summary",
        "suggestions",
        "export?format=clew",
        "export?format=html",
    ):
        assert client.get(f"{entry}/{part}").status_code == 200, part
