"""The control socket: `shardns reload` and `shardns status` talk to the master, one line of JSON each way.

Only the master's own user and root are heard. A client has `PATIENCE_S` to say what it wants.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from .loop import Loop

MAX_REQUEST_BYTES = 4096
MAX_CLIENTS = 32


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Yield a name of the socket that fits into a socket address (108 octets), however deep its folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Request(msgspec.Struct):
    """What a client wants."""

    do: str
    workers: int = 0


Heard = Callable[[int, Request], Mapping[str, Any] | None]


class Control:
    """The listening socket and its clients. `heard` returns the answer, or None where `answer` follows later."""

    def __init__(self, path: Path, loop: Loop, heard: Heard) -> None:
        self._loop = loop
        self._heard = heard
        self._tickets = count(1)
        self._clients: dict[int, socket.socket] = {}
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short(path) as name:
            self._socket.bind(name)
        path.chmod(0o600)
        self._socket.listen(8)
        self._socket.setblocking(False)
        loop.add(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS or peer_uid(client) not in (0, os.geteuid()):
            client.close()
            return
        client.setblocking(False)
        ticket = next(self._tickets)
        self._clients[ticket] = client
        self._loop.add(client, lambda: self._read(ticket))

    def _read(self, ticket: int) -> None:
        client = self._clients[ticket]
        try:
            line = client.recv(MAX_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            line = b""
        if not line:  # it went away, perhaps while waiting
            self._drop(ticket)
            return
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.DecodeError:
            self.answer(ticket, {"ok": False, "text": "not understood"})
            return
        found = self._heard(ticket, request)
        if found is not None:
            self.answer(ticket, found)

    def answer(self, ticket: int, body: Mapping[str, Any]) -> None:
        """Answer and hang up; nothing where the client is gone."""
        client = self._clients.get(ticket)
        if client is None:
            return
        try:
            client.send(msgspec.json.encode(body) + b"\n")
        except OSError:
            pass
        self._drop(ticket)

    def _drop(self, ticket: int) -> None:
        client = self._clients.pop(ticket)
        self._loop.remove(client)
        client.close()

    def close(self) -> None:
        """Hang up on everybody."""
        for ticket in list(self._clients):
            self._drop(ticket)
        self._loop.remove(self._socket)
        self._socket.close()
        self._path.unlink(missing_ok=True)


def peer_uid(client: socket.socket) -> int:
    """Return the user at the other end of a Unix socket."""
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])
