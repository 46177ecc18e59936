"""NOTIFY out: who did not accept, and why, in the reference's words. NOTIFY that arrives is in the system tests."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from shardns.worker.wire.names import from_text
from shardns.worker.zone import notify as notifying
from shardns.worker.zone.notify import NotifyError, notify

ORIGIN = from_text("example.org.")
FREE = "127.0.0.1", 9


def failure(peers: list[tuple[str, int]], source: str | None = None) -> list[str]:
    """Return the lines of the error."""
    with pytest.raises(NotifyError) as caught:
        asyncio.run(notify(ORIGIN, peers, source))
    return str(caught.value).split("\n")


def fits(line: str, address: str, reason: str) -> bool:
    """Tell whether a line names an address and a reason."""
    wanted = rf'notify for zone "example\.org\." was not accepted by "{re.escape(address)}": {reason}'
    return re.fullmatch(wanted, line) is not None


def test_servers_that_are_not_there_are_named_one_by_one() -> None:
    lines = failure([FREE, ("::1", 9)])
    assert fits(lines[0], "127.0.0.1:9", r'"read udp 127\.0\.0\.1:\d+->127\.0\.0\.1:9: read: connection refused"')
    assert fits(lines[1], "[::1]:9", r'"read udp \[::1\]:\d+->\[::1\]:9: read: connection refused"')


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "TIMEOUT_S", 0.02)
    with socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        port = mute.getsockname()[1]
        (line,) = failure([("127.0.0.1", port)], "127.0.0.2")
        assert fits(line, f"127.0.0.1:{port}", rf'"read udp 127\.0\.0\.2:\d+->127\.0\.0\.1:{port}: i/o timeout"')
        mute.setblocking(False)
        assert len([mute.recv(512) for _ in range(3)]) == 3
        with pytest.raises(BlockingIOError):
            mute.recv(512)


def test_a_source_that_is_not_ours_cannot_be_used() -> None:
    (line,) = failure([FREE], "192.0.2.1")
    reason = r'"dial udp 192\.0\.2\.1:0->127\.0\.0\.1:9: bind: cannot assign requested address"'
    assert fits(line, "127.0.0.1:9", reason)
