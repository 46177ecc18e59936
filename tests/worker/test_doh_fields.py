"""Header blocks of DoH responses: what they say, and that what is kept is bounded."""

from __future__ import annotations

import pytest

from shardns.worker import doh_fields
from shardns.worker.doh_fields import Fields
from shardns.worker.doh_message import INVALID
from shardns.worker.h2.hpack import Decoder
from tests.worker.fakes import message

NOW = 1_800_000_000.0
RECORD = b"\xc0\x0c\0\1\0\1\0\0\0%c\0\4\xc0\0\2\1"


def answer(name: str, ttl: int) -> bytes:
    """Return an answer with one address, without its message ID."""
    out = bytearray(message(name) + RECORD % ttl)
    out[2] |= 0x80
    out[7] = 1
    return bytes(out[2:])


def read(block: bytes) -> dict[bytes, bytes]:
    """Return the fields of a block."""
    return dict(Decoder(4096).decode(block))


def test_a_block_tells_size_age_and_date() -> None:
    fields = Fields()
    for _ in range(2):  # made, and remembered
        found = read(fields.answer(answer("a.test.", 30), NOW))
        assert found == {
            b":status": b"200",
            b"content-type": b"application/dns-message",
            b"date": b"Fri, 15 Jan 2027 08:00:00 GMT",
            b"content-length": b"%d" % (len(answer("a.test.", 30)) + 2),
            b"cache-control": b"max-age=30",
        }


def test_dates_go_on() -> None:
    fields = Fields()
    dates = [read(fields.answer(answer("a.test.", 30), NOW + n))[b"date"] for n in (0, 0.9, 1, 60)]
    assert [date[17:25] for date in dates] == [b"08:00:00", b"08:00:00", b"08:00:01", b"08:01:00"]


def test_errors_have_a_block_too() -> None:
    found = read(Fields().error(INVALID))
    assert (found[b":status"], found[b"content-length"]) == (b"400", b"16")
    assert b"date" in found and found[b"x-content-type-options"] == b"nosniff"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doh_fields, "MAX_KEPT", 10)
    fields = Fields()
    for n in range(50):
        assert read(fields.answer(answer(f"n{n}.test.", n), NOW))[b"cache-control"] == b"max-age=%d" % n
        assert len(fields._ages) <= 10
    large = answer("x.test.", 7) + RECORD % 9 * 40
    fields.answer(large[:4] + b"\0\x29" + large[6:], NOW)
    assert large[:4] + b"\0\x29" + large[6:] not in fields._ages
