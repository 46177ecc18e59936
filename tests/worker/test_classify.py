"""Kinds of replies and their least TTL."""

from typing import Any

import pytest

from shardns.worker.address import to_sockaddr
from shardns.worker.classify import CLASS, Kind, classify, minimal_ttl, signature_valid
from shardns.worker.query import Query, Request
from shardns.worker.reply import DROP, Reply
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.records import EMPTY, RRset, Section

NAME = b"\1a\7example\0"
LISTENER: Any = None


def query(qtype: int = 1) -> Query:
    return Query(Request(LISTENER, to_sockaddr("192.0.2.1", 5353), 1, "udp", 0.0, 27), 1, 0x100, NAME, NAME, qtype, 1)


def records(rtype: int, ttl: int = 60, rdata: bytes = b"\0") -> Section:
    return Section((RRset(NAME, rtype, ttl, (rdata,)),))


A, SOA, NS, RRSIG = records(1), records(6), records(2), records(46, 60, bytes(8) + b"\0\0\0\2" + b"\0\0\0\1" + bytes(4))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(0, answer=A), "NOERROR"),
        (Reply(0), "NOERROR"),
        (Reply(3, answer=A), "OTHERERROR"),
        (Reply(3), "NXDOMAIN"),
        (Reply(3, authority=SOA), "NXDOMAIN"),
        (Reply(0, authority=SOA), "NODATA"),
        (Reply(0, authority=NS), "DELEGATION"),
        (Reply(0, authority=Section((*NS, *SOA))), "NODATA"),
        (Reply(0, answer=A, authority=SOA), "NOERROR"),
        (Reply(2), "SERVERERROR"),
        (Reply(2, answer=A), "SERVERERROR"),
        (Reply(4), "SERVERERROR"),
        (Reply(5), "OTHERERROR"),
        (Reply(1), "OTHERERROR"),
        (Reply(0, opcode=5), "UPDATE"),
        (Reply(0, opcode=4), "META"),
        (Reply(0, answer=RRSIG), "NOERROR"),
        (Reply(0, answer=RRSIG, edns=Edns(flags=DO)), "OTHERERROR"),
        (DROP, "OTHERERROR"),
        (None, "OTHERERROR"),
    ],
)
def test_the_first_rule_that_fits_decides(reply: Reply, kind: str) -> None:
    assert classify(query(), reply, now=100.0) is Kind(kind)


def test_transfers_are_meta() -> None:
    assert classify(query(252), Reply(0, answer=A)) is Kind.META
    assert CLASS[Kind.META] == "error"


def test_signature_times_are_serial_numbers() -> None:
    rdata = bytes(8) + (50).to_bytes(4, "big") + (2**32 - 50).to_bytes(4, "big")
    assert signature_valid(rdata, 2**32)
    assert not signature_valid(rdata, 2**32 + 51)
    assert not signature_valid(rdata, 2**32 - 51)


@pytest.mark.parametrize(
    ("reply", "kind", "ttl"),
    [
        (Reply(0, answer=records(1, 300), additional=records(1, 20)), Kind.NOERROR, 20),
        (Reply(0, answer=records(1, 300), additional=records(41, 0)), Kind.NOERROR, 300),
        (Reply(0, answer=records(1, 86400)), Kind.NOERROR, 3600),
        (Reply(0), Kind.NOERROR, 5),
        (Reply(0, authority=records(2, 300)), Kind.DELEGATION, 5),
        (Reply(3, authority=records(6, 300)), Kind.NXDOMAIN, 300),
        (Reply(2, authority=EMPTY), Kind.SERVERERROR, 5),
    ],
)
def test_the_least_ttl_of_all_sections_counts(reply: Reply, kind: Kind, ttl: int) -> None:
    assert minimal_ttl(reply, kind) == ttl
