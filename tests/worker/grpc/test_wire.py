"""DNS messages in gRPC packets, statuses and timeouts as octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.grpc.calls import Call, NotGrpc, refusal
from shardns.worker.grpc.wire import (
    HEAD_BYTES,
    MAX_PACKET_BYTES,
    CallError,
    Status,
    escaped,
    framed,
    framed_parts,
    is_grpc,
    length,
    timeout_s,
    timeout_value,
    unescaped,
    unpacked,
)
from shardns.worker.h2.hpack import Field

FIELDS: list[Field] = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/coredns.dns.DnsService/Query"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]


@given(st.binary(max_size=65535))
def test_a_message_comes_out_as_it_went_in(message: bytes) -> None:
    body = framed(message)
    assert length(body) == len(body) - HEAD_BYTES
    assert unpacked(body[HEAD_BYTES:]) == message
    if len(message) > 2:
        assert framed_parts(message[:2], message[2:]) == body


def test_the_longest_message_fits_a_packet() -> None:
    assert len(framed(bytes(65535))) == HEAD_BYTES + MAX_PACKET_BYTES


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"", b""),
        (b"\x0a\0", b""),
        (b"\x0a\2ab", b"ab"),
        (b"\x0a\x82\0ab", b"ab"),  # a length in more octets than it takes
        (b"\x0a\1a\x0a\2bc", b"bc"),
        (b"\x10\x96\x01\x0a\1a", b"a"),
        (b"\x11" + bytes(8) + b"\x0a\1a\x15" + bytes(4), b"a"),
        (b"\x12\3xyz\x0a\1a", b"a"),
        (b"\x08\1", b""),  # the field's number with another type
    ],
)
def test_other_fields_are_passed_over(packet: bytes, expected: bytes) -> None:
    assert unpacked(packet) == expected


@pytest.mark.parametrize(
    "packet",
    [b"\x0a", b"\x0a\2a", b"\x0a\xff", b"\x0b", b"\x02", b"\x0a" + b"\xff" * 11, b"\x11" + bytes(7), b"\x0f", b"\x80"],
)
def test_what_is_no_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(CallError) as caught:
        unpacked(packet)
    assert caught.value.status == Status.INTERNAL


@given(st.binary(max_size=80))
def test_any_octets_are_a_packet_or_refused(packet: bytes) -> None:
    try:
        assert isinstance(unpacked(packet), bytes)
    except CallError as error:
        assert error.status == Status.INTERNAL


@given(st.text())
def test_a_status_text_comes_out_as_it_went_in(text: str) -> None:
    if text.isprintable():
        value = escaped(text)
        assert all(0x20 <= octet <= 0x7E for octet in value)
        assert unescaped(value) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1S", 1.0), (b"500m", 0.5), (b"2M", 120.0), (b"1H", 3600.0), (b"10u", 1e-5), (b"99999999n", 0.099999999)],
)
def test_a_timeout_is_read(value: bytes, seconds: float) -> None:
    assert timeout_s(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [b"", b"1", b"S", b"1s", b"-1S", b"123456789S", b"1.5S", b" 1S"])
def test_a_wrong_timeout_is_refused(value: bytes) -> None:
    with pytest.raises(CallError):
        timeout_s(value)


@given(st.floats(1e-6, 90_000))
def test_a_timeout_comes_out_as_it_went_in(seconds: float) -> None:
    assert timeout_s(timeout_value(seconds)) == pytest.approx(seconds, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"application/grpc;charset=utf-8", True),
        (b"APPLICATION/GRPC", True),
        (b"application/grpc-web", False),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_a_content_type_is_grpc_s_or_not(kind: bytes, expected: bool) -> None:
    assert is_grpc(kind) is expected


def test_an_error_reads_as_the_reference_s() -> None:
    assert str(CallError(Status.UNKNOWN, "x")) == "rpc error: code = Unknown desc = x"
    assert str(CallError(Status.DEADLINE_EXCEEDED, "x")) == "rpc error: code = DeadlineExceeded desc = x"
    assert str(CallError(Status.CANCELLED, "x")) == "rpc error: code = Canceled desc = x"
    assert str(CallError(99, "x")) == "rpc error: code = Code(99) desc = x"


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_call_takes_its_octets_however_they_are_cut(rest: list[bytes]) -> None:
    message = b"".join(rest)
    body = framed(message)
    call = Call(FIELDS, 0.0)
    at = 0
    for part in [*rest, body]:
        call.add(body[at : at + len(part)])
        at += len(part)
    call.add(body[at:])
    assert call.message() == message


def test_what_is_no_call_has_an_http_status_as_well() -> None:
    with pytest.raises(NotGrpc) as caught:
        Call([(b":method", b"GET"), *FIELDS[1:]], 0.0)
    assert refusal(caught.value)[0] == (b":status", b"405")
    with pytest.raises(CallError) as other:
        Call([*FIELDS[:2], (b":path", b"nowhere"), *FIELDS[3:]], 0.0)
    assert refusal(other.value) == [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"12"),
        (b"grpc-message", b'malformed method name: "nowhere"'),
    ]
