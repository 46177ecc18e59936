"""Writing answers: EDNS, sizes, compression; dnspython reads what we wrote."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.wire.codes import MX, NS, SOA, SRV, TXT, A, Rcode
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.fit import cut
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, section
from shardns.worker.wire.write import write

from ..fakes import query


def _message(asked: Query, reply: Reply) -> dns.message.Message:
    return dns.message.from_wire(b"\x12\x34" + write(asked, reply), one_rr_per_rrset=True)


def _addresses(count: int, owner: str = "many.big.test.") -> RRset:
    return RRset(from_text(owner), A, 300, tuple(bytes((192, 0, i >> 8, i & 255)) for i in range(count)))


def test_an_answer_without_opt_has_none() -> None:
    asked = query("www.test.")
    seen = _message(asked, asked.reply(answer=section([_addresses(1, "www.test.")]), aa=True))
    assert (seen.id, seen.edns, len(seen.answer)) == (0x1234, -1, 1)
    assert seen.flags & dns.flags.AA
    assert seen.flags & dns.flags.RD


def test_the_clients_opt_comes_back_with_its_cookie_and_without_its_subnet() -> None:
    opt = Edns(4096, flags=DO | 0x4000 | 0x1, options=((10, b"12345678"), (8, b"\0\1\x18\0\xc0\0\2")))
    asked = query("www.test.", opt=opt)
    seen = _message(asked, asked.reply())
    assert (seen.edns, seen.payload, seen.ednsflags & 0xFFFF) == (0, 4096, 0xC000)
    assert [int(o.otype) for o in seen.options] == [10]


def test_a_keepalive_of_zero_comes_back_empty_and_an_expire_with_its_four_octets() -> None:
    sent = Edns(options=((11, b"\0\0"), (9, b"\1\2\3\4\5"), (11, b"\0\1")))
    asked = query("www.test.", opt=sent)
    back = _message(asked, asked.reply())
    assert [(int(o.otype), o.to_wire()) for o in back.options] == [(11, b""), (9, b"\1\2\3\4"), (11, b"\0\1")]


def test_an_extended_rcode_takes_an_opt() -> None:
    with pytest.raises(ServFail):
        write(query("www.test."), query("www.test.").reply(rcode=Rcode.BADCOOKIE))
    asked = query("www.test.", opt=Edns(700))
    assert _message(asked, asked.reply(rcode=Rcode.BADCOOKIE)).rcode() == dns.rcode.BADCOOKIE
    bare = query("www.test.")
    assert _message(bare, bare.reply(rcode=Rcode.BADCOOKIE, edns=Edns(4096))).rcode() == dns.rcode.BADCOOKIE


def test_an_opt_of_the_reply_says_no_other_rcode_than_the_reply() -> None:
    asked = query("www.test.")
    assert (
        _message(asked, asked.reply(rcode=Rcode.NXDOMAIN, edns=Edns(4096, rcode_high=1))).rcode() == dns.rcode.NXDOMAIN
    )


def test_an_opt_that_comes_with_rcode_16_is_brought_in_line_with_the_query() -> None:
    asked = query("www.test.", opt=Edns(700))
    assert _message(asked, asked.reply(rcode=Rcode.BADVERS, edns=Edns(4096))).payload == 700


def test_an_opt_of_the_reply_is_brought_in_line_with_the_query() -> None:
    asked = query("www.test.", opt=Edns(700))
    seen = _message(asked, asked.reply(edns=Edns(4096, flags=DO, options=((15, b"\0\x15hi"),))))
    assert (seen.payload, bool(seen.ednsflags & DO), len(seen.options)) == (700, True, 1)


def test_an_opt_of_the_reply_stays_where_the_client_sent_none() -> None:
    asked = query("www.test.")
    assert _message(asked, asked.reply(edns=Edns(4096))).payload == 4096


def test_badvers_is_spread_over_header_and_opt() -> None:
    asked = query("www.test.", opt=Edns(1232, version=1))
    seen = _message(asked, asked.reply(Rcode.BADVERS, edns=Edns(0)))
    assert seen.rcode() == 16


@pytest.mark.parametrize(
    ("opt", "via", "kept", "truncated"),
    [
        pytest.param(None, "udp", 30, True, id="512 by default"),
        pytest.param(Edns(100), "udp", 29, True, id="never below 512"),
        pytest.param(Edns(1232), "udp", 45, False, id="fits"),
        pytest.param(None, "tcp", 45, False, id="streams take all"),
    ],
)
def test_what_does_not_fit_is_cut_with_tc(opt: Edns | None, via: str, kept: int, truncated: bool) -> None:
    asked = query("many.big.test.", opt=opt, via=via)
    reply = asked.reply(answer=section([_addresses(45)]), aa=True)
    seen = _message(asked, reply)
    assert (len(seen.answer), bool(seen.flags & dns.flags.TC)) == (kept, truncated)
    shorter = cut(asked, reply)
    assert (shorter.answer.count, shorter.tc) == (kept, truncated)


def test_what_fits_stays_uncompressed() -> None:
    asked = query("many.big.test.")
    wire = write(asked, asked.reply(answer=section([_addresses(10)])))
    assert wire.count(from_text("many.big.test.")) == 11


def test_long_udp_answers_are_compressed_beyond_1480_octets() -> None:
    asked = query("many.big.test.", opt=Edns(4096))
    wire = write(asked, asked.reply(answer=section([_addresses(60)])))
    assert wire.count(from_text("many.big.test.")) == 1
    assert len(dns.message.from_wire(b"\0\0" + wire).answer[0]) == 60


_names = (
    st.lists(st.sampled_from(["a", "bb", "www", "example", "x" * 63, "MiXed"]), max_size=4)
    .filter(lambda parts: parts.count("x" * 63) < 4)  # RFC 1035 §2.3.4
    .map(lambda parts: from_text(".".join([*parts, "test."])))
)
_rrsets = st.one_of(
    st.builds(lambda o, t: RRset(o, NS, 60, (t,)), _names, _names),
    st.builds(lambda o, t: RRset(o, MX, 60, (b"\0\5" + t,)), _names, _names),
    st.builds(lambda o, t: RRset(o, SRV, 60, (b"\0\5\0\0\0\x35" + t,)), _names, _names),
    st.builds(lambda o, m, r: RRset(o, SOA, 60, (m + r + bytes(20),)), _names, _names, _names),
    st.builds(lambda o, n: RRset(o, TXT, 60, (bytes((n,)) + b"t" * n,)), _names, st.integers(0, 255)),
)


@given(st.lists(_rrsets, max_size=30), _names)
def test_compressed_messages_read_back_as_what_was_written(records: list[RRset], name: bytes) -> None:
    asked = query("x.test.", opt=Edns(4096))
    asked = asked.ask(owner=name)
    reply = asked.reply(answer=section(records))
    seen = dns.message.from_wire(b"\0\0" + write(asked, reply), one_rr_per_rrset=True)
    wanted = [(r.owner, r.rtype, r.rdatas[0]) for r in records]
    got = [(s.name.to_wire(), int(s.rdtype), s[0].to_wire()) for s in seen.answer]
    if seen.flags & dns.flags.TC:
        wanted = wanted[: len(got)]
    assert got == wanted
