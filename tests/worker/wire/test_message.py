"""Whole messages from the wire, with dnspython as the oracle."""

from __future__ import annotations

import io
import struct

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.worker.reply import Reply
from shardns.worker.wire.codes import TC
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.layouts import Cut
from shardns.worker.wire.message import WireReply, asks, decode, truncated
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import Malformed
from shardns.worker.wire.records import Section
from shardns.worker.wire.write import write
from tests.worker.fakes import query

ZONE = """
Example.ORG. 300 IN SOA ns1.Example.org. Host.example.org. 1 2 3 4 5
example.org. 300 IN NS NS1.example.org.
www.example.org. 60 IN CNAME Web.example.org.
example.org. 60 IN MX 10 mail.Example.org.
example.org. 60 IN MX 20 mail2.example.org.
1.2.0.192.in-addr.arpa. 60 IN PTR host.example.org.
example.org. 60 IN RP a.example.org. b.Example.org.
example.org. 60 IN AFSDB 1 afs.example.org.
example.org. 60 IN RT 1 rt.example.org.
example.org. 60 IN PX 1 a.example.org. b.example.org.
example.org. 60 IN KX 1 kx.example.org.
d.example.org. 60 IN DNAME Other.example.org.
_s._tcp.example.org. 60 IN SRV 1 2 3 Srv.example.org.
example.org. 60 IN NAPTR 1 2 "u" "sip" "!a!b!" rep.example.org.
a.example.org. 60 IN RRSIG A 8 2 300 20300101000000 20200101000000 1 Example.org. AAAA
a.example.org. 60 IN NSEC b.Example.org. A RRSIG NSEC
example.org. 60 IN HTTPS 1 svc.example.org. alpn=h2
example.org. 60 IN TXT "one" "two"
example.org. 60 IN HINFO "cpu" "os"
example.org. 60 IN A 192.0.2.1
example.org. 60 IN AAAA 2001:db8::1
example.org. 60 IN CAA 0 issue "ca.example"
example.org. 60 IN TYPE65280 \\# 3 010203
"""
LINES = ZONE.strip().splitlines()


def rrset(line: str) -> dns.rrset.RRset:
    owner, ttl, _, rtype, text = line.split(" ", 4)
    return dns.rrset.from_text(owner, int(ttl), "IN", rtype, text)


def message(
    answer: list[str], additional: list[str] | None = None, *, compress: bool = True, payload: int = 0
) -> bytes:
    asked = dns.message.make_query("Example.org", "A")
    reply = dns.message.make_response(asked, recursion_available=True)
    reply.use_edns(0 if payload else False, payload=payload)
    reply.answer = [rrset(line) for line in answer]
    reply.additional = [rrset(line) for line in additional or []]
    wire = reply.to_wire(max_size=65535) if compress else _plain(reply)
    assert isinstance(wire, bytes)
    return wire


def _plain(reply: dns.message.Message) -> bytes:
    out = io.BytesIO()
    name = reply.question[0].name.to_wire()
    assert name is not None
    out.write(struct.pack("!HHHHHH", reply.id, reply.flags, 1, len(reply.answer), 0, 0) + name + b"\0\1\0\1")
    for entry in reply.answer:
        entry.to_wire(out)
    return out.getvalue()


def flat(section: Section) -> list[tuple[bytes, int, int, int, bytes]]:
    return [(s.owner, s.rtype, s.rclass, s.ttl, r) for s in section for r in s.rdatas]


def expected(wire: bytes) -> list[list[tuple[bytes, int, int, int, bytes]]]:
    parsed = dns.message.from_wire(wire, one_rr_per_rrset=True)
    return [
        [(s.name.to_wire() or b"", int(s.rdtype), int(s.rdclass), s.ttl, r.to_wire() or b"") for s in part for r in s]
        for part in (parsed.answer, parsed.authority, parsed.additional)
    ]


@pytest.mark.parametrize("line", LINES, ids=[line.split()[3] for line in LINES])
def test_each_type_is_decompressed(line: str) -> None:
    wire = message([line])
    assert flat(decode(wire).answer) == expected(wire)[0]


def test_names_keep_their_letter_case() -> None:
    reply = decode(message(["www.Example.ORG. 60 IN CNAME Web.Other.TEST."], compress=False))
    assert flat(reply.answer)[0] == (from_text("www.Example.ORG."), 5, 1, 60, from_text("Web.Other.TEST."))


def test_a_reply_has_flags_and_rcode_before_any_section_is_made() -> None:
    reply = decode(message([LINES[-4]], payload=1400))
    assert isinstance(reply, Reply)
    assert (reply.rcode, reply.opcode, reply.ra, reply.aa, reply.answers) == (0, 0, True, False, 1)
    assert reply.edns is not None and reply.edns.size == 1400 and not reply.edns.do
    assert reply.additional == ()


def test_neighbouring_records_of_one_owner_type_and_ttl_are_one_rrset() -> None:
    lines = [
        "a.test. 60 IN A 192.0.2.1", "a.test. 60 IN A 192.0.2.2", "a.test. 30 IN A 192.0.2.3",
        "b.test. 60 IN A 192.0.2.4", "a.test. 60 IN A 192.0.2.5",
    ]  # fmt: skip
    assert [len(s.rdatas) for s in decode(message(lines)).answer] == [2, 1, 1, 1]


def test_replace_gives_a_plain_reply_with_the_rest_decoded() -> None:
    reply = decode(message([LINES[-4]])).replace(flags=0x8180)
    assert not isinstance(reply, WireReply)
    assert flat(reply.answer)[0][4] == bytes((192, 0, 2, 1))


def test_the_last_opt_counts_and_its_rcode_bits_are_added() -> None:
    wire = bytearray(message([], payload=700))
    assert wire[11] == 1
    wire[11] = 2
    wire += b"\0\0\x29\x02\x00\x01\0\x80\0\0\0"
    reply = decode(bytes(wire))
    assert reply.edns is not None and reply.edns.size == 512 and reply.edns.do
    assert reply.rcode == 16
    assert reply.raw[reply.opt_start : reply.opt_end] == b"\0\0\x29\x02\x00\x01\0\x80\0\0\0"


def test_sections_may_go_to_the_client_as_they_came() -> None:
    asked = query("Example.org.", opt=Edns(1400))
    wire = message([LINES[0], LINES[3]], [LINES[-4]], payload=1232)
    for kept in (True, False):
        reply = decode(wire)
        if kept:
            reply.keep_packed(asked.end)
        out = wire[:2] + write(asked, reply)
        assert [flat(decode(out).answer), flat(decode(out).additional)] == expected(wire)[::2]
        assert (len(out) == len(wire)) is kept
        edns = decode(out).edns
        assert edns is not None and edns.size == 1400


def test_sections_are_packed_anew_for_another_question_or_an_opt_in_the_middle() -> None:
    reply = decode(message([LINES[0]]))
    reply.keep_packed(reply.question_end + 4)
    assert reply.packed is None
    wire = bytearray(message([], payload=1232))
    wire[11] = 2
    reply = decode(bytes(wire) + b"\0\0\1\0\1\0\0\0\0\0\4\1\2\3\4")
    reply.keep_packed(reply.question_end)
    assert reply.packed is None


def test_octets_behind_the_last_record_are_ignored() -> None:
    wire = message([LINES[-4]])
    assert decode(wire + b"rest").raw == wire


def test_a_message_that_ends_at_a_records_border_has_the_records_it_has() -> None:
    wire = bytearray(message([LINES[-4]]))
    wire[7] = 3
    reply = decode(bytes(wire))
    assert reply.answers == 1
    assert reply.raw[7] == 1


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_message_cut_inside_a_record_is_cut(cut: int) -> None:
    wire = message([LINES[-4], LINES[1]])
    with pytest.raises(Cut):
        decode(wire[:-cut])


@pytest.mark.parametrize(
    "owner",
    [b"\xc0\x1d", b"\xc0\x40", b"\xff\xff", b"\x40\x00", b"\x80\x00"],
    ids=["itself", "forward", "far away", "label type 1", "label type 2"],
)
def test_names_that_may_loop_or_mean_nothing_are_refused(owner: bytes) -> None:
    head = message([])
    wire = head[:7] + b"\1" + head[8:] + owner + b"\0\1\0\1\0\0\0\0\0\4\1\2\3\4" + b"\0" * 20
    with pytest.raises(Malformed):
        decode(wire)


def test_a_chain_of_pointers_is_bounded_and_names_stay_within_255_octets() -> None:
    head = message([])
    at = len(head)
    label = b"\x3f" + b"a" * 63
    rdata = label + b"\xc0\x0c"
    for _ in range(6):
        here = at + 12 + len(rdata)
        rdata += label + (0xC000 | (here - len(label) - 2)).to_bytes(2, "big")
    wire = head[:7] + b"\2" + head[8:] + b"\xc0\x0c\xff\0\0\1\0\0\0\0" + len(rdata).to_bytes(2, "big") + rdata
    last = at + 12 + len(rdata) - len(label) - 2
    wire += (0xC000 | last).to_bytes(2, "big") + b"\0\1\0\1\0\0\0\0\0\4\1\2\3\4"
    with pytest.raises(Malformed):
        decode(wire)


def test_a_question_matches_whatever_its_letter_case() -> None:
    wire = message([])
    assert asks(wire, from_text("eXample.org."), 1, 1)
    assert not asks(wire, from_text("example.org."), 28, 1)
    assert not asks(wire, from_text("example.com."), 1, 1)
    assert not asks(wire[:2] + b"\0" + wire[3:], from_text("example.org."), 1, 1)
    assert not asks(wire[:5] + b"\0" + wire[6:], from_text("example.org."), 1, 1)


def test_an_oversized_answer_leaves_its_header_and_question() -> None:
    wire = message([LINES[-4], LINES[1]])
    reply = truncated(wire[:-5])
    assert reply.flags & TC and reply.answer == () and reply.answers == 0
    assert asks(reply.raw, from_text("example.org."), 1, 1)


@given(st.lists(st.sampled_from(LINES), max_size=12), st.lists(st.sampled_from(LINES), max_size=5), st.booleans())
@settings(deadline=None)
def test_what_dnspython_writes_reads_the_same(answer: list[str], additional: list[str], compress: bool) -> None:
    wire = message(answer, [] if not compress else additional, compress=compress)
    reply = decode(wire)
    assert [flat(reply.answer), flat(reply.authority), flat(reply.additional)] == expected(wire)


@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
@settings(deadline=None, max_examples=300)
def test_damaged_messages_are_malformed_or_sound(lines: list[str], hits: list[tuple[int, int]], cut: int) -> None:
    wire = bytearray(message(lines, lines[:2], payload=1232))
    for at, value in hits:
        wire[at % len(wire)] = value
    data = bytes(wire[: max(0, len(wire) - cut)])
    try:
        reply = decode(data)
    except Malformed:
        return
    for section in (reply.answer, reply.authority, reply.additional):
        assert all(len(s.owner) <= 255 for s in section)
    assert decode(reply.raw).answer == reply.answer
    _ = reply.edns


@given(st.binary(max_size=600))
def test_any_octets_are_malformed_or_sound(data: bytes) -> None:
    for wire in (data, data[:4] + b"\0\1\0\1\0\0\0\1" + data[12:]):
        try:
            decode(wire)
        except Malformed:
            continue
