"""proxyproto: how long a connection may take to show its header, and what becomes of it then."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shardns.worker.address import Address, to_sockaddr
from shardns.worker.crowd import Crowd
from shardns.worker.ends import Ends
from shardns.worker.proxyproto.policy import Verdict
from shardns.worker.proxyproto.stream import INSPECT_S, Inspection
from shardns.worker.tcp import TcpSocket

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\r\n"
PEER = Address("192.0.2.1", 4242)


class Opened(list[Ends]):
    """Who was let in by a stand-in for a listener with this read time-out."""

    def __init__(self, read_s: float, transport: str = "dns") -> None:
        self.crowd = Crowd()
        listener = SimpleNamespace(read_s=read_s, transport=transport)
        worker = SimpleNamespace(crowd=self.crowd)
        self.server = cast(
            TcpSocket,
            SimpleNamespace(worker=worker, dispatch=SimpleNamespace(listener=listener), reading=True, open=self._open),
        )

    def _open(self, conn: socket.socket, ends: Ends) -> None:
        conn.close()
        self.append(ends)


def inspect(opened: Opened, said: bytes, then: Callable[[Inspection], Any]) -> Any:
    """Look at a connection on which this was said, and do something with it."""

    async def run() -> Any:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            theirs.sendall(said)
            inspection = Inspection(opened.server, ours, Ends(to_sockaddr(*PEER), PEER, PEER), Verdict.USE)
            inspection.begin()
            try:
                return then(inspection)
            finally:
                if ours.fileno() >= 0:
                    inspection.abort()

    return asyncio.run(run())


def late(inspection: Inspection) -> None:
    """Have the time for a header be over."""
    inspection.since -= INSPECT_S
    inspection.until -= INSPECT_S
    inspection.close()


@pytest.mark.parametrize(
    ("said", "read_s", "is_let_in"),
    [
        (b"", 20.0, True),
        (SIGNATURE[:7], 20.0, True),
        (LINE[:4], 20.0, True),
        (SIGNATURE, 20.0, False),
        (SIGNATURE + b"\x21\x11", 20.0, False),
        (b"", 3.0, False),
    ],
)
def test_who_shows_no_header_in_time_is_let_in_while_there_is_time_to_read(
    said: bytes, read_s: float, is_let_in: bool
) -> None:
    opened = Opened(read_s)
    before = time.monotonic()
    inspect(opened, said, late)
    assert [ends.peer for ends in opened] == [PEER] * is_let_in
    assert all(ends.until <= before + read_s - INSPECT_S + 1 for ends in opened)
    assert len(opened.crowd) == 0


@pytest.mark.parametrize(("transport", "counts"), [("dns", True), ("tls", True), ("https", False), ("grpc", False)])
def test_the_read_time_out_counts_from_the_moment_of_acceptance_where_dns_is_read(transport: str, counts: bool) -> None:
    opened = Opened(3.0, transport)
    before = time.monotonic()
    inspect(opened, LINE, lambda inspection: None)
    (ends,) = opened
    assert ends.peer == Address("203.0.113.7", 4242)
    assert ends.until < before + 4 if counts else ends.until == math.inf


@pytest.mark.parametrize(
    ("transport", "read_s", "longest_s"), [("dns", 3.0, 3.0), ("tls", 20.0, INSPECT_S), ("https", 3.0, INSPECT_S)]
)
def test_headers_are_waited_for_ten_seconds_at_most(transport: str, read_s: float, longest_s: float) -> None:
    waits_s = inspect(Opened(read_s, transport), b"", lambda inspection: inspection.deadline - inspection.since)
    assert waits_s == pytest.approx(longest_s)


@pytest.mark.parametrize(("said", "after_s"), [(b"", 0.25), (b"PRO", 1.0)])
def test_who_keeps_silent_gives_its_place_up(said: bytes, after_s: float) -> None:
    opened = Opened(3.0, "https")

    def yields(inspection: Inspection) -> list[bool]:
        found = [inspection.yields(opened.server, inspection.since + age_s) for age_s in (after_s - 0.1, after_s + 0.1)]
        inspection.close()
        return [*found, inspection.yields(object(), inspection.since + 5)]

    assert inspect(opened, said, yields) == [False, True, False]
    assert opened == []
