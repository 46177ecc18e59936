"""Which class serves which transport: a socket of this worker's slot becomes a seat that reads it.

Modules of the heavier transports are imported only where a listener has them.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from .channel import Lent
from .dispatch import Dispatch
from .ends import Ends
from .places import places
from .proxyproto.policy import policy as proxy_policy
from .proxyproto.udp import ProxiedUdpSocket
from .tcp import TcpSocket
from .udp import UdpSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .run import Worker

_STREAMS = {"dns": "connection", "tls": "connection", "https": "doh", "grpc": "grpc.server"}
_DATAGRAMS = {"quic": "quic.seat", "https3": "quic.seat"}


class Seat(Protocol):
    """A socket of this worker's slot, read from `start` to `stop`."""

    def start(self) -> None:
        """Begin to read or accept."""

    def stop(self) -> None:
        """End it; what was begun is finished."""


def seats(worker: Worker, lent: Lent, dispatch: Dispatch) -> list[Seat]:
    """Wrap the lent sockets of one listener.

    A stream module has `accepted(seat: TcpSocket, ends: Ends) -> asyncio.Protocol`; a datagram module
    `open(worker, sock, dispatch) -> Seat`.
    """
    made: list[Seat] = []
    transport = dispatch.listener.transport
    policy = proxy_policy(worker.spawned.model, lent.index)
    if lent.udp and transport in _DATAGRAMS:
        module = import_module(f".{_DATAGRAMS[transport]}", __package__)
        opened = cast("Callable[[Worker, socket.socket, Dispatch], Seat]", module.open)
        made += [opened(worker, sock, dispatch) for sock in lent.udp]
    elif policy is not None:
        made += [ProxiedUdpSocket(worker, sock, dispatch, worker.budget, policy) for sock in lent.udp]
    else:
        made += [UdpSocket(worker, sock, dispatch, worker.budget) for sock in lent.udp]
    if lent.tcp:
        module = import_module(f".{_STREAMS[transport]}", __package__)
        accepted = cast("Callable[[TcpSocket, Ends], asyncio.Protocol]", module.accepted)
        context = worker.spawned.contexts.get(lent.index)
        room = places(worker.spawned.model, dispatch.listener)
        made += [TcpSocket(worker, sock, dispatch, worker.budget, accepted, context, policy, room) for sock in lent.tcp]
    return made
