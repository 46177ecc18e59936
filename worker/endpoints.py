"""HTTP endpoints of the keeper: one server for each address, shared by every plugin and block that names it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable
from typing import Any, Protocol

from .http import Handler, Server
from .scope import Scope

_TABLE = "http endpoints"


class Release(Protocol):
    """Ends the serving of a path. `for_good`: the server ends, so nobody will serve the address after its last path."""

    def __call__(self, *, for_good: bool = False) -> Awaitable[None]: ...


class Endpoint:
    """The server of one address; `routes` may have the same path several times, the last one answers."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.routes: dict[str, Handler] = {}
        self.held: list[tuple[str, Handler]] = []

    def add(self, path: str, handler: Handler) -> None:
        """Serve a path."""
        self.held.append((path, handler))
        self.routes[path] = handler

    def remove(self, path: str, handler: Handler) -> None:
        """Serve a path no longer, or as whoever served it before."""
        self.held.remove((path, handler))
        self.routes.clear()
        self.routes.update(self.held)


async def serve(
    scope: Scope, address: str, path: str, handler: Handler, *, tls: ssl.SSLContext | None = None, **options: Any
) -> Release | None:
    """Serve a path until the scope closes, or the returned function is called; None where nobody can listen there.

    `tls` and the other `Server` options are those of the first caller for an address.
    """
    listener = scope.endpoint(address)
    if listener is None or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None  # the master has said why
    table: dict[str, Endpoint] = scope.generation.table.setdefault(_TABLE, {})
    endpoint = table.setdefault(address, Endpoint())
    endpoint.add(path, handler)
    if endpoint.server is None:
        endpoint.server = Server(endpoint.routes, tls, **options)
        endpoint.server.start(listener)

    async def release(*, for_good: bool = False) -> None:
        if (path, handler) not in endpoint.held:
            return
        endpoint.remove(path, handler)
        if not endpoint.held and endpoint.server is not None:
            table.pop(address, None)
            await endpoint.server.close()
            if for_good:
                endpoint.server.turn_away(listener)

    scope.defer(release)
    return release
