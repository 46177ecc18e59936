"""The probe of `loop`: one query to the server's own address, repeated until something answers."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

from shardns.worker.address import Address
from shardns.worker.shared import Shared
from shardns.worker.wire.codes import HINFO, RD
from shardns.worker.wire.question import question

PATIENCE_S: Final = 30.0
TIMEOUT_S: Final = 2.0
PAUSE_S: Final = 1.0
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


async def watch(name: bytes, target: Address, seen: Shared, off: Shared) -> None:
    """Ask for the name; failures set the sightings back to 0. At the end, whatever it was, switch detection off."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while loop.time() < deadline:
        try:
            await asyncio.wait_for(exchange(name, target), TIMEOUT_S)
            break
        except OSError:  # TimeoutError is one
            seen.set(0)
            await asyncio.sleep(PAUSE_S)
    off.set(1)


async def exchange(name: bytes, target: Address) -> None:
    """Send the query over UDP and return when an answer with its ID comes. Raises OSError."""
    loop = asyncio.get_running_loop()
    host = _WILDCARDS.get(target.ip, target.ip)
    ident = os.urandom(2)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((host, target.port))
        await loop.sock_sendall(sock, question(int.from_bytes(ident, "big"), RD, name, HINFO))
        while True:
            data = await loop.sock_recv(sock, 65535)
            if len(data) >= 12 and data[:2] == ident:
                return
