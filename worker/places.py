"""How many connections the clients of a listener may have in all workers together; who comes too late waits.

A place is taken when a connection is accepted, before TLS, and given back by closing its socket, whoever does that.
"""

from __future__ import annotations

import socket
from typing import Any

from shardns.config.model import Model, listeners

from .listener import Listener
from .shared import SharedSum

CONNECTIONS = 200  # of a listener, where nothing is said
_DIRECTIVES = {"https": "https", "grpc": "grpc_server"}


class Seated(socket.socket):
    """An accepted socket that has a place."""

    places: Places | None = None

    def close(self) -> None:
        """Close it and give its place back."""
        places, self.places = self.places, None
        if places is not None:
            places.taken.add(-1)
        super().close()


class Tenant:
    """A connection that may give its place up to a newcomer."""

    def yields(self, server: object, before: float) -> bool:
        """Tell whether it came through this listener and has asked nothing since then."""
        raise NotImplementedError


class Places:
    """The places of one listener: `most` (0: any number), of which `taken` are not free."""

    def __init__(self, most: int, taken: SharedSum) -> None:
        self.most = most
        self.taken = taken
        taken.reset()

    def free(self) -> bool:
        """Tell whether there is one."""
        return not self.most or self.taken.get() < self.most

    def take(self, accepted: socket.socket) -> socket.socket:
        """Seat a connection; returns the socket to go on with."""
        seated = Seated(accepted.family, accepted.type, accepted.proto, accepted.detach())
        seated.places = self
        self.taken.add(1)
        return seated


def places(model: Model, listener: Listener) -> Places | None:
    """Return the places of a listener, None where its transport has no such limit.

    Of several server blocks on it the first in the file decides.
    """
    listening = listeners(model)[listener.index]
    name = _DIRECTIVES.get(listening.transport)
    if name is None:
        return None
    directive = model.blocks[listening.blocks[0]].directive(name)
    options: Any = directive.options if directive is not None else None
    return Places(getattr(options, "max_connections", CONNECTIONS), listener.connections)
