"""A server that speaks the protocol of OpenAI's chat completions on this machine, failures included."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The server's answer: a status, a body, headers; or nothing, for a while."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    """True for a server that says nothing until the client has gone."""
    endless: bool = False
    """True for a server that goes on sending a byte now and then until the client has gone."""


@dataclass(frozen=True)
class Request:
    """A request of a client."""

    path: str
    key: str
    body: dict[str, Any]

    @property
    def task(self) -> str:
        return "detect" if '"texts":{' in self.body["messages"][1]["content"] else "explain"

    @property
    def data(self) -> dict[str, Any]:
        """The question, as the second message holds it."""
        return json.loads(self.body["messages"][1]["content"])


Speaker = Callable[[Request, int], Answer]
"""Answers a request, given how many came before it."""


def said(text: str, read: int = 100, written: int = 10, **fields: Any) -> Answer:
    """A chat completion."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stand-in",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }
    return Answer(json.dumps(body | fields).encode())


def problem(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI words it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps(body).encode(), status, spelled)


def knowing(request: Request, _: int = 0) -> Answer:
    """Calls a feature by the word that is marked, and finds it wherever it stands."""
    if request.task == "explain":
        marked = re.findall("« *(.*?)»", request.data["texts"][0])
        return said(json.dumps({"label": marked[0]}))
    label = request.data["label"]
    numbers = [int(number) for number, text in request.data["texts"].items() if label in text]
    return said(json.dumps({"active": numbers}))


class StandIn:
    """The server's address, what it was asked, and how many requests it had at once."""

    def __init__(self, speak: Speaker) -> None:
        self.speak = speak
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(speak: Speaker = knowing) -> Iterator[StandIn]:
    """A server at `url` while the block runs."""
    stand_in = StandIn(speak)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            request = Request(
                self.path, self.headers.get("authorization", ""), json.loads(self.rfile.read(length))
            )
            with stand_in.lock:
                before = len(stand_in.requests)
                stand_in.requests.append(request)
                stand_in.at_once += 1
                stand_in.most_at_once = max(stand_in.most_at_once, stand_in.at_once)
            answer = stand_in.speak(request, before)
            with stand_in.lock:
                stand_in.at_once -= 1
            if answer.silent:
                stand_in.closing.wait(10)
                self.close_connection = True
                return
            self.send_response(answer.status)
            headers = {"content-type": "application/json", "content-length": str(len(answer.body))}
            for name, value in (headers | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client may go before the end
                self.wfile.write(answer.body)
                while answer.endless and not stand_in.closing.wait(0.02):
                    self.wfile.write(b" ")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield stand_in
    finally:
        stand_in.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """A clock that moves only when somebody sleeps; remembers every sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
