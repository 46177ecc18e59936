"""Padding and keepalive of answers over encrypted transports; dnspython reads what was written."""

from __future__ import annotations

from typing import cast

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.listener import Listener
from shardns.worker.query import Query
from shardns.worker.wire.codes import TXT
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.private import BLOCK_BYTES
from shardns.worker.wire.read import read
from shardns.worker.wire.records import RRset, section
from shardns.worker.wire.write import write

from ..fakes import message, request

PADDED = ((12, bytes(20)),)


def asked(options: tuple[tuple[int, bytes], ...], transport: str = "tls", via: str = "tcp", size: int = 1232) -> Query:
    """A query with options over a transport that is encrypted."""
    listener = Listener(0, f"{transport}://:853", transport, "", 853)
    listener.encrypted = transport != "dns"
    listener.idle_s = 12.5
    found = read(message("www.test.", TXT, opt=Edns(size, options=options)), request(via, at=listener))
    return cast(Query, found)


def answer(query: Query, octets: int = 40, edns: Edns | None = None) -> tuple[dns.message.Message, int]:
    """Return an answer of about so many octets, and how many it has."""
    text = RRset(from_text("www.test."), TXT, 60, tuple(b"\xff" + bytes(255) for _ in range(octets // 256 + 1)))
    wire = b"\x12\x34" + write(query, query.reply(answer=section([text]), edns=edns))
    return dns.message.from_wire(wire), len(wire)


@given(st.integers(0, 62_000))
def test_an_answer_is_padded_to_whole_blocks_where_the_query_was(octets: int) -> None:
    found, size = answer(asked(PADDED), octets)
    assert size % BLOCK_BYTES == 0 or size == 65535
    assert [int(option.otype) for option in found.options] == [12]


def test_an_answer_to_a_query_that_was_not_is_not_padded() -> None:
    found, size = answer(asked(((10, b"12345678"),)))
    assert size < BLOCK_BYTES
    assert [int(option.otype) for option in found.options] == [10]


@pytest.mark.parametrize("size", [512, 600, 1232, 4096])
def test_padding_stays_within_what_a_client_of_datagrams_takes(size: int) -> None:
    for octets in (0, 200, 400, 700, 1000):
        _, found = answer(asked(PADDED, "quic", "udp", size), octets)
        assert found <= size
        assert found % BLOCK_BYTES == 0 or found > size - BLOCK_BYTES


def test_in_clear_text_the_option_comes_back_as_with_the_reference() -> None:
    found, size = answer(asked(((12, b"\1\2\3"), (11, b"")), "dns"))
    assert {int(option.otype): option.to_wire() for option in found.options} == {12: b"\1\2\3", 11: b""}
    assert size < BLOCK_BYTES


def test_the_idle_time_out_is_told_over_tls_alone() -> None:
    for sent in (b"", b"\0\1"):
        found, _ = answer(asked(((11, sent),)))
        assert [(int(option.otype), option.to_wire()) for option in found.options] == [(11, b"\0\x7d")]
    found, _ = answer(asked(((11, b""),), "https"))
    assert [(int(option.otype), option.to_wire()) for option in found.options] == [(11, b"")]


def test_options_of_the_answer_itself_stay() -> None:
    given_ = Edns(4096, options=((15, b"\0\x12"), (12, bytes(7))))
    found, size = answer(asked((*PADDED, (11, b""))), edns=given_)
    assert [int(option.otype) for option in found.options] == [15, 11, 12]
    assert size % BLOCK_BYTES == 0
