"""The gallery's files hold what their annotations say, and open in a library with their history."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from clew.gallery.exhibits import FILES, NAMES, exhibit_named, exhibits
from clew.graph.reader import open_graph
from clew.server.gallery import open_exhibit
from clew.server.job_queue import REQUEST
from clew.server.library import Library
from clew.server.schemas.jobs import InterveneRequest, InterventionOutcome
from tools.gallery.annotations import FOLDER, read_annotation

NUMBER = re.compile(r"\{[^}]*\}")


def test_each_annotation_has_its_graph_and_all_are_small():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(NAMES)
    assert {path.name for path in FILES.iterdir()} == {
        f"{n}.{end}" for n in NAMES for end in ("clew", "json")
    }
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 6e6


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_has_the_supernodes_and_the_words_of_its_annotation(name):
    annotation, exhibit = read_annotation(name), exhibit_named(name)
    graph = open_graph(exhibit.graph_file)
    ids = {graph.node_name(node): graph.node_id(node) for node in range(graph.n_nodes)}
    wanted = {
        group: tuple(dict.fromkeys(ids[n] for n in nodes)) for group, nodes in annotation.supernodes.items()
    }
    assert dict(graph.annotations.supernodes) == wanted
    assert 6 <= len(wanted) <= 10
    assert (graph.info.model, graph.info.dictionary) == ("smollm2", "smollm2-plt")
    assert (graph.info.prompt, exhibit.prompt) == (annotation.prompt, annotation.prompt)
    assert graph.info.predictions[0][0] == exhibit.answer
    assert graph.info.description == "\n".join([annotation.story, *exhibit.claims])


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_what_its_trial_measured(name):
    annotation, exhibit = read_annotation(name), exhibit_named(name)
    members = dict(open_graph(exhibit.graph_file).annotations.supernodes)
    assert len(exhibit.trials) == len(annotation.trials) > 2
    for told, record in zip(annotation.trials, exhibit.trials, strict=True):
        pattern = ".+".join(re.escape(part) for part in NUMBER.split(told.claim))
        assert re.fullmatch(pattern, record["claim"]), record["claim"]
        request = REQUEST.validate_python(record["request"] | {"graph": "0" * 32})
        assert isinstance(request, InterveneRequest)
        (effect,) = InterventionOutcome(**record["result"] | {"python": ""}).results
        assert [each.how for each in request.changes] == [each.how for each in told.changes]
        for asked, change in zip(request.changes, told.changes, strict=True):
            assert asked.nodes == [node for group in change.supernodes for node in members[group]]
        assert effect.strength == told.strength
        target = effect.targets[0]
        assert target.text == exhibit.answer
        assert target.before
        assert target.after
        assert target.predicted is not None
        for number in (f"predicted {target.predicted:+.1f}", f"measured {target.measured:+.1f}"):
            assert number.split()[1] in record["claim"]
        if told.expected.answer is not None:
            assert effect.after[0].text == told.expected.answer
        if told.expected.falls_to is not None:
            assert target.after <= told.expected.falls_to * target.before
        if told.expected.keeps is not None:
            assert target.after >= told.expected.keeps * target.before


def test_a_copy_in_a_library_has_history_and_is_made_once(library: Library):
    exhibit = exhibit_named(NAMES[0])
    entry = open_exhibit(library, exhibit)
    assert open_exhibit(library, exhibit).id == entry.id
    with library.database.reading() as connection:
        rows = connection.execute("SELECT state FROM jobs WHERE graph = ?", [entry.id]).fetchall()
    assert [row["state"] for row in rows] == ["done"] * len(exhibit.trials)


def test_the_page_lists_the_gallery_and_opens_a_graph(client: TestClient):
    listed = client.get("/api/gallery").json()
    assert [each["name"] for each in listed] == list(NAMES)
    entry = client.post(f"/api/gallery/{NAMES[0]}").json()
    jobs = client.get("/api/jobs", params={"graph": entry["id"]}).json()
    assert len(jobs) == len(exhibit_named(NAMES[0]).trials)
    assert all("clew.open(" in job["result"]["python"] for job in jobs)
    told = [trial["result"]["results"][0]["kl"] for trial in exhibit_named(NAMES[0]).trials]
    assert [job["result"]["results"][0]["kl"] for job in jobs] == told
    answer = client.post("/api/gallery/nothing")
    assert answer.status_code == 404
    assert "The gallery has no graph 'nothing'" in answer.json()["detail"]


def test_what_is_changed_in_a_copy_leaves_the_original(library: Library):
    exhibit = exhibit_named(NAMES[0])
    before = exhibit.graph_file.read_bytes()
    entry = open_exhibit(library, exhibit)
    library.annotations.change(entry.id, library.opened(entry.id), 1, {"group:0001": None})
    assert exhibit.graph_file.read_bytes() == before


def test_all_summaries_are_sentences():
    assert all(each.summary.endswith(".") and each.title for each in exhibits())
