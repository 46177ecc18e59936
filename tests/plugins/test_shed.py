"""shed: the ring, and what is dropped."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from shardns.plugins.shed.ring import DEPTH, Ring, Row
from shardns.plugins.shed.shed import Options
from shardns.worker import log
from shardns.worker.burst import Burst
from tests.plugins.small import refusal
from tests.plugins.whole import Whole, counted, question

PARSE = "plugin/shed: Corefile:1 - Error during parsing: "


class Socket:
    """A sender that takes so many answers at a time, and gives the others back."""

    fd = -1

    def __init__(self) -> None:
        self.room = 0
        self.sent: list[Row] = []
        self.ring: Ring

    def resend(self, rows: list[Row]) -> None:
        self.sent += rows[: self.room]
        if rows[self.room :]:
            self.ring.keep(rows[self.room :])


@pytest.fixture
def lost() -> list[int]:
    return []


@pytest.fixture
def ring(lost: list[int]) -> Ring:
    sender = Socket()
    sender.ring = Ring(sender, lost.append, 3)
    return sender.ring


def row(number: int) -> Row:
    return b"", b"", b"", bytes((number,))


def numbers(rows: list[Row]) -> list[int]:
    return [answer[0] for *_, answer in rows]


def test_a_full_ring_gives_up_the_oldest_and_gives_the_newest_first(ring: Ring, lost: list[int]) -> None:
    assert [ring.push(row(number)) for number in range(1, 6)] == [False, False, False, True, True]
    assert lost == [1, 1]
    assert numbers(list(iter(ring.pop, None))) == [5, 4, 3]
    assert ring.pop() is None


def test_a_closed_ring_takes_nothing_and_still_gives(ring: Ring, lost: list[int]) -> None:
    ring.push(row(1))
    ring.close()
    assert ring.push(row(2))
    assert (lost, ring.pop()) == ([1], row(1))


def test_what_a_socket_does_not_take_stays_in_its_order(ring: Ring) -> None:
    class Loop:
        def remove_writer(self, fd: int) -> None:
            self.removed = fd

    loop = Loop()
    sender = ring.sender
    assert isinstance(sender, Socket)
    for number in (1, 2, 3):
        ring.push(row(number))
    sender.room = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "get_running_loop", lambda: loop)
        ring.drain()
        assert (numbers(sender.sent), len(ring.rows)) == ([3], 2)
        ring.push(row(4))
        sender.room = 3
        ring.drain()
    assert numbers(sender.sent) == [3, 4, 2, 1]
    assert loop.removed == -1


def test_queries_are_dropped_while_the_ring_is_full_and_tcp_is_not_touched() -> None:
    whole = Whole(".:5366 {\n shed\n whoami\n}")
    sender: Any = Socket()
    listener = whole.generation.listeners[0]
    assert listener.overflow is not None
    ring = listener.overflow(sender)
    assert whole.answered("a.").additional
    for _ in range(DEPTH):
        assert isinstance(ring, Ring)
        ring.push(row(0))
    assert ring.full
    before = counted("shed_dropped_total", "dns://:5366", "query")
    assert whole.send(question("b."), "10.0.0.1", "udp", 0, memo=False) is None
    assert counted("shed_dropped_total", "dns://:5366", "query") == before + 1
    assert whole.answered("b.", via="tcp").additional


def test_both_counters_are_there_from_the_start() -> None:
    Whole(".:5367 {\n shed\n whoami\n}")
    assert [counted("shed_dropped_total", "dns://:5367", reason) for reason in ("query", "response")] == [0, 0]


@pytest.mark.system
def test_a_burst_gives_what_a_full_socket_does_not_take_to_the_ring() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    kept: list[Row] = []

    class Keeps:
        full = False

        def keep(self, rows: list[Row]) -> None:
            kept.extend(rows)

        def unsendable(self, code: int) -> None:
            raise AssertionError(code)

    burst = Burst(ours, packet_info=False)
    burst.name_size = 0
    burst.overflow = Keeps()
    count = 0
    try:
        while not kept and count < 10_000:
            burst.resend([(b"", b"", b"ID", b"%d" % number) for number in range(count, count + 8)])
            count += 8
        assert [answer for *_, answer in kept] == [b"%d" % n for n in range(count - len(kept), count)]
        assert kept[0][2] == b"ID"
    finally:
        ours.close()
        theirs.close()


@pytest.mark.system
def test_an_answer_that_cannot_be_sent_is_counted_and_told_to_those_who_debug(
    lost: list[int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "debugging", True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.close()
    with ours:
        burst = Burst(ours, packet_info=False)
        burst.name_size = 0
        burst.overflow = Ring(burst, lost.append)
        burst.resend([(b"", b"", b"ID", b"1")])
    assert lost == [1]
    assert capfd.readouterr().out == "[DEBUG] plugin/shed: Deferred response write failed: connection refused\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shed extra", f"{PARSE}Wrong argument count or unexpected line ending after 'extra'"),
        ("shed\nshed", "plugin/shed: this plugin can only be used once per Server Block"),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


def test_a_block_must_be_empty() -> None:
    assert refusal(Options, "shed {\n depth 10\n}").endswith("Error during parsing: shed takes no options")
    assert Options.read("shed {\n}") == Options()
