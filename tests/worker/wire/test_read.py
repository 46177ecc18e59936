"""Reading queries: what the reference answered to strange datagrams (core-raw-header, core-raw-question)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.address import to_sockaddr
from shardns.worker.listener import Listener
from shardns.worker.query import Query, Request
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.read import complaint, read

GOOD = "03777777047465737400 0010 0001"


def _read(text: str) -> Query | bytes | None:
    wire = bytes.fromhex(text.replace(" ", ""))
    listener = Listener(0, "dns://:53", "dns", "", 53)
    return read(wire, Request(listener, to_sockaddr("127.0.0.1", 5), 1, "udp", 0.0, len(wire)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"1234 2800 0001 0000 0000 0000 {GOOD}", "dns request rejected"),
        (f"1234 8100 0001 0000 0000 0000 {GOOD}", "dns request rejected"),
        ("1234 0100 0002 0000 0000 0000", "dns request rejected"),
        ("1234 0100 0001 0000 0000 0000 3f7777", "dns: buffer size too small"),
        ("1234 2800", "dns: buffer size too small"),
        ("", "dns: buffer size too small"),
    ],
)
def test_what_is_no_query_has_a_reason(text: str, reason: str) -> None:
    assert complaint(bytes.fromhex(text.replace(" ", ""))) == reason


@pytest.mark.parametrize(
    ("text", "header"),
    [
        pytest.param(f"1234 0100 0000 0000 0000 0000 {GOOD}", "81010000000000000000", id="no question counted"),
        pytest.param("1234 0100 0000 0000 0000 0000", "81010000000000000000", id="header only"),
        pytest.param(f"1234 0100 0002 0000 0000 0000 {GOOD} {GOOD}", "81010000000000000000", id="two questions"),
        pytest.param(f"1234 0100 0001 0002 0000 0000 {GOOD}", "81010000000000000000", id="two answers"),
        pytest.param(f"1234 0100 0001 0000 0002 0000 {GOOD}", "81010000000000000000", id="two authorities"),
        pytest.param(f"1234 0100 0001 0000 0000 0003 {GOOD}", "81010000000000000000", id="three additionals"),
        pytest.param(f"1234 07f0 0002 0000 0000 0000 {GOOD}", "83b10000000000000000", id="flags echoed"),
        pytest.param(f"1234 17f0 0001 0000 0000 0000 {GOOD}", "93b40000000000000000", id="STATUS"),
        pytest.param(f"1234 7900 0001 0000 0000 0000 {GOOD}", "f9040000000000000000", id="opcode 15"),
        pytest.param("1234 0100 0001 0000 0000 0000 03777777047465737400 00", "81010000000000000000", id="half a type"),
        pytest.param("1234 0100 0001 0000 0000 0000 0377777704746573 74", "81010000000000000000", id="no root label"),
        pytest.param("1234 0100 0001 0000 0000 0000 3f616263", "81010000000000000000", id="label past the end"),
        pytest.param("1234 0100 0001 0000 0000 0000 4161 0474657374 00 0010 0001", "81010000000000000000", id="0x40"),
        pytest.param("1234 0100 0001 0000 0000 0000 8161 0474657374 00 0010 0001", "81010000000000000000", id="0x80"),
        pytest.param("1234 0100 0001 0000 0000 0000 c00c 0010 0001", "81010000000000000000", id="pointer to itself"),
        pytest.param("1234 0100 0001 0000 0000 0000 c0ff 0010 0001", "81010000000000000000", id="pointer past the end"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_a_bare_header(text: str, header: str) -> None:
    found = _read(text)
    assert isinstance(found, bytes)
    assert found[2:].hex() == header
    assert found[:2].hex() == "1234"


@pytest.mark.parametrize("text", [f"1234 8100 0001 0000 0000 0000 {GOOD}", "1234 0100 0001 0000 0000 00", ""])
def test_what_is_no_query_gets_silence(text: str) -> None:
    assert _read(text) is None


@pytest.mark.parametrize(
    ("text", "name", "qtype", "qclass"),
    [
        pytest.param(f"1234 0100 0001 0000 0000 0000 {GOOD} deadbeef00", b"\3www\4test\0", 16, 1, id="trailing octets"),
        pytest.param("1234 0100 0001 0000 0000 0000 03777777047465737400 0010", b"\3www\4test\0", 16, 0, id="no class"),
        pytest.param("1234 0100 0001 0000 0000 0000 03777777047465737400", b"\3www\4test\0", 0, 0, id="name only"),
        pytest.param(
            "1234 0100 0001 0000 0000 0000 03777777 c016 0010 0001 047465737400", b"\3www\4test\0", 16, 1, id="pointer"
        ),
        pytest.param("1234 0100 0001 0000 0000 0000 c002 0010 0001", b"\1\0\0", 16, 1, id="pointer into the header"),
        pytest.param(f"1234 0100 0001 0001 0000 0000 {GOOD}", b"\3www\4test\0", 16, 1, id="answer counted, missing"),
    ],
)
def test_what_is_odd_but_readable_is_read(text: str, name: bytes, qtype: int, qclass: int) -> None:
    found = _read(text)
    assert isinstance(found, Query)
    assert (found.name, found.qtype, found.qclass) == (name, qtype, qclass)


def test_a_header_that_promises_a_question_and_holds_none_gives_a_query_without_owner() -> None:
    found = _read("1234 0110 0001 0000 0000 0000")
    assert isinstance(found, Query)
    assert found.owner == b""


def test_the_letter_case_is_kept_beside_the_folded_name() -> None:
    found = _read("1234 0100 0001 0000 0000 0000 03575757047445735400 0001 0001")
    assert isinstance(found, Query)
    assert (found.owner, found.name) == (b"\3WWW\4tEsT\0", b"\3www\4test\0")


def test_the_last_of_two_opts_counts() -> None:
    first, second = Edns(512).wire, Edns(4096, flags=DO, options=((10, b"12345678"),)).wire
    found = _read(f"1234 0100 0001 0000 0000 0002 {GOOD}" + first.hex() + second.hex())
    assert isinstance(found, Query)
    assert found.edns == Edns(4096, flags=DO, options=((10, b"12345678"),))
    assert found.do


OPT = "00 0029 04d0 0000 8000 0000"


@pytest.mark.parametrize("counts", ["0001 0000 0000", "0000 0001 0000", "0001 0000 0001"])
def test_an_opt_outside_the_additional_section_means_nothing(counts: str) -> None:
    known = _read(f"1234 0100 0001 0000 0000 0001 {GOOD} {OPT}")
    assert isinstance(known, Query)
    assert known.do
    query = _read(f"1234 0100 0001 {counts} {GOOD} {OPT}")
    assert isinstance(query, Query)
    assert query.edns is None


TSIG = "00 00fa 00ff 00000000 0000"
ADDRESS = "00 0001 0001 00000000 0004 01020304"


@pytest.mark.parametrize(
    ("records", "counts"),
    [(f"{OPT} {TSIG}", True), (f"{TSIG} {OPT}", False), (f"{ADDRESS} {TSIG}", True), (f"{TSIG} {ADDRESS}", False)],
)
def test_a_signature_counts_where_it_is_the_last_record(records: str, counts: bool) -> None:
    query = _read(f"1234 0100 0001 0000 0000 0002 {GOOD} {records}")
    assert isinstance(query, Query)
    assert bool(query.request.tsig_at) is counts


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param(f"0000 {GOOD}", 26, id="no more"),
        pytest.param(f"0000 {GOOD} deadbeef", 26, id="octets behind the question"),
        pytest.param(f"0001 {GOOD} {OPT}", 37, id="OPT"),
        pytest.param(f"0001 {GOOD} {OPT} deadbeef", 37, id="octets behind the OPT"),
        pytest.param("0000 03777777 c016 0010 0001 047465737400", 26, id="a pointer"),
        pytest.param("0000 03777777047465737400", 26, id="name only"),
    ],
)
def test_a_query_is_as_long_as_what_was_read_of_it(text: str, size: int) -> None:
    query = _read(f"1234 0100 0001 0000 0000 {text}")
    assert isinstance(query, Query)
    assert query.request.size_bytes == size


@pytest.mark.parametrize(
    ("record", "fine"),
    [
        pytest.param("0002 0001 00000000 0003 056162", False, id="NS past its end"),
        pytest.param("0002 0001 00000000 0002 c00c", True, id="NS, compressed"),
        pytest.param("0002 0001 00000000 0003 c00c00", False, id="NS and more"),
        pytest.param("000f 0001 00000000 0001 00", False, id="half an MX"),
        pytest.param("000f 0001 00000000 0002 0000", True, id="MX that ends between its fields"),
        pytest.param("0010 0001 00000000 0003 096162", False, id="TXT past its end"),
        pytest.param("0006 0001 00000000 0003 000000", False, id="half a serial"),
        pytest.param("0001 0001 00000000 0005 0102030405", False, id="A of five octets"),
        pytest.param("0001 0001 00000000 0000", True, id="A without rdata"),
        pytest.param("fff0 0001 00000000 0002 0102", True, id="unknown type"),
    ],
)
def test_rdata_must_be_what_its_type_says(record: str, fine: bool) -> None:
    found = _read(f"1234 0100 0001 0001 0000 0000 {GOOD} 00 {record}")
    assert isinstance(found, Query) if fine else isinstance(found, bytes) and found[3] & 15 == 1


@pytest.mark.parametrize(
    ("option", "fine"),
    [
        pytest.param("0009 0000", True, id="EXPIRE"),
        pytest.param("0009 0003 010203", False, id="short EXPIRE"),
        pytest.param("0009 0005 0102030405", True, id="long EXPIRE"),
        pytest.param("000b 0001 00", False, id="KEEPALIVE of one octet"),
        pytest.param("0008 0004 00000000", True, id="no subnet"),
        pytest.param("0008 0004 00000100", False, id="a subnet of no family"),
        pytest.param("0008 0004 00030000", False, id="unknown family"),
        pytest.param("0008 0004 00012100", False, id="33 bits of IPv4"),
        pytest.param("0008 0009 0001180001020304ff", True, id="an address that is too long"),
        pytest.param("0008 0003 000118", False, id="half a subnet"),
    ],
)
def test_options_that_the_reference_refuses_are_refused(option: str, fine: bool) -> None:
    size = len(bytes.fromhex(option))
    found = _read(f"1234 0100 0001 0000 0000 0001 {GOOD} 00 0029 04d0 00000000 {size:04x} {option}")
    assert isinstance(found, Query) is fine


@given(st.binary(max_size=200))
def test_no_octets_make_the_reader_fail(wire: bytes) -> None:
    listener = Listener(0, "dns://:53", "dns", "", 53)
    found = read(wire, Request(listener, to_sockaddr("127.0.0.1", 5), 1, "udp", 0.0, len(wire)))
    assert found is None or isinstance(found, (bytes, Query))


@given(st.binary(max_size=120), st.integers(0, 1), st.integers(0, 1), st.integers(0, 2))
def test_no_octets_behind_a_good_header_make_it_fail(body: bytes, an: int, ns: int, ar: int) -> None:
    head = b"\x12\x34\x01\x00\0\1" + bytes((0, an, 0, ns, 0, ar))
    found = _read((head + body).hex())
    assert isinstance(found, (bytes, Query))
