"""NOTIFY out (RFC 1996): tells other servers that a zone has changed, and says which of them would not hear it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from shardns.config.golang import quote

from ..tsig import Exchange, Key, TsigError
from ..wire.codes import IN, RCODE_TEXT, SOA
from ..wire.names import to_text
from ..wire.read import Malformed
from .peers import Peer, peer_text

ATTEMPTS: Final = 3
TIMEOUT_S: Final = 2.0
_HEAD: Final = b"\x24\0\0\1\0\0\0\0\0\0"  # opcode NOTIFY, AA; one question


class NotifyError(OSError):
    """Some servers did not accept; a line for each."""


class _Answer(asyncio.DatagramProtocol):
    """Waits for the answer with the right ID."""

    def __init__(self, ident: bytes) -> None:
        self.ident = ident
        self.arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take the first answer."""
        if data[:2] == self.ident and len(data) >= 12 and data[2] & 0x80 and not self.arrived.done():
            self.arrived.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """Take what the kernel was told."""
        if not self.arrived.done():
            self.arrived.set_exception(exc)


async def notify(origin: bytes, peers: Sequence[Peer], source: str | None = None, key: Key | None = None) -> None:
    """Tell some servers, one after the other; raises NotifyError naming those that did not accept."""
    failed = []
    for peer in peers:
        reason = await _tell(origin, peer, source, key)
        if reason is not None:
            failed.append(
                f"notify for zone {quote(to_text(origin))} was not accepted by {quote(peer_text(peer))}: {reason}"
            )
    if failed:
        raise NotifyError("\n".join(failed))


async def _tell(origin: bytes, peer: Peer, source: str | None, key: Key | None) -> str | None:
    """Return why a server did not accept, None where it did."""
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            rcode = await _exchange(origin, peer, source, key)
        except (NotifyError, TsigError, Malformed) as error:
            reason = quote(str(error))
            continue
        if rcode == 0:
            return None
        reason = f"rcode was {quote(RCODE_TEXT.get(rcode, str(rcode)))}"
    return reason


async def _exchange(origin: bytes, peer: Peer, source: str | None, key: Key | None) -> int:
    ident = os.urandom(2)
    wire = ident + _HEAD + origin + SOA.to_bytes(2, "big") + IN.to_bytes(2, "big")
    exchange = Exchange(key) if key is not None else None
    if exchange is not None:
        wire = exchange.sign(wire, int(time.time()))
    answer = await _answer(wire, peer, source)
    if exchange is not None:
        exchange.check(answer, int(time.time()))
    return answer[3] & 15


async def _answer(wire: bytes, peer: Peer, source: str | None) -> bytes:
    """Send a datagram and wait for the answer; raises NotifyError with the reference's text."""
    there = peer_text(peer)
    try:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Answer(wire[:2]), remote_addr=peer, local_addr=(source, 0) if source else None
        )
    except OSError as error:
        path = f"{peer_text((source, 0))}->{there}: bind" if source else f"{there}: connect"
        raise NotifyError(f"dial udp {path}: {_reason(error)}") from None
    path = f"{peer_text(transport.get_extra_info('sockname')[:2])}->{there}"
    try:
        transport.sendto(wire)
        return await asyncio.wait_for(protocol.arrived, TIMEOUT_S)
    except TimeoutError:
        raise NotifyError(f"read udp {path}: i/o timeout") from None
    except OSError as error:
        raise NotifyError(f"read udp {path}: read: {_reason(error)}") from None
    finally:
        transport.close()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
