"""Jobs with a real (tiny, random) model: load, look, trace, intervene; and the Python that does the same."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from torch.nn.modules.module import register_module_forward_pre_hook

import clew
from clew import ClewError, Feature, From, Intervention
from clew.graph.graph import NodeKind
from clew.load_settings import LoadSettings
from clew.server.app import make_app, make_state
from clew.server.interventions import place_changes
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.open_graphs import OpenGraph
from clew.server.schemas.jobs import NodeChange
from clew.server.security import access_to
from tests.graph.random_graphs import random_graph
from tests.server.conftest import HOME, brought, sentence

PROMPT = "w3 w4 w5"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """A record of loads that only these tests write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def service(own_cache, tmp_path_factory):
    """One server for all of these tests, so that the model is loaded once."""
    library = Library(tmp_path_factory.mktemp("library"))
    service = make_state(library, ModelCache())
    yield service
    service.close()


@pytest.fixture(scope="module")
def home(service):
    with TestClient(make_app(service, access_to("127.0.0.1", None)), base_url=HOME) as client:
        yield client


def done(client, request):
    """The job of a request, once it is over."""
    answer = client.post("/api/jobs", json=request)
    assert answer.status_code == 202, answer.text
    return finished(client, answer.json())


def finished(client, job):
    deadline = time.monotonic() + 60
    while (job := client.get(f"/api/jobs/{job['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


@pytest.fixture(scope="module")
def traced(home, model_folder):
    """The id of a traced graph."""
    job = done(home, {"kind": "trace", "model": str(model_folder), "prompt": PROMPT, "name": "three words"})
    assert job["state"] == "done", job
    return job["result"]["graph"]


@pytest.fixture(scope="module")
def model(model_folder):
    return clew.load(model_folder)


def stored(client, graph):
    folder = client.get("/api/info").json()["library"]
    return clew.open(f"{folder}/{graph}.clew")


def intervene(client, graph, *changes, **more):
    job = done(client, {"kind": "intervene", "graph": graph, "changes": list(changes), **more})
    assert job["state"] == "done", job
    return job["result"]


def failure(client, graph, change):
    """The error of an intervention that cannot be made."""
    job = done(client, {"kind": "intervene", "graph": graph, "changes": [change]})
    assert job["state"] == "failed", job
    return job["error"]


def features_of(graph):
    """Ids of its feature nodes, the most influential first."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    return [graph.node_id(node) for node in nodes[(-graph.node_influence[nodes]).argsort()].tolist()]


def test_a_traced_graph_is_the_pruned_one_that_python_makes(home, traced, model):
    graph, expected = stored(home, traced), model.trace(PROMPT).prune()
    assert graph.node_ids == expected.node_ids
    assert graph.info.pruned_scores == expected.info.pruned_scores
    entry = home.get(f"/api/graphs/{traced}").json()
    assert entry["name"] == "three words"
    assert entry["scores"]["replacement"] == pytest.approx(expected.info.pruned_scores.replacement)
    assert home.get("/api/jobs", params={"graph": traced}).json()[-1]["kind"] == "trace"


def test_at_thresholds_of_one_the_graph_stays_whole(home, model_folder, model):
    request = {"kind": "trace", "model": str(model_folder), "prompt": PROMPT, "targets": ["w7"]}
    job = done(home, request | {"node_threshold": 1, "edge_threshold": 1, "max_nodes": 20})
    graph = stored(home, job["graph"])
    assert graph.node_total is not None
    assert [target.text for target in graph.info.targets] == ["w7"]
    assert graph.size.features == 20


def test_a_look_at_a_prompt_is_what_the_model_says(home, traced, model_folder, model):
    ask = {"model": str(model_folder), "prompt": PROMPT}
    seen = home.post("/api/look", json=ask).json()
    info = model.trace(PROMPT).info
    assert seen["tokens"] == list(info.tokens)
    assert seen["sink"] == info.sink.text
    assert seen["predictions"][0]["text"] == info.predictions[0][0]
    assert seen["predictions"][0]["probability"] == pytest.approx(info.predictions[0][1])
    assert home.post("/api/look", json=ask | {"sink": "none"}).json()["tokens"] == ["w3", "w4", "w5"]
    assert "is not loaded" in sentence(home.post("/api/look", json=ask | {"model": "smollm2"}), 409)
    wrong = home.post("/api/look", json=ask | {"sink": "w3 w4"}).json()
    assert "is not one token" in wrong["sink_problem"]
    assert (wrong["tokens"], seen["sink_problem"]) == (seen["tokens"], None)


def test_a_look_checks_targets_as_a_trace_does(home, traced, model_folder):
    ask = {"model": str(model_folder), "prompt": PROMPT}
    targets = ["w7", "w8 minus w9", "w7 w8", "id:99999", "w7", "id:9", "no such word"]
    problems = home.post("/api/look", json=ask | {"targets": targets}).json()["target_problems"]
    for target, problem in zip(targets, problems, strict=True):
        if target in ("w7", "id:9", "w8 minus w9") and problem is None:
            continue
        error = home.post("/api/jobs", json=ask | {"kind": "trace", "targets": ["w7", target]}).json()
        assert finished(home, error)["error"] == problem
    assert [problem is None for problem in problems] == [True, True, False, False, False, True, False]


def test_the_loaded_model_is_told_and_load_jobs_keep_it(home, traced, model_folder):
    expected = {"loaded": {"model": str(model_folder), "dictionary": "neurons"}}
    assert home.get("/api/info").json()["model"] == expected
    assert done(home, {"kind": "load", "model": str(model_folder)})["result"] is None


def test_an_intervention_is_that_of_python(home, traced, model):
    graph = stored(home, traced)
    node = features_of(graph)[0]
    result = intervene(home, traced, {"nodes": [node], "how": "ablate"}, strengths=[1.0, -1.0])
    place = graph.node_ids.index(node)
    feature = Feature(int(graph.node_layer[place]), int(graph.node_feature[place]))
    change = Intervention(feature, int(graph.node_position[place]))
    expected = model.intervene(graph.token_ids.tolist(), change, strengths=[1.0, -1.0], graph=graph)
    assert [each["strength"] for each in result["results"]] == [1.0, -1.0]
    for mine, theirs in zip(result["results"], expected, strict=True):
        assert mine["kl"] == pytest.approx(theirs.kl)
        assert [target["predicted"] for target in mine["targets"]] == pytest.approx(
            [target.predicted for target in theirs.targets]
        )
        assert [target["measured"] for target in mine["targets"]] == pytest.approx(
            [target.measured for target in theirs.targets]
        )
        assert mine["changed"][0]["node"] == node
        assert mine["changed"][0]["by_hand"]
        after = theirs.logits_after[-1].softmax(-1)
        assert mine["after"][0]["probability"] == pytest.approx(float(after.max()))
    assert result["text"] is None
    first = result["results"][0]["targets"][0]
    before = graph.info.targets[[t.text for t in graph.info.targets].index(first["text"])]
    assert first["before"] == pytest.approx(before.probability, rel=1e-3)


EVERY_WAY = [
    ({"how": "ablate"}, {}),
    ({"how": "scale", "value": -2.5}, {"regime": "frozen-attention"}),
    ({"how": "set", "value": 3, "positions": "all"}, {"strengths": [0.5, 2]}),
    ({"how": "add", "value": 1.5, "positions": "onwards"}, {"generate": 4}),
    ({"how": "patch", "source": {"prompt": "w9 'w8'", "position": -1}}, {"regime": "direct"}),
    ({"how": "patch", "positions": "onwards", "source": {"prompt": "w9 w8", "position": 1}}, {"generate": 2}),
]


@pytest.mark.parametrize(("change", "more"), EVERY_WAY)
def test_the_python_that_is_told_gives_the_same_numbers(home, traced, change, more):
    nodes = features_of(stored(home, traced))[:6]
    result = intervene(home, traced, {"nodes": nodes, **change}, **more)
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(result["python"], namespace)
    assert [each.kl for each in namespace["results"]] == [each["kl"] for each in result["results"]]
    assert [[t.predicted for t in each.targets] for each in namespace["results"]] == [
        [target["predicted"] for target in each["targets"]] for each in result["results"]
    ]
    assert printed.getvalue().startswith("InterventionResult(")
    if result["text"]:
        assert [text.text for text in namespace["texts"]] == [
            result["text"]["before"],
            *result["text"]["after"],
        ]


CHAT = [{"role": "system", "content": "w9"}, {"role": "user", "content": "w3 w4"}]


@pytest.fixture(scope="module")
def chat_folder(model_folder, tmp_path_factory):
    """The tiny model with a chat template."""
    folder = tmp_path_factory.mktemp("chat") / "tiny"
    shutil.copytree(model_folder, folder)
    turns = "{% for each in messages %}<a> {{ each['content'] }} <b> {% endfor %}"
    (folder / "chat_template.jinja").write_text(turns)
    return str(folder)


def test_a_chat_is_looked_at_traced_and_patched(home, chat_folder):
    assert done(home, {"kind": "load", "model": chat_folder})["state"] == "done"
    looked = home.post("/api/look", json={"model": chat_folder, "prompt": CHAT}).json()
    assert looked["roles"] == ["template", "system", "template", "template", "user", "user", "template"]
    assert looked["tokens"] == ["<a>", "w9", "<b>", "<a>", "w3", "w4", "<b>"]
    job = done(home, {"kind": "trace", "model": chat_folder, "prompt": CHAT, "edge_threshold": 1})
    graph = stored(home, job["graph"])
    assert list(graph.info.roles) == looked["roles"]
    assert home.get(f"/api/graphs/{job['graph']}").json()["name"] == "w3 w4"
    (node, *_) = [node for node in features_of(graph) if node.endswith("_5")]
    change = {"nodes": [node], "how": "patch", "source": {"prompt": "w8 w9"}}
    result = intervene(home, job["graph"], change)
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(result["python"], namespace)
    assert namespace["results"][0].kl == result["results"][0]["kl"]
    asked = [CHAT[0], {"role": "user", "content": "w8 w9"}]
    assert repr(asked) in result["python"]
    special = {"nodes": [node], "how": "patch", "source": {"prompt": "w8 <b> w9"}, "positions": "onwards"}
    special["source"]["position"] = -1
    notes = intervene(home, job["graph"], special)["notes"]
    assert [note for note in notes if "Message 2 (user) holds <b>, which tiny reads" in note]


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ([], "at least 1 item"),
        ([{"role": "user"}], "0.content: Field required"),
        ([{"role": "human", "content": "w3"}], "'human' is no role of a message"),
    ],
)
def test_a_chat_that_cannot_be_read_is_refused(home, chat_folder, prompt, told):
    done(home, {"kind": "load", "model": chat_folder})
    assert told in sentence(home.post("/api/look", json={"model": chat_folder, "prompt": prompt}), 422)


def test_several_changes_at_once(home, traced):
    first, second, *_ = features_of(stored(home, traced))
    changes = {"nodes": [first], "how": "ablate"}, {"nodes": [second], "how": "scale", "value": 2}
    result = intervene(home, traced, *changes)
    assert {each["node"] for each in result["results"][0]["changed"] if each["by_hand"]} == {first, second}


def test_a_feature_at_several_nodes_counts_once_onwards(home, traced, library, model):
    graph = stored(home, traced)
    opened = OpenGraph(graph)
    by_feature = {}
    for node in features_of(graph):
        by_feature.setdefault(node.rpartition("_")[0], []).append(node)
    several = next(nodes for nodes in by_feature.values() if len(nodes) > 1)
    positions = sorted(int(node.rpartition("_")[2]) for node in several)

    def placed(positions):
        return place_changes([NodeChange(nodes=several, how="ablate", positions=positions)], opened)

    (onwards,) = placed("onwards")
    assert (onwards.positions, len(onwards.features)) == (From(positions[0]), 1)
    assert [each.positions for each in placed("here")] == positions
    assert [each.positions for each in placed("all")] == ["all"]


def test_a_node_that_is_no_feature_cannot_be_changed(home, traced):
    token = stored(home, traced).node_ids[-1]
    assert "is not a feature that can be changed" in failure(
        home, traced, {"nodes": [token], "how": "ablate"}
    )
    assert "has no node '9_9_9'" in failure(home, traced, {"nodes": ["9_9_9"], "how": "ablate"})


def test_what_the_tokenizer_changes_in_the_prompt_of_a_patch_is_said(home, traced):
    nodes = features_of(stored(home, traced))[:1]
    for prompt, expected in [
        ("w9 Oslo", ['The tokenizer of tiny changes the other prompt: "Oslo"']),
        ("w9", []),
    ]:
        change = {"nodes": nodes, "how": "patch", "source": {"prompt": prompt, "position": -1}}
        notes = intervene(home, traced, change)["notes"]
        changes = [note for note in notes if note.startswith("The tokenizer")]
        assert [note.partition(" becomes ")[0] for note in changes] == expected
        if not expected:
            assert notes[0].startswith('The sink "<b>" changes the answer on this prompt')


def test_another_sink_than_the_graphs_is_said(home, traced, monkeypatch):
    change = {"nodes": features_of(stored(home, traced))[:1], "how": "ablate"}
    assert intervene(home, traced, change)["notes"] == []
    monkeypatch.setattr("clew.intervention.graph_compatibility.MEASURED", "")
    monkeypatch.setattr("clew.intervention.graph_compatibility.usual_sink", lambda *given: None)
    (note,) = intervene(home, traced, change)["notes"]
    assert note.startswith("The graph was traced behind ")
    assert "its own first token is used here" in note


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"how": "set"}, "without a value; give a finite number"),
        ({"how": "patch"}, "A patch takes values from another prompt"),
        ({"how": "patch", "source": {"prompt": "w3", "position": 99}}, "positions 0 to"),
    ],
)
def test_changes_that_make_no_sense_fail_with_a_sentence(home, traced, change, problem):
    nodes = features_of(stored(home, traced))[:1]
    assert problem in failure(home, traced, {"nodes": nodes, **change})


def test_the_history_of_a_graph_is_its_jobs(home, traced):
    intervene(home, traced, {"nodes": features_of(stored(home, traced))[:1], "how": "ablate"})
    job = home.get("/api/jobs", params={"graph": traced}).json()[0]
    assert (job["kind"], job["state"]) == ("intervene", "done")
    assert home.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert home.get(f"/api/jobs/{job['id']}").status_code == 404


def test_a_graph_from_elsewhere_cannot_be_changed(home, tmp_path):
    graph = brought(home, random_graph().save(tmp_path / "elsewhere.json"))["id"]
    change = {"nodes": features_of(random_graph())[:1], "how": "ablate"}
    told = failure(home, graph, change)
    assert "came from elsewhere" in told
    assert "(tiny-model)" in told


def test_a_model_that_only_a_file_names_is_not_loaded(home, tmp_path):
    graph = random_graph().with_info(settings={"model": str(tmp_path), "dictionary": "org/evil"})
    entry = brought(home, graph.save(tmp_path / "named.clew"))
    change = {"nodes": features_of(graph)[:1], "how": "ablate"}
    assert "nobody has used here yet" in failure(home, entry["id"], change)


def test_a_graph_of_the_same_prompt_but_another_model_is_told(home, traced, tmp_path):
    graph = stored(home, traced)
    wrong = replace(graph, node_activation=graph.node_activation * 3)
    entry = brought(home, wrong.save(tmp_path / "wrong.clew"))
    change = {"nodes": features_of(graph)[:1], "how": "ablate"}
    assert "have other activations in tiny" in failure(home, entry["id"], change)


def test_a_model_that_is_not_there_fails_with_clews_own_sentence(home):
    job = done(home, {"kind": "load", "model": "./none"})
    assert job["state"] == "failed"
    assert "./none does not exist" in job["error"]


def test_an_intervention_on_a_deleted_graph_is_refused(home):
    body = {"kind": "intervene", "graph": "0" * 32, "changes": [{"nodes": ["1_1_1"], "how": "ablate"}]}
    assert "There is no graph" in sentence(home.post("/api/jobs", json=body), 404)


def test_a_model_above_its_budget_is_refused(model_folder):
    kept = ModelCache(budget=1000)
    with pytest.raises(
        ClewError, match=r"tiny and its dictionary need .* is its budget here \(--memory-budget\)"
    ):
        kept.get(LoadSettings(model_folder), lambda text: None, lambda: None)
    assert kept.loaded is None


def test_a_load_that_was_cancelled_is_dropped_when_it_is_done(model_folder):
    kept = ModelCache()

    def too_late():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        kept.get(LoadSettings(model_folder), lambda text: None, too_late)
    assert kept.loaded is None


def test_a_graph_of_another_dtype_wants_another_model(model_folder, model):
    kept = ModelCache(model=model)
    assert kept.ready(LoadSettings(model_folder)) is model
    assert kept.ready(LoadSettings(model_folder, dtype="bfloat16")) is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("layers", 3, "layers: there is no such field"),
        ("max_nodes", 100_001, "less than or equal to 100000"),
        ("target_probability", 0, "greater than 0"),
        ("memory", 2**40, "memory: "),
        ("prompt", "\ud800", "half a character"),
    ],
)
def test_a_trace_is_refused_by_the_field(home, field, value, problem):
    body = json.dumps({"kind": "trace", "model": "any", "prompt": "w3"} | {field: value})
    answer = home.post("/api/jobs", content=body, headers={"content-type": "application/json"})
    assert problem in sentence(answer, 422)


def test_a_swap_says_its_words_and_python_does_the_same(home, traced):
    job = done(home, {"kind": "swap", "graph": traced, "word": "w9", "strengths": [1, 2]})
    assert job["state"] == "done", job
    outcome = job["result"]
    assert outcome["swap"]["words"][0]["word"] == "w9"
    assert "w9" in outcome["swap"]["prompt"]
    values = outcome["values"]
    assert set(features_of(stored(home, traced))) >= set(values["nodes"])
    assert len(values["after"]) == 2
    assert {len(column) for column in values["after"]} == {len(values["before"])} == {len(values["nodes"])}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(outcome["python"], {})
    assert 'with the values of "w9"' in printed.getvalue()
    assert home.get("/api/jobs", params={"graph": traced}).json()[0]["kind"] == "swap"


def test_a_swap_that_is_cancelled_stops_within_a_forward_pass(home, service, traced):
    swap, passes = {"kind": "swap", "graph": traced, "word": "w9"}, []
    done(home, swap)

    def cancel_at_third(module, inputs):
        passes.append(module)
        if len(passes) == 3:
            [running] = [job for job in service.jobs.list(traced) if job.state == "running"]
            service.jobs.cancel_or_delete(running.id)

    handle = register_module_forward_pre_hook(cancel_at_third)
    try:
        assert done(home, swap)["state"] == "cancelled"
        done(home, {"kind": "load", "model": service.models.loaded.model})  # behind it in the queue
    finally:
        handle.remove()
    assert len(passes) <= 4


def test_the_model_of_a_graph_is_known_by_its_weights_whatever_its_file_calls_it(home, traced, tmp_path):
    graph = stored(home, traced)
    assert home.get(f"/api/graphs/{traced}/model").json()["state"] == "loaded"
    renamed = graph.with_info(settings=graph.info.settings | {"model": "a-folder-elsewhere"})
    entry = brought(home, renamed.save(tmp_path / "renamed.clew"))
    answer = home.get(f"/api/graphs/{entry['id']}/model").json()
    assert (answer["state"], answer["model"]) == ("loaded", graph.info.settings["model"])
    assert intervene(home, entry["id"], {"nodes": features_of(graph)[:1], "how": "ablate"})["results"]
    foreign = graph.with_info(settings={"model": str(tmp_path), "dictionary": "org/evil"})
    entry = brought(home, foreign.save(tmp_path / "foreign.clew"))
    answer = home.get(f"/api/graphs/{entry['id']}/model").json()
    assert answer["state"] == "unknown"
    assert "nobody has used here yet" in answer["reason"]


def test_a_model_that_changed_on_disk_is_loaded_anew_and_it_is_said(home, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    request = {"kind": "trace", "model": str(folder), "prompt": PROMPT}
    first = stored(home, done(home, request)["graph"])
    weights = folder / "model.safetensors"
    before, content = weights.stat(), bytearray(weights.read_bytes())
    content[-400:] = bytes(400)
    weights.write_bytes(content)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    look = {"model": str(folder), "prompt": PROMPT}
    changed = f"The files of {folder} have changed since they were loaded"
    assert sentence(home.post("/api/look", json=look), 409) == f"{changed}; load it again."
    second = stored(home, done(home, request)["graph"])
    assert first.info.settings["weights"] != second.info.settings["weights"]
    assert f"{changed}, so they are loaded anew." in home.post("/api/look", json=look).json()["notes"]
    os.truncate(weights, 1000)
    job = done(home, request)
    assert job["state"] == "failed"
    assert "model.safetensors is damaged or not a safetensors file" in job["error"]
