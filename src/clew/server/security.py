"""Who may talk to the server: the right host name, the right page, and away from home a token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 32 * 2**20
"""Bytes of a request that is no upload."""
UPLOAD = ("POST", "/api/graphs")
READING = {"GET", "HEAD", "OPTIONS"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Access:
    """What a request must show."""

    hosts: frozenset[str]
    """Names by which the server may be called, in lower case."""
    token: str | None = None
    any_address: bool = False
    """Whether it may be called by any IP address too, which no foreign name can be made to lead to."""

    @property
    def cookie(self) -> str:
        """Its name differs from server to server, as cookies do not know ports."""
        return f"clew-{hashlib.sha256((self.token or '').encode()).hexdigest()[:12]}"


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def access_to(host: str, token: str | None) -> Access:
    """For a server that listens on this address; with a token unless it is the machine's own."""
    if token is None:
        return Access(LOOPBACK_NAMES)
    own = {host, f"[{host}]", socket.gethostname(), socket.getfqdn()}
    return Access(LOOPBACK_NAMES | {name.lower() for name in own}, token, any_address=True)


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """In front of everything: refuses what is foreign, bounds bodies, and gives each answer its headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answered[name] = value
                answered.setdefault("cache-control", "no-store")
            await send(message)

        if found := self._sentence_against(scope, headers):
            await _answer(send_with_headers, *found)
        elif location := self._exchange(scope):
            cookie = f"{self.access.cookie}={self.access.token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send_with_headers, 303, "", {"location": location, "set-cookie": cookie})
        elif found := self._sentence_against_stranger(scope, headers):
            await _answer(send_with_headers, *found)
        else:
            await self.app(scope, _bounded(scope, headers, receive), send_with_headers)

    def _sentence_against(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Host, Origin and the browser's own word on where a request comes from."""
        host = headers.get("host", "")
        if not self._is_own(host):
            return (
                421,
                f"This server does not answer to the name {host[:100]!r}; open the one it printed.",
            )
        if scope["path"].startswith("/api/") and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, "Another page asked for this, which is not allowed; open clew's own page."
        origin = headers.get("origin")
        sensitive = scope["method"] not in READING or scope["path"] == "/api/events"
        if sensitive and origin is not None and origin.lower() != f"{scope['scheme']}://{host.lower()}":
            return 403, "A page of another origin asked for this, which is not allowed; open clew's own page."
        return None

    def _is_own(self, host: str) -> bool:
        name = _host_name(host)
        if name in self.access.hosts:
            return True
        try:
            return self.access.any_address and bool(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return False

    def _exchange(self, scope: Scope) -> str | None:
        """Where to go on without the token in the address, once the link that was printed is opened."""
        if self.access.token is None or scope["path"].startswith("/api/"):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._is_token(given.pop("token", [""])[0]):
            return None
        rest = urlencode(given, doseq=True)
        return f"/?{rest}" if rest else "/"

    def _sentence_against_stranger(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if self.access.token is None:
            return None
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.access.cookie)
        except CookieError:
            cookie = None
        if cookie is not None and self._is_token(cookie.value):
            return None
        return 401, "This server wants a token: open the whole link that clew serve printed."

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self.access.token or "").encode()) and bool(given)


def _host_name(host: str) -> str:
    """Without the port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _bounded(scope: Scope, headers: Headers, receive: Receive) -> Receive:
    """The same body, cut off with 413 where it grows too large; uploads have a bound of their own."""
    if (scope["method"], scope["path"]) == UPLOAD:
        return receive
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BODY or _length(headers) > MOST_BODY:
            raise HTTPException(413, f"A request may have {MOST_BODY // 2**20} MiB; send less at once.")
        return message

    return receive_bounded


def _length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


async def _answer(send: Send, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"detail": sentence}).encode() if sentence else b""
    found = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in found.items()]
    if status == 401:
        raw.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
