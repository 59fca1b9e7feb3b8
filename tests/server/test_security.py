"""Access to the server: foreign names, foreign pages and strangers are turned away."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from clew.server.app import make_app
from clew.server.security import MOST_BODY, access_to
from tests.server.conftest import HOME, sentence

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def away(service):
    """A client of a server that listens for other machines."""
    app = make_app(service, access_to("192.0.2.7", TOKEN))
    with TestClient(app, base_url="http://192.0.2.7:8417") as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8417", "[::1]:8417"])
def test_its_own_names_are_answered(client, host):
    assert client.get("/api/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8417", "192.0.2.7", "", "[::1", "a:b:c"]
)
def test_a_foreign_host_name_is_refused(client, host):
    for path in ("/", "/api/info", "/assets/index-a1b2c3d4.js"):
        assert "does not answer to the name" in sentence(client.get(path, headers={"host": host}), 421)


def test_away_from_home_any_address_may_stand_in_the_link_but_no_foreign_name(away):
    known = {"authorization": f"Bearer {TOKEN}"}
    for host, status in (("10.0.0.3:8417", 200), ("[2001:db8::1]:8417", 200), ("evil.example", 421)):
        assert away.get("/api/info", headers=known | {"host": host}).status_code == status


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9", "https://localhost:8417"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/graphs"),
        ("POST", "/api/jobs"),
        ("POST", "/api/look"),
        ("PATCH", f"/api/graphs/{'0' * 32}"),
        ("DELETE", f"/api/graphs/{'0' * 32}"),
        ("GET", "/api/events"),
    ],
)
def test_a_foreign_origin_changes_nothing_and_hears_nothing(client, method, path, origin):
    answer = client.request(method, path, headers={"origin": origin})
    assert "another origin" in sentence(answer, 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/graphs"), ("POST", "/api/graphs"), ("GET", "/api/events")]
)
def test_what_the_browser_says_comes_from_elsewhere_is_refused(client, method, path, site):
    answer = client.request(method, path, headers={"sec-fetch-site": site})
    assert "Another page sent" in sentence(answer, 403)


def test_its_own_page_may_do_all_of_it(client, graph_file):
    own = {"origin": HOME, "sec-fetch-site": "same-origin"}
    assert client.post("/api/graphs", content=graph_file.read_bytes(), headers=own).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer ünknown".encode()},
        {"cookie": f"clew={TOKEN}"},
        {"cookie": "clew-000000000000=wrong; =; ;;"},
    ],
)
def test_a_stranger_sees_nothing(away, headers):
    for path in ("/", "/api/graphs", "/api/openapi.json", "/assets/index-a1b2c3d4.js"):
        answer = away.get(path, headers=headers)
        assert "needs a token" in sentence(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_printed_link_is_exchanged_for_a_cookie(away):
    answer = away.get(f"/?token={TOKEN}&x=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?x=1")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(rf"clew-[0-9a-f]{{12}}={TOKEN}; Path=/; HttpOnly; SameSite=Strict", cookie)
    assert away.get("/").status_code == 200
    assert away.get("/api/graphs").json() == []


def test_a_wrong_token_in_the_link_is_refused_and_none_is_taken_by_the_api(away):
    assert "needs a token" in sentence(away.get("/?token=wrong"), 401)
    assert "needs a token" in sentence(away.get("/?token="), 401)
    assert "needs a token" in sentence(away.get(f"/api/graphs?token={TOKEN}"), 401)


def test_at_home_no_token_is_wanted(client):
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/assets/index-a1b2c3d4.js"),
        ("GET", "/nothing"),
        ("GET", "/api/info"),
        ("GET", "/api/nothing"),
        ("GET", f"/api/graphs/{'0' * 32}"),
        ("POST", "/api/graphs"),
        ("POST", "/api/jobs"),
        ("PUT", "/api/graphs"),
    ],
)
def test_every_answer_carries_the_policy(client, method, path):
    for host in (None, "evil.example"):
        headers = client.request(method, path, headers={} if host is None else {"host": host}).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert headers["cache-control"]


CLIMBING = ["..", "../..", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e", "..\\..", "\0"]


@pytest.mark.parametrize("climb", CLIMBING)
def test_no_parameter_leads_out_of_the_library(client, graph, climb):
    spelled = climb if "%" in climb else quote(climb, safe="")
    asked = [
        ("GET", f"/{spelled}"),
        ("GET", f"/assets/{spelled}"),
        ("GET", f"/api/graphs/{spelled}"),
        ("GET", f"/api/graphs/{spelled}/arrays"),
        ("GET", f"/api/graphs/{spelled}/export?format=clew"),
        ("GET", f"/api/graphs/{graph}/nodes/{spelled}/edges?direction=in"),
        ("GET", f"/api/graphs/{graph}/export?format={spelled}"),
        ("GET", f"/api/graphs/{graph}/nodes/x/edges?direction={spelled}"),
        ("GET", f"/api/jobs/{spelled}"),
        ("GET", f"/api/jobs?graph={spelled}"),
        ("DELETE", f"/api/graphs/{spelled}"),
        ("POST", f"/api/graphs/{spelled}/restore"),
    ]
    for method, path in asked:
        answer = client.request(method, path)
        assert answer.status_code in (404, 405, 422) or answer.text == client.get("/").text, path
        assert "root:" not in answer.text


def test_a_climbing_name_is_only_a_name(client, graph, library):
    renamed = client.patch(f"/api/graphs/{graph}", json={"name": "../../evil\r\nx: y"})
    assert renamed.status_code == 200
    disposition = client.get(f"/api/graphs/{graph}/export?format=clew").headers["content-disposition"]
    assert disposition == 'attachment; filename="evil-x-y.clew"'
    assert not list(library.folder.parent.glob("evil*"))


def test_a_request_that_is_no_upload_is_bounded(client, graph):
    big = b'{"base": 0, "changes": {"' + b"x" * MOST_BODY + b'": null}}'
    path = f"/api/graphs/{graph}/annotations"
    assert "32 MiB" in sentence(client.patch(path, content=big), 413)
    chunks = (big[start : start + 2**20] for start in range(0, len(big), 2**20))
    assert "32 MiB" in sentence(client.patch(path, content=chunks), 413)
