"""Access to the server: the host names and pages that may ask, and the token that other machines need."""

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
"""Bytes of a request that is not an upload."""
UPLOAD = ("POST", "/api/graphs")
READING = {"GET", "HEAD", "OPTIONS"}
NOT_ALLOWED = "sent this request, which is not allowed. Open clew's own page."

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
    """The rules for requests: names of the server, and the token."""

    hosts: frozenset[str]
    """Names by which the server may be called, in lower case."""
    token: str | None = None
    any_address: bool = False
    """True where any IP address also counts as a host name of the server; a foreign site cannot use one."""

    @property
    def cookie(self) -> str:
        """Name of the cookie; it differs from server to server, because cookies ignore ports."""
        return f"clew-{hashlib.sha256((self.token or '').encode()).hexdigest()[:12]}"


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def access_to(host: str, token: str | None) -> Access:
    """The requirements of a server at this address, with a token unless it is loopback."""
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
    """A wrapper of the application that refuses foreign requests, limits bodies and adds headers."""

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

        if refusal := self._foreign(scope, headers):
            await _answer(send_with_headers, *refusal)
        elif location := self._exchange(scope):
            cookie = f"{self.access.cookie}={self.access.token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send_with_headers, 303, "", {"location": location, "set-cookie": cookie})
        elif refusal := self._without_token(scope, headers):
            await _answer(send_with_headers, *refusal)
        else:
            await self.app(scope, _bounded(scope, headers, receive), send_with_headers)

    def _foreign(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and sentence for a foreign Host, Origin or Sec-Fetch-Site; None for a request of its own."""
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, f"This server does not answer to the name {host[:100]!r}; open the one it printed."
        if scope["path"].startswith("/api/") and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, f"Another page {NOT_ALLOWED}"
        origin = headers.get("origin")
        sensitive = scope["method"] not in READING or scope["path"] == "/api/events"
        if sensitive and origin is not None and origin.lower() != f"{scope['scheme']}://{host.lower()}":
            return 403, f"A page of another origin {NOT_ALLOWED}"
        return None

    def _is_own(self, host: str) -> bool:
        """True if the name in front of the port is one of the server's."""
        name, colon, port = host.rpartition(":")
        name = (name if colon and port.isdecimal() else host).lower()
        if name in self.access.hosts:
            return True
        try:
            return self.access.any_address and bool(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return False

    def _exchange(self, scope: Scope) -> str | None:
        """The address without the token, for the printed link; None for any other address."""
        if self.access.token is None or scope["path"].startswith("/api/"):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._is_token(given.pop("token", [""])[0]):
            return None
        rest = urlencode(given, doseq=True)
        return f"/?{rest}" if rest else "/"

    def _without_token(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and sentence for a request without the token; None where none is needed."""
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
        return 401, "This server needs a token. Open the whole link that clew serve printed."

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self.access.token or "").encode()) and bool(given)


def _bounded(scope: Scope, headers: Headers, receive: Receive) -> Receive:
    """The same body, refused with 413 where it grows too large; uploads have a limit of their own."""
    if (scope["method"], scope["path"]) == UPLOAD:
        return receive
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BODY or content_length(headers) > MOST_BODY:
            most = f"{MOST_BODY // 2**20} MiB"
            raise HTTPException(413, f"A request may have at most {most}; send less at once.")
        return message

    return receive_bounded


def content_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


async def _answer(send: Send, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"detail": sentence}).encode() if sentence else b""
    every = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in every.items()]
    if status == 401:
        raw.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
