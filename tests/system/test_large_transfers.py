"""A zone of a million records comes in and goes out while others are answered: how long that takes, how long they wait.

Processes of one session share a core with those of all others (autogroup, sched(7)), so what is measured is put before
them where the test may.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.bench import data

from .conftest import Make
from .harness import Server, until
from .load import Findings
from .peers import serial_at

RECORDS = 1_000_000
RATE = 5_000  # queries a second beside a transfer
IN_S, OUT_S = 30.0, 15.0
P99_S = 0.020
PATIENCE_S = 120.0
ORIGIN = f"{data.BIG_ORIGIN}."

pytestmark = [
    pytest.mark.system,
    pytest.mark.alone,
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.flaky(reruns=2),
]


@pytest.fixture(autouse=True)
def before_others() -> Iterator[None]:
    """Go before other sessions on this machine for the length of a test."""
    group = Path("/proc/self/autogroup")
    try:
        group.write_text("-10")
    except OSError:  # without privilege, or there is no such thing here
        yield
        return
    yield
    group.write_text("0")


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a zone file of a million address records, and three of the apex."""
    path = tmp_path_factory.mktemp("big") / "db.big"
    data.write_big_zone(path, RECORDS)
    return path


def primary(make: Make, zone: Path, first: bool = True) -> Server:
    """Start a server that gives the large zone away and serves `check.test.` beside it."""
    server = make(first=first)
    extra = f"{ORIGIN}:{server.port} {{\n    bind 127.0.0.1\n    file {zone}\n    transfer {{\n        to *\n    }}\n}}"
    return started(server, extra)


def started(server: Server, extra: str) -> Server:
    """Start with the small zone alone, then add the rest: loading a large zone takes longer than a start may."""
    server.start()
    server.configure(server.tagged(1, extra=extra))
    assert server.reload().returncode == 0
    return server


def drained(port: int) -> tuple[int, float]:
    """Take a whole transfer as fast as it comes, unread; returns its octets and seconds."""
    query = dns.message.make_query(ORIGIN, "AXFR").to_wire()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as tcp:
        tcp.sendall(len(query).to_bytes(2, "big") + query)
        took, size, tail = began, 0, b""
        tcp.settimeout(2.0)  # a pause that long is the end
        try:
            while part := tcp.recv(1 << 20):
                took, size, tail = time.monotonic(), size + len(part), (tail + part)[-200:]
        except TimeoutError:
            pass
    assert b"hostmaster" in tail  # the SOA record once more
    return size, took - began


def p99(findings: Findings, end: float) -> float:
    """Return the time that the hundredth part of the queries sent up to a time waited for at least."""
    replies = [one for one in findings.replies if one.sent <= end]
    span = end - min(one.sent for one in replies)
    assert len(replies) > RATE * span * 0.9, "the client could not keep its rate"
    assert not findings.lost
    return sorted(one.received - one.sent for one in replies)[len(replies) * 99 // 100]


def test_a_million_records_go_out_while_others_are_answered(make: Make, zone: Path) -> None:
    server = primary(make, zone)
    with server.checking(rate=RATE) as findings:
        began = time.monotonic()
        size, took = drained(server.port)
    assert size > RECORDS * 38
    assert took <= OUT_S
    assert p99(findings, began + took) < P99_S


def test_a_million_records_come_in_while_others_are_answered(make: Make, zone: Path) -> None:
    first = primary(make, zone, first=False)
    server = make(first=True)
    extra = (
        f"{ORIGIN}:{server.port} {{\n    bind 127.0.0.1\n    secondary {{\n"
        f"        transfer from 127.0.0.1:{first.port}\n    }}\n}}"
    )
    server.configure(server.tagged(1))
    server.start()
    server.configure(server.tagged(1, extra=extra))
    with server.checking(rate=RATE) as findings:
        assert server.reload().returncode == 0
        began = time.monotonic()
        until(lambda: serial_at(server.port, ORIGIN) == 1, PATIENCE_S)
        took = time.monotonic() - began
    assert took <= IN_S
    assert p99(findings, began + took) < P99_S
