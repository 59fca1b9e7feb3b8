"""A real `clew serve` in a process of its own, and what a test asks it without a browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from clew.graph.graph import Graph
from clew.graph.reader import open_graph
from clew.graph.writer import save

SOURCES = Path(__file__).resolve().parents[2] / "src"


class Server:
    """Serves one library folder; can be killed and started again at the same port."""

    def __init__(self, library: Path, port: int = 0) -> None:
        self.library = library
        self.indexes = library.with_name(f"{library.name} indexes")
        self._process, self.url = _start(library, self.indexes, port)
        self.api = httpx.Client(base_url=f"{self.url}/api", timeout=120)
        self.origin = self.url

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        self._process, _ = _start(self.library, self.indexes, int(self.url.rsplit(":", 1)[1]))

    def stop(self) -> None:
        self.api.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    # What the library holds

    def bring(self, content: bytes, name: str = "") -> str:
        """Import a file; its id."""
        answer = self.api.post("/graphs", content=content, params={"name": name} if name else {})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def add(self, graph: Graph, folder: Path, name: str = "") -> str:
        return self.bring(save(graph, folder / "added.clew").read_bytes(), name)

    def entries(self) -> list[dict[str, Any]]:
        return self.api.get("/graphs").json()

    def empty(self) -> None:
        for entry in self.entries():
            self.api.delete(f"/graphs/{entry['id']}")

    def values(self, graph: str) -> dict[str, Any]:
        """The annotations that are stored."""
        return self.api.get(f"/graphs/{graph}/annotations").json()["values"]

    def annotate(self, graph: str, changes: dict[str, Any]) -> None:
        base = self.api.get(f"/graphs/{graph}/annotations").json()["revision"]
        answer = self.api.patch(f"/graphs/{graph}/annotations", json={"base": base, "changes": changes})
        assert answer.status_code == 200, answer.text

    def exported(self, graph: str, form: str = "clew") -> bytes:
        answer = self.api.get(f"/graphs/{graph}/export", params={"format": form})
        assert answer.status_code == 200, answer.text
        return answer.content

    def graph(self, graph: str, folder: Path) -> Graph:
        """The stored graph as Python sees it, with its annotations."""
        path = folder / f"{graph}.clew"
        path.write_bytes(self.exported(graph))
        return open_graph(path)

    def done(self, request: dict[str, Any], within: float = 120) -> dict[str, Any]:
        """The job of a request, once it has succeeded."""
        answer = self.api.post("/jobs", json=request)
        assert answer.status_code == 202, answer.text
        job, deadline = answer.json(), time.monotonic() + within
        while job["state"] in ("waiting", "running"):
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
            job = self.api.get(f"/jobs/{job['id']}").json()
        assert job["state"] == "done", job
        return job


def _start(library: Path, indexes: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    options = ["serve", "--port", str(port), "--no-open", "--library", str(library)]
    own = {"PYTHONPATH": str(SOURCES), "CLEW_INDEXES": str(indexes)}
    environment = {**os.environ, **own, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "clew.cli.main", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout
    said = process.stdout.readline()
    assert said.startswith("clew is at "), f"clew serve said {said!r} instead of where it is."
    return process, said.removeprefix("clew is at ").strip().rstrip("/")
