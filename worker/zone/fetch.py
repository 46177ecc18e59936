"""Asking a primary over TCP: for its SOA record, and for a zone.

Connecting and every message have a time limit, a whole transfer has one, and an answer to a signed query must be
signed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ..tsig import Exchange, Key, TsigError
from ..wire.codes import SOA
from ..wire.read import Malformed
from .peers import Peer, peer_text
from .transfer import Inbound, Soa, TransferError, answer, question

TIMEOUT_S: Final = 2.0  # to connect, and for each message, as in the reference
MAX_TRANSFER_S: Final = 3600.0


class DialError(TransferError):
    """A primary that cannot be reached."""


class Line:
    """A connection to a primary, for one question."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: Key | None) -> None:
        self.reader = reader
        self.writer = writer
        self.ident = int.from_bytes(os.urandom(2), "big")
        self.exchange = Exchange(key) if key is not None else None

    async def send(self, wire: bytes) -> None:
        """Send the query."""
        if self.exchange is not None:
            wire = self.exchange.sign(wire, int(time.time()))
        self.writer.write(len(wire).to_bytes(2, "big") + wire)
        await asyncio.wait_for(self.writer.drain(), TIMEOUT_S)

    async def receive(self) -> bytes:
        """Return the next message, its signature checked and taken off."""
        head = await asyncio.wait_for(self.reader.readexactly(2), TIMEOUT_S)
        wire = await asyncio.wait_for(self.reader.readexactly(int.from_bytes(head, "big")), TIMEOUT_S)
        if self.exchange is None or (len(wire) > 3 and wire[3] & 15 and not wire[10:12].strip(b"\0")):
            return wire  # an error that is too small to be signed is still an error
        return self.exchange.check(wire, int(time.time()))


@asynccontextmanager
async def connected(peer: Peer, key: Key | None) -> AsyncIterator[Line]:
    """Connect to a primary; what goes wrong inside becomes a TransferError."""
    where = peer_text(peer)
    try:
        try:
            opening = asyncio.open_connection(*peer, limit=1 << 17)
            reader, writer = await asyncio.wait_for(opening, TIMEOUT_S)
        except TimeoutError:
            raise DialError(f"dial tcp {where}: i/o timeout") from None
        except OSError as error:
            text = (os.strerror(error.errno) if error.errno else str(error)).lower()
            raise DialError(f"dial tcp {where}: connect: {text}") from None
        where = f"{peer_text(writer.get_extra_info('sockname')[:2])}->{where}"
        try:
            yield Line(reader, writer, key)
        finally:
            writer.close()
    except TimeoutError:
        raise TransferError(f"read tcp {where}: i/o timeout") from None
    except asyncio.IncompleteReadError as error:
        raise TransferError("unexpected EOF" if error.partial else "EOF") from None
    except OSError as error:
        raise TransferError(f"read tcp {where}: read: {(error.strerror or str(error)).lower()}") from None
    except (TsigError, Malformed) as error:
        raise TransferError(f"dns: bad answer: {error}") from None


async def check(origin: bytes, peer: Peer, key: Key | None = None) -> Soa:
    """Ask for the SOA record; raises TransferError."""
    async with connected(peer, key) as line:
        await line.send(question(origin, SOA, line.ident))
        records = answer(await line.receive(), line.ident)
    rdata = next((record[4] for record in records if record[1] == SOA), None)
    if rdata is None:
        raise TransferError("dns: no SOA")
    return Soa.of(rdata)


async def fetch(inbound: Inbound, peer: Peer, key: Key | None = None) -> None:
    """Run one transfer to its end; raises TransferError."""
    until = time.monotonic() + MAX_TRANSFER_S
    async with connected(peer, key) as line:
        await line.send(inbound.query(line.ident))
        while not inbound.done:
            if time.monotonic() > until:
                raise TransferError("the transfer takes too long")
            inbound.feed(await line.receive(), line.ident)
            await asyncio.sleep(0)
        if line.exchange is not None:
            line.exchange.finish()
