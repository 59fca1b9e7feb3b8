"""Listening at an address, and serving until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import urlencode

import uvicorn

from clew.errors import ClewError
from clew.server.app import make_app, make_state
from clew.server.indexes import Indexes
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.security import access_to, is_loopback
from clew.server.settings import PORT, ServeSettings
from clew.server.state import ServerState

TRIED = 50
"""Number of ports to try, from the usual one on, if none is named."""


@dataclass(frozen=True)
class Address:
    """The address of a server, and the token that it needs away from loopback."""

    listening: socket.socket
    host: str
    token: str | None

    def link(self, route: str = "") -> str:
        """The link to open in a browser; `route` is a place on the page (`/g/<graph id>`)."""
        name = socket.gethostname() if self.host in ("0.0.0.0", "::", "") else self.host
        name = f"[{name}]" if ":" in name else name
        query = f"?{urlencode({'token': self.token})}" if self.token else ""
        return f"http://{name}:{self.listening.getsockname()[1]}/{query}{route and f'#{route}'}"


def listen(host: str = ServeSettings.host, port: int | None = None) -> Address:
    """Listen at this port, or where none is named at the first free one from the usual one on.

    Raises `ClewError` for an address that is not this machine's, and for a port that is taken.
    """
    token = None if is_loopback(host) else secrets.token_urlsafe(32)
    ports = range(PORT, PORT + TRIED) if port is None else [port]
    for number in ports:
        try:
            return Address(_bound(host, number), host, token)
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                sentence = f"{host!r} is not an address of this machine ({error.strerror})"
                raise ClewError(f"{sentence}; name one with --host.") from error
            if port is not None or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                sentence = (
                    f"Port {number} of {host} cannot be used ({error.strerror}). Name another with --port"
                )
                raise ClewError(f"{sentence}, or leave the option out to take a free one.") from error
    raise ClewError(f"None of the ports {PORT} to {PORT + TRIED - 1} is free; name one with --port.")


def serve(address: Address, library: Library, models: ModelCache, indexes: Indexes | None = None) -> None:
    """Serve the library until Ctrl-C, and close it."""
    state = make_state(library, models, indexes)
    app = make_app(state, access_to(address.host, address.token))
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        use_colors=False,  # colours would be shown as escapes, as all that is not text
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=3,
    )
    try:
        _Server(settings, state).run(sockets=[address.listening])
    finally:
        state.close()


class _Server(uvicorn.Server):
    """A server that ends the streams of events first; uvicorn would wait for them for ever."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config)
        self._state = state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.events.close()
        await super().shutdown(sockets)


def _bound(host: str, port: int) -> socket.socket:
    (family, kind, _, _, place), *_ = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
    bound = socket.socket(family, kind)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen()
    except BaseException:
        bound.close()
        raise
    return bound
