"""The page from memory, and a graph as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import zlib

import clew
from clew.server.page_files import read_page
from tests.graph.random_graphs import random_graph
from tests.server.conftest import PAGE, sentence


class Elements(html.parser.HTMLParser):
    """Every element with its attributes and text, as a browser would find them."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        self.open = True

    def handle_endtag(self, tag):
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.found[-1][2] += data

    def of(self, tag, **attributes):
        return [each for each in self.found if each[0] == tag and attributes.items() <= each[1].items()]


def exported(client, graph):
    answer = client.get(f"/api/graphs/{graph}/export?format=html")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return answer.text


def embedded(text):
    return zlib.decompress(base64.b64decode(text))


def test_the_file_holds_the_page_the_graph_and_its_annotations(client, graph, tmp_path):
    node, key = random_graph().node_ids[0], "</script><script>alert(1)</script>"
    changes = {f"label:{node}": key}
    client.patch(f"/api/graphs/{graph}/annotations", json={"base": 0, "changes": changes})
    page = Elements(exported(client, graph))
    ((_, _, data),) = page.of("script", id="clew-graph", type="application/octet-stream")
    path = tmp_path / "again.clew"
    path.write_bytes(embedded(data))
    assert clew.open(path).node_ids == random_graph().node_ids
    ((_, _, text),) = page.of("script", id="clew-document", type="application/octet-stream")
    document = json.loads(embedded(text))
    assert document["annotations"]["values"] == changes
    assert document["entry"]["id"] == graph
    assert len(page.of("script")) == 3
    ((_, _, script),) = page.of("script", type="module")
    assert script == r"document.title='\x3C/script>\x3C!--\x3Cscript>';"


def test_nothing_in_the_file_is_fetched_and_only_its_own_script_runs(client, graph):
    text = exported(client, graph)
    page = Elements(text)
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "url(data:font/woff2;base64,d09GMg==)" in text
    ((_, meta, _),) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    for kind, tag, attributes in (("script", "script", {"type": "module"}), ("style", "style", {})):
        ((_, _, content),) = page.of(tag, **attributes)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in meta["content"]
    assert page.found.index(page.of("meta", **meta)[0]) < page.found.index(page.of("style")[0])


def test_a_name_with_markup_stays_a_name(client, graph):
    client.patch(f"/api/graphs/{graph}", json={"name": "</title><script>alert(1)</script>"})
    page = Elements(exported(client, graph))
    assert page.of("title")[0][2] == "</title><script>alert(1)</script> · clew"
    assert len(page.of("script")) == 3


def test_without_a_page_there_is_a_sentence(client, graph, service):
    service.page.clear()
    assert "not built" in sentence(client.get(f"/api/graphs/{graph}/export?format=html"), 409)
    answer = client.get("/")
    assert answer.status_code == 503
    assert "The page is not built" in answer.text


def test_a_page_that_lacks_a_file_is_told(client, graph, service):
    del service.page["/assets/sans-a1b2c3d4.woff2"]
    assert "lacks its file" in sentence(client.get(f"/api/graphs/{graph}/export?format=html"), 422)


def test_files_of_the_page_come_from_memory_by_name(client):
    assert client.get("/").content == PAGE["/index.html"].content
    assert client.get("/").headers["cache-control"] == "no-cache"
    script = client.get("/assets/index-a1b2c3d4.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/assets/other.js").status_code == 404
    assert sentence(client.get("/api/other"), 404) == "There is nothing at this address."
    assert sentence(client.post("/"), 405) == "This address does not support that method."
    assert client.head("/").content == b""


def test_the_built_page_is_read_once(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "index-DxA_3-2b.js").write_text("1")
    (tmp_path / "assets" / "secret.key").write_text("x")
    page = read_page(tmp_path)
    assert set(page) == {"/index.html", "/assets/index-DxA_3-2b.js"}
    assert page["/assets/index-DxA_3-2b.js"].keep
    assert read_page(tmp_path / "none") == {}
