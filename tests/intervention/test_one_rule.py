"""One rule says whether a graph is from this model, and one sentence refuses bad input at every door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from clew import Intervention
from clew.cli.main import main
from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.facade import Model
from clew.graph.graph import Graph, NodeKind
from clew.server.app import make_app, make_state
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.security import access_to
from tests.tiny import tiny_model

IDS = [0, 5, 9, 14, 3]


def model_of(seed: int) -> Model:
    network = tiny_model("LlamaForCausalLM", seed=seed)
    return Model(network, NeuronDictionary(network), settings={"model": "tiny", "dictionary": "neurons"})


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(0)


DOORS: dict[str, Callable[[Model, Graph], Any]] = {
    "intervene": lambda model, graph: model.intervene(IDS, Intervention("L1/3", 2), graph=graph),
    "generate": lambda model, graph: model.generate(IDS, Intervention("L1/3", 2), 2, graph=graph),
    "circuit": lambda model, graph: model.circuit(graph),
    "circuit of named features": lambda model, graph: model.circuit(graph, ["L1/3@2"]),
    "validate": lambda model, graph: model.validate(graph, count=2, random_count=0),
    "patch": lambda model, graph: model.patch("L1/3", IDS, graph=graph),
}


def shifted(graph: Graph, share: float) -> Graph:
    """The same graph with every activation larger by a share."""
    features = graph.node_kind == NodeKind.FEATURE
    activation = np.where(features, graph.node_activation * (1 + share), graph.node_activation)
    return replace(graph, node_activation=activation.astype(np.float32))


@pytest.mark.parametrize("door", DOORS)
def test_every_door_has_the_same_limit_and_the_same_sentence(model: Model, door: str):
    graph = model.trace(IDS, max_nodes=80)
    for sound in (graph, shifted(graph, 0.2)):
        DOORS[door](model, sound)
    for other in (model_of(1).trace(IDS, max_nodes=80), shifted(graph, 0.3)):
        with pytest.raises(ClewError) as refused:
            DOORS[door](model, other)
        assert str(refused.value).startswith(
            "The graph's features have other activations in tiny with neurons (they differ by "
        )
        assert str(refused.value).endswith("load the model and the dictionary that it was traced with.")


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_graph_is_refused_alike(model: Model, door: str):
    if door.startswith("circuit"):
        return  # its first argument may be a text
    with pytest.raises(
        ClewError, match=r"^A graph is what model\.trace or clew\.open gives, not 'paris\.clew'\.$"
    ):
        DOORS[door](model, "paris.clew")  # type: ignore[arg-type]


@pytest.fixture
def client(model_folder: Path, tmp_path: Path):
    import clew

    library = Library(tmp_path / "library")
    state = make_state(library, ModelCache(None, clew.load(model_folder)))
    with TestClient(
        make_app(state, access_to("127.0.0.1", None)), base_url="http://localhost:8417"
    ) as client:
        yield client
    state.close()


BAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "an unknown sink": ("w3 w4", {"sink": "w3 w4"}, ["--sink", "w3 w4"]),
    "a target of two tokens": ("w3 w4", {"targets": ["w5 w6"]}, ["--targets", "w5 w6"]),
    "a target that is no id": ("w3 w4", {"targets": ["id:10000"]}, ["--targets", "id:10000"]),
    "a target twice": ("w3 w4", {"targets": ["w5", "w5"]}, ["--targets", "w5", "w5"]),
    "a difference of one token": ("w3 w4", {"targets": ["w5 minus w5"]}, ["--targets", "w5 minus w5"]),
    "a prompt that is too long": (" ".join(["w3"] * 70), {}, []),
    "a prompt without a token": (" ", {}, []),
}


def job_error(client: TestClient, body: dict[str, Any]) -> str:
    answer = client.post("/api/jobs", json=body)
    if answer.status_code != 202:
        return answer.json()["detail"]
    while (job := client.get(f"/api/jobs/{answer.json()['id']}").json())["state"] in ("waiting", "running"):
        pass
    return job["error"]


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_the_same_sentence_at_every_door(
    client: TestClient, model_folder: Path, capsys: pytest.CaptureFixture[str], case: str
):
    import clew

    prompt, options, flags = BAD[case]
    model = clew.load(model_folder)
    with pytest.raises(ClewError) as refused:
        model.trace(prompt, **options)
    sentence = str(refused.value)
    assert main(["trace", prompt, "--model", str(model_folder), *flags]) == 2
    assert capsys.readouterr().err == f"clew: {sentence}\n"
    assert (
        job_error(client, {"kind": "trace", "prompt": prompt, "model": str(model_folder), **options})
        == sentence
    )
    if "targets" not in options:
        with pytest.raises(ClewError) as refused:
            model.intervene(prompt, Intervention("L1/3", 0), **options)
        assert str(refused.value) == sentence
        arguments = ["intervene", prompt, "--ablate", "L1/3@0", "--model", str(model_folder), *flags]
        assert main(arguments) == 2
        assert capsys.readouterr().err == f"clew: {sentence}\n"
        look = {"model": str(model_folder), "dictionary": "neurons", "prompt": prompt, **options}
        answer = client.post("/api/look", json=look).json()
        assert answer.get("detail" if "detail" in answer else "sink_problem") == sentence
