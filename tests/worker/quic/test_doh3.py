"""Responses of DNS over HTTP/3."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shardns.worker.quic.doh3 import Doh3, Inquiry
from tests.worker.fakes import FakeSite


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        (b"HEAD", b"/dns-query", b"400", b""),
        (b"HEAD", b"/", b"404", b""),
        (b"PUT", b"/dns-query", b"400", b"invalid request\n"),
        (b"GET", b"/", b"404", b"\n"),
    ],
)
def test_who_asks_for_the_head_alone_gets_no_body(method: bytes, path: bytes, status: bytes, body: bytes) -> None:
    sent: list[tuple[int, dict[bytes, bytes], bytes]] = []
    client = cast(Any, Doh3.__new__(Doh3))
    client.closed = True
    client.seat = FakeSite(count=lambda status: None)
    client.http = FakeSite(respond=lambda stream, fields, body: sent.append((stream, dict(fields), body)))
    client._whole(4, Inquiry([(b":method", method), (b":path", path)]))
    [(stream, fields, got)] = sent
    assert (stream, fields[b":status"], got) == (4, status, body)
    assert fields[b"content-length"] == (b"16" if status == b"400" else b"1")
