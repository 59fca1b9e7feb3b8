"""A real server in a process of its own: addresses, events, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clew import ClewError
from clew.server.http_server import PORT, listen
from tests.graph.random_graphs import random_graph

GRAPH = random_graph()
NODE = GRAPH.node_ids[0]


@contextmanager
def server(library, *arguments):
    """`clew serve` and a client of it."""
    command = [sys.executable, "-m", "clew.cli.main", "serve", "--no-open", "--library", str(library)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert process.stdout.readline(), process.stderr and process.stderr.read()
        link = re.fullmatch(r"clew is at (http://(\S+?)/\S*)\n", first)
        assert link, first
        with httpx.Client(base_url=f"http://{link[2]}", timeout=20) as client:
            yield process, client, link[1]
    finally:
        process.kill()
        process.communicate()


def brought(client):
    answer = client.post("/api/graphs", content=random_graph_bytes())
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def random_graph_bytes():
    with tempfile.TemporaryDirectory() as folder:
        return GRAPH.save(Path(folder) / "graph.clew").read_bytes()


def pin(client, graph, base, value):
    changes = {f"label:{NODE}": value}
    return client.patch(f"/api/graphs/{graph}/annotations", json={"base": base, "changes": changes}).json()


def test_a_killed_server_loses_no_saved_annotation(tmp_path):
    with server(tmp_path, "--port", 0) as (process, client, _):
        graph, saved = brought(client), []

        def keep_saving():
            revision = 0
            try:
                while True:
                    revision = pin(client, graph, revision, f"label {revision}")["revision"]
                    saved.append(revision)
            except httpx.HTTPError:
                pass

        thread = threading.Thread(target=keep_saving)
        thread.start()
        while len(saved) < 20:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        thread.join()
    with server(tmp_path, "--port", 0) as (_, client, _):
        found = client.get(f"/api/graphs/{graph}/annotations").json()
        # What was told to be saved is there; the change that was on its way may be there too.
        assert found["revision"] in (saved[-1], saved[-1] + 1)
        assert found["values"] == {f"label:{NODE}": f"label {found['revision'] - 1}"}


def test_a_tab_hears_what_another_one_does(tmp_path):
    with server(tmp_path, "--port", 0) as (_, client, _):
        heard = []
        with client.stream("GET", "/api/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            assert next(lines) == ": listening"
            with httpx.Client(base_url=client.base_url) as other:
                graph = brought(other)
                revision = pin(other, graph, 0, "text")["revision"]
                other.patch(f"/api/graphs/{graph}", json={"name": "new"})
                other.delete(f"/api/graphs/{graph}")
                job = other.post("/api/jobs", json={"kind": "load", "model": "./none"}).json()
            for line in lines:
                if line.startswith("event: "):
                    heard.append((line[7:], json.loads(next(lines).removeprefix("data: "))))
                if heard and heard[-1][1].get("state") == "failed":
                    break
        assert heard[:4] == [
            ("library", {"graph": graph, "what": "added"}),
            ("annotations", {"graph": graph, "revision": revision}),
            ("library", {"graph": graph, "what": "changed"}),
            ("library", {"graph": graph, "what": "deleted"}),
        ]
        assert {name for name, _ in heard[4:]} == {"job"}
        assert {data["id"] for _, data in heard[4:]} == {job["id"]}
        assert "result" not in heard[-1][1]


def test_ctrl_c_ends_it_quietly_even_while_a_tab_listens(tmp_path):
    with server(tmp_path, "--port", 0) as (process, client, _):
        with client.stream("GET", "/api/events") as stream:
            assert next(stream.iter_lines()) == ": listening"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_it_starts_without_torch_and_takes_in_the_files_named_once(tmp_path):
    path = GRAPH.save(tmp_path / "random.clew")
    ids = []
    for _ in range(2):
        begin = time.monotonic()
        with server(tmp_path / "library", path, "--port", 0) as (process, client, link):
            (entry,) = client.get("/api/graphs").json()
            assert link.endswith(f"/#/g/{entry['id']}")
            ids.append(entry["id"])
            maps = Path(f"/proc/{process.pid}/maps")
            assert not maps.exists() or "libtorch" not in maps.read_text()
        assert time.monotonic() - begin < 10
    assert ids[0] == ids[1]


def test_away_from_loopback_the_printed_link_holds_a_token(tmp_path):
    with server(tmp_path, "--port", 0, "--host", "0.0.0.0") as (_, client, link):
        port = client.base_url.port
        local = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{local}/api/info").status_code == 401
        token = re.search(r"\?token=([\w-]{43})$", link)
        assert token
        bearer = {"authorization": f"Bearer {token[1]}"}
        assert httpx.get(f"{local}/api/info", headers=bearer).status_code == 200
        with httpx.Client(base_url=local, follow_redirects=True) as browser:
            browser.get("/", params={"token": token[1]})
            assert browser.get("/api/info").status_code == 200


def test_a_body_of_no_stated_length_is_cut_off_while_it_comes(tmp_path):
    with server(tmp_path, "--port", 0) as (_, client, _):
        answer = client.post("/api/look", content=(bytes(2**20) for _ in range(40)))
        assert answer.status_code == 413
        assert client.get("/api/info").status_code == 200


def test_a_taken_port_is_told_when_it_was_named_and_passed_over_otherwise():
    taken = listen()
    port = taken.listening.getsockname()[1]
    other = listen()
    assert PORT <= port < other.listening.getsockname()[1]
    with pytest.raises(ClewError, match=f"Port {port} of 127.0.0.1 cannot be used .* another with --port"):
        listen(port=port)
    for address in (taken, other):
        address.listening.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.name.invalid"])
def test_an_address_that_is_not_this_machines_is_refused(host):
    with pytest.raises(ClewError, match="is not an address of this machine"):
        listen(host, 0)


def test_links_are_such_as_a_browser_opens():
    home = listen("::1", 0) if socket.has_ipv6 else listen("127.0.0.1", 0)
    assert re.fullmatch(r"http://(\[::1\]|127.0.0.1):\d+/#/g/x", home.link("/g/x"))
    assert home.token is None
    home.listening.close()
