"""Rdata in text that other libraries judge more strictly than the reference: it is taken as it stands."""

from __future__ import annotations

import pytest

from shardns.worker.zone.errors import ZoneTextError
from shardns.worker.zone.sources import Sources
from shardns.worker.zone.text import Reader


class _Sink:
    origin = b"\0"

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.count = 0
        self.found: list[tuple[bytes, bytes]] = []

    def add_record(self, owner: bytes, record: bytes) -> None:
        self.found.append((owner, record[10:]))


def read(text: str) -> list[tuple[bytes, bytes]]:
    """Return (owner, rdata) of the records of a text."""
    sink = _Sink()
    for _ in Reader(Sources(), "db", b"\1o\0", sink, folds=False).read(f"{text}\n".encode()):
        pass
    return sink.found


@pytest.mark.parametrize(
    ("text", "hexadecimal"),
    [
        ("HINFO cpu", "03637075 00"),
        ('HINFO "cpu os"', "03637075 026f73"),
        ("HINFO cpu an os", "03637075 05616e206f73"),
        ("TLSA 3 1 1 aa bbCC", "030101aabbcc"),
        ("SMIMEA 3 1 1 aabb", "030101aabb"),
        ("SSHFP 4 2 aabb", "0402aabb"),
        ("ZONEMD 1 1 1 aabb", "00000001 01 01 aabb"),
        ("DLV ( 1 5 1 aabb )", "0001 05 01 aabb"),
        ("SVCB 0 a.", "0000 016100"),
        ("HTTPS 1 . no-default-alpn alpn=h2", "0001 00 0001 0003 026832 0002 0000"),
        ("HTTPS 1 . port=53 alpn=h2,h3", "0001 00 0001 0006 026832026833 0003 0002 0035"),
        ('HTTPS 1 . alpn="h2" key65400="a b\\210"', "0001 00 0001 0003 026832 ff78 0004 612062d2"),
        ("SVCB 1 . mandatory=port,alpn", "0001 00 0000 0004 00010003"),
        ("SVCB 1 . alpn= port=1", "0001 00 0001 0000 0003 0002 0001"),
        ("SVCB 1 . alpn=f\\\\\\\\oo\\\\,bar,h2", "0001 00 0001 000c 08665c6f6f2c626172 026832"),
        ("SVCB 1 . ipv4hint=192.0.2.1,192.0.2.2", "0001 00 0004 0008 c0000201c0000202"),
        ("SVCB 1 . ipv6hint=::1", "0001 00 0006 0010 00000000000000000000000000000001"),
        ("SVCB 1 . ech=AQID", "0001 00 0005 0003 010203"),
        ("SVCB 1 . dohpath=/dns-query{?dns} ohttp", "0001 00 0007 0010 2f646e732d71756572797b3f646e737d 0008 0000"),
    ],
)
def test_rdata_is_taken_as_it_stands(text: str, hexadecimal: str) -> None:
    assert [rdata.hex() for _, rdata in read(f"a 60 {text}")] == [bytes.fromhex(hexadecimal).hex()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("TLSA 3 1", 'bad TLSA MatchingType: "\\n" at line: 1:13'),
        ("TLSA 3 1 1 xyz", 'bad TLSA Certificate: "\\n" at line: 1:19'),
        ("SVCB x .", 'bad SVCB priority: "x" at line: 1:12'),
        ("SVCB 1 a..b", 'bad SVCB Target: "a..b" at line: 1:16'),
        ("SVCB 1 . foo=1", 'bad SVCB key: "foo=1" at line: 1:19'),
        ("SVCB 1 . =1", 'bad SVCB key: "=1" at line: 1:16'),
        ("SVCB 1 . key1=h2", 'bad SVCB key: "key1=h2" at line: 1:21'),
        ("SVCB 1 . port=65536", ': "port=65536" at line: 1:24'),
        ("SVCB 1 . ipv6hint=::ffff:192.0.2.1", ': "ipv6hint=::ffff:192.0.2.1" at line: 1:39'),
        ('SVCB 1 . alpn="a"b', 'bad SVCB value quotation: "b" at line: 1:23'),
        ('A "192.0.2.1"', 'bad A A: "192.0.2.1" at line: 1:18'),
        ('TXT "a', 'bad TXT Txt: " " at line: 1:9'),
        ('TXT "a"\nb 60 TXT "b\nc 60 A 192.0.2.1', 'bad TXT Txt: " " at line: 2:9'),
        ('HINFO a "b', 'bad HINFO Fields: " " at line: 1:11'),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_reference_s_words(text: str, wanted: str) -> None:
    with pytest.raises(ZoneTextError) as caught:
        read(f"a 60 {text}")
    assert str(caught.value) == f"db: dns: {wanted}"


def test_a_first_record_without_an_owner_is_the_origin_s() -> None:
    assert read(" 60 A 192.0.2.1\n 60 A 192.0.2.2") == [(b"\1o\0", b"\xc0\0\2\1"), (b"\1o\0", b"\xc0\0\2\2")]
