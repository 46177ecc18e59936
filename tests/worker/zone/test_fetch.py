"""Asking a primary: what is said of one that does not answer, in the reference's words."""

from __future__ import annotations

import asyncio
import re
import socket
import struct

import pytest

from shardns.worker.wire.names import from_text
from shardns.worker.zone import fetch
from shardns.worker.zone.fetch import DialError, check
from shardns.worker.zone.transfer import TransferError

ORIGIN = from_text("example.org.")


def failure(port: int) -> str:
    """Return why the SOA record could not be had."""
    with pytest.raises(TransferError) as caught:
        asyncio.run(check(ORIGIN, ("127.0.0.1", port)))
    return str(caught.value)


def test_a_primary_that_is_not_there_cannot_be_dialled() -> None:
    with pytest.raises(DialError, match=r"^dial tcp 127\.0\.0\.1:9: connect: connection refused$"):
        asyncio.run(check(ORIGIN, ("127.0.0.1", 9)))


def test_a_mute_primary_is_named_by_both_ends_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert re.fullmatch(rf"read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:{port}: i/o timeout", failure(port))


@pytest.mark.parametrize(
    ("reset", "wanted"), [(False, r"EOF"), (True, r"read tcp \S+->\S+: read: connection reset by peer")]
)
def test_a_primary_that_hangs_up_is_told_from_one_that_resets(reset: bool, wanted: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        await reader.read(512)
        if reset:
            plug: socket.socket = writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            await check(ORIGIN, server.sockets[0].getsockname()[:2])

    with pytest.raises(TransferError, match=f"^{wanted}$"):
        asyncio.run(ask())
