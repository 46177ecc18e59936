"""Packed sections behave as the plain sections of the same records."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.wire.codes import OPT
from shardns.worker.wire.filled import FilledReply
from shardns.worker.wire.packed import packed, template, unpack
from shardns.worker.wire.records import EMPTY, RRset, Section
from shardns.worker.wire.write import _pack

ONE = RRset(b"\1a\0", 1, 60, (b"\x7f\0\0\1", b"\x7f\0\0\2"))
TWO = RRset(b"\1B\0", 16, 60, (b"\2ab",))
BOTH = Section((ONE, TWO))
PACKED = packed(BOTH.wire, 3)

MARKS = [bytes((0xF1, number, 0x10, 0x9E)) for number in range(0x20)]

rrsets = st.builds(
    RRset,
    st.sampled_from([b"\0", b"\1a\0", b"\1A\2bc\0"]),
    st.sampled_from([1, 16, 65280]),
    st.just(0),
    st.lists(st.binary(max_size=9) | st.sampled_from(MARKS[:4]), min_size=1, max_size=3).map(tuple),
)


def test_it_is_read_like_a_plain_section() -> None:
    assert list(PACKED) == list(BOTH) and len(PACKED) == 2 and PACKED.count == 3 and bool(PACKED)
    assert PACKED[0] == ONE and PACKED[-1] == TWO and PACKED[:1] == (ONE,)
    assert TWO in PACKED and list(reversed(PACKED)) == [TWO, ONE]
    first, second = PACKED
    assert (first, second) == (ONE, TWO)
    assert repr(PACKED) == repr(tuple(BOTH))


def test_it_adds_and_compares_like_a_plain_section() -> None:
    assert PACKED + (ONE,) == (ONE, TWO, ONE)  # noqa: RUF005  adding is what is tested
    assert (TWO, *PACKED) == (TWO, ONE, TWO)
    assert (TWO,) + PACKED == (TWO, ONE, TWO)  # noqa: RUF005  adding is what is tested
    assert BOTH + PACKED == (ONE, TWO, ONE, TWO) and PACKED + PACKED == BOTH + BOTH
    assert tuple(BOTH) == PACKED and tuple(BOTH) == PACKED and packed(BOTH.wire, 3) == PACKED
    assert PACKED != (ONE,) and hash(PACKED) == hash(tuple(BOTH))
    assert Section(PACKED) == tuple(BOTH) and pickle.loads(pickle.dumps(PACKED)) == PACKED


def test_nothing_packed_is_the_empty_section() -> None:
    assert packed(b"", 0) is EMPTY and unpack(b"") == ()


def test_option_records_are_left_out() -> None:
    made = template([ONE], [], [RRset(b"\0", OPT, 7, (b"",)), TWO])
    assert made.counts == (2, 0, 1)
    assert list(FilledReply(0, 0, made, 5).additional) == [TWO.replace(ttl=5)]


@given(st.lists(rrsets, max_size=5), st.lists(rrsets, max_size=3), st.integers(0, 0xFFFFFFFF))
def test_every_record_gets_the_ttl_and_nothing_else_changes(
    answer: list[RRset], additional: list[RRset], ttl: int
) -> None:
    reply = FilledReply(0, 0x8000, template(answer, [], additional, MARKS), ttl)
    sections = (reply.answer, reply.authority, reply.additional)
    assert reply.packed == _pack(reply)
    for found, given_ in zip(sections, (answer, [], additional), strict=True):
        wanted = b"".join(rrset.replace(ttl=ttl).wire for rrset in given_)
        assert found.wire == wanted
        assert b"".join(rrset.wire for rrset in unpack(found.wire)) == wanted
        assert found.count == sum(len(rrset.rdatas) for rrset in given_)
