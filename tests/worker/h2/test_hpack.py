"""HPACK against the library hpack, the appendix of RFC 7541, and octets that mean harm."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.worker.h2 import hpack as ours
from shardns.worker.h2 import huffman
from shardns.worker.h2.hpack import Decoder, HpackError, TooLong, encode

TEXT = st.binary(max_size=300)
FIELDS = st.lists(
    st.tuples(st.one_of(st.sampled_from([name for name, _ in ours.STATIC[1:]]), TEXT.filter(bool)), TEXT), max_size=20
)


@settings(deadline=None, max_examples=50)
@given(st.lists(FIELDS, min_size=1, max_size=5), st.booleans(), st.sampled_from([0, 100, 4096]))
def test_blocks_of_the_library_are_read(sections: list[list[tuple[bytes, bytes]]], code: bool, table: int) -> None:
    encoder, decoder = hpack.Encoder(), Decoder(1 << 20)
    encoder.header_table_size = table
    for fields in sections:
        assert decoder.decode(encoder.encode(fields, huffman=code)) == fields


@settings(deadline=None, max_examples=50)
@given(FIELDS)
def test_our_blocks_are_read_by_the_library(fields: list[tuple[bytes, bytes]]) -> None:
    assert [tuple(field) for field in hpack.Decoder().decode(encode(fields), raw=True)] == fields


def test_the_example_of_the_rfc_with_a_table_that_evicts() -> None:
    # RFC 7541 C.6: responses with a table of 256 octets
    blocks = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708"
        "7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ]
    decoder = Decoder(1 << 16)
    decoder.decode(b"\x3f\xe1\x01")
    read = [dict(decoder.decode(bytes.fromhex(block))) for block in blocks]
    assert [fields[b":status"] for fields in read] == [b"302", b"307", b"200"]
    assert read[2][b"set-cookie"] == b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    assert decoder._size == 215


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("80", id="index 0"),
        pytest.param("be", id="an entry that is not there"),
        pytest.param("ff80808080808001", id="a number without end"),
        pytest.param("ff", id="a number cut off"),
        pytest.param("00", id="no name"),
        pytest.param("0001", id="a name cut off"),
        pytest.param("000161", id="no value"),
        pytest.param("00016105ff", id="a value cut off"),
        pytest.param("00810001610161", id="Huffman padded with zeros"),
        pytest.param("0081ff0161", id="eight bits of padding"),
        pytest.param("0084ffffffff0161", id="the end-of-string symbol"),
        pytest.param("3fe21f", id="a table of 4097 octets"),
        pytest.param("8220", id="a table size behind a field"),
    ],
)
def test_what_is_no_block_is_refused(block: str) -> None:
    with pytest.raises(HpackError):
        Decoder(1 << 16).decode(bytes.fromhex(block))


def test_a_bomb_goes_off_at_the_limit() -> None:
    decoder = Decoder(1 << 17)
    decoder.decode(b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000)
    with pytest.raises(TooLong):
        decoder.decode(b"\xbe" * 100_000)


def test_the_table_never_holds_more_than_its_size() -> None:
    decoder = Decoder(1 << 20)
    for _ in range(1000):
        decoder.decode(b"\x40\x01x\x7f\x00" + b"y" * 127)
    assert decoder._size <= ours.TABLE_BYTES
    assert len(decoder._table) == ours.TABLE_BYTES // (32 + 1 + 127)
    decoder.decode(b"\x20")
    assert (decoder._size, decoder._table) == (0, [])


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_fields_or_refused(block: bytes) -> None:
    try:
        Decoder(1 << 16).decode(block)
    except HpackError:
        pass


@settings(deadline=None)
@given(TEXT)
def test_huffman_strings_of_the_library_are_read(text: bytes) -> None:
    coder = hpack.huffman.HuffmanEncoder(
        hpack.huffman_constants.REQUEST_CODES, hpack.huffman_constants.REQUEST_CODES_LENGTH
    )
    assert huffman.decode(coder.encode(text)) == huffman._decode(coder.encode(text)) == text


@settings(deadline=None)
@given(TEXT)
def test_any_octets_are_a_huffman_string_or_refused(octets: bytes) -> None:
    try:
        text = huffman._decode(octets)
    except huffman.HuffmanError:
        with pytest.raises(huffman.HuffmanError):
            huffman.decode(octets)
    else:
        assert huffman.decode(octets) == text


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MAX_REMEMBERED", 10)
    monkeypatch.setattr(ours, "_remembered", {})
    monkeypatch.setattr(ours, "QUICK", False)
    coder, decoder = hpack.Encoder(), Decoder(1 << 16)
    for n in range(50):
        path = b"/dns-query?dns=%d" % n
        assert decoder.decode(coder.encode([(b":path", path)])) == [(b":path", path)]
    assert 0 < len(ours._remembered) <= 10
