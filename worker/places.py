"""How many connections the clients of a listener may have in all workers together; who comes too late waits.

A place is taken when a connection is accepted, before TLS, and given back by closing its socket, whoever does that.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import Any

from shardns.config.model import Model, listeners

from .listener import Listener
from .shared import SharedSum

IDLE_S = 1.0  # without a request, before a connection gives its place to a newcomer
SILENT_S = 0.25  # without a single octet: whoever wants something speaks at once
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


class Tenant(ABC):
    """A connection that may give its place up to a newcomer."""

    @abstractmethod
    def yields(self, server: object, now: float) -> bool:
        """Tell whether it came through this listener and has been idle long enough (`IDLE_S`, `SILENT_S`)."""

    @abstractmethod
    def close(self) -> None:
        """Give it up."""


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

    There are as many for each of the sockets that `multisocket` asks for.
    """
    name = _DIRECTIVES.get(listener.transport)
    if name is None:
        return None
    most: int = getattr(limiting(model, listener.index, name), "max_connections", CONNECTIONS)
    return Places(most * max(1, listeners(model)[listener.index].sockets), listener.connections)


def limiting(model: Model, index: int, name: str) -> Any:
    """Return the options of the directive that bounds a listener's clients, None where nothing is said.

    The first server block on it decides; what that says is about the address of its own first key (spec core §3.2).
    """
    listening = listeners(model)[index]
    block = model.blocks[listening.blocks[0]]
    first = block.keys[0]
    directive = block.directive(name)
    if directive is None or (first.transport, first.port) != (listening.transport, listening.port):
        return None
    return directive.options
