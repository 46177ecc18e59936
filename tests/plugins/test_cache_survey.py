"""The short look at a reply from the wire finds what the long one finds."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.plugins.cache.survey import _of_records, survey
from shardns.worker.reply import Reply
from shardns.worker.wire.message import decode
from tests.worker.fakes import query

RECORDS = (
    "www.test. 300 IN A 192.0.2.1", "www.test. 60 IN A 192.0.2.2", "WWW.test. 300 IN A 192.0.2.3",
    "www.test. 30 IN CNAME b.test.", "b.test. 40 IN A 192.0.2.4", "b.test. 0 IN CNAME www.test.",
    "test. 4000 IN NS ns.test.", "test. 20 IN SOA ns.test. a.test. 1 2 3 4 5", "www.test. 5 IN TXT x y",
    "www.test. 300 IN RRSIG A 8 2 300 20260101000000 20250101000000 1 test. AAAA", "www.test. 7 CH A a.test. 1",
)  # fmt: skip
sections = st.lists(st.sampled_from(RECORDS[:9]), max_size=3, unique=True)


def wire(answer: list[str], authority: list[str], additional: list[str], rcode: int, do: bool) -> bytes:
    """Return a response as an upstream sends it."""
    message = dns.message.make_response(dns.message.make_query("www.test.", "A", use_edns=do, want_dnssec=do))
    message.set_rcode(rcode)  # type: ignore[arg-type]  # a number as well
    parts = ((message.answer, answer), (message.authority, authority), (message.additional, additional))
    for section, lines in parts:
        for owner, ttl, rdclass, rtype, rdata in (line.split(None, 4) for line in lines):
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rtype, rdata))
    return message.to_wire()


@given(sections, sections, sections, st.sampled_from([0, 0, 2, 3, 5]), st.sampled_from([1, 5, 255]), st.booleans())
def test_both_ways_find_the_same(
    answer: list[str], authority: list[str], additional: list[str], rcode: int, qtype: int, do: bool
) -> None:
    reply = decode(wire(answer, authority, additional, rcode, do))
    asked = query("Www.test.", qtype)
    plain = Reply(reply.rcode, reply.flags, reply.answer, reply.authority, reply.additional, reply.edns)
    short = _of_records(asked, reply)
    assert short is None or short == survey(asked, plain, 1.8e9)


@pytest.mark.parametrize("rcode", [0, 3])
def test_the_common_answers_go_the_short_way(rcode: int) -> None:
    reply = decode(wire([] if rcode else [RECORDS[0]], [RECORDS[7]], [], rcode, True))
    assert _of_records(query("www.test."), reply) is not None


def test_signatures_are_looked_at() -> None:
    reply = decode(wire([RECORDS[0], RECORDS[9]], [], [], 0, True))
    assert _of_records(query("www.test."), reply) is None
