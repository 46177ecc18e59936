"""HTTP/2 frames (RFC 9113 §4, §6): their numbers, and how they are written."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
MAX_FRAME_BYTES: Final = 16384  # what everybody takes; we neither ask for more nor send it
MAX_WINDOW: Final = (1 << 31) - 1
WINDOW: Final = 65535  # RFC 9113 §6.9.2: at first, of a connection and of each stream
MOST_STREAM: Final = (1 << 31) - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK: Final = 1
END_STREAM: Final = 1
END_HEADERS: Final = 4
PADDED: Final = 8
PRIORITIZED: Final = 32


class Setting(IntEnum):
    """RFC 9113 §6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


_HEAD: Final = struct.Struct("!HBBBL")
unpack_head: Final = _HEAD.unpack_from  # the length's upper 16 bits, its lower 8, type, flags, stream


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 255, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join([struct.pack("!HL", *item) for item in values.items()]))


def window_update(stream: int, octets: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, octets.to_bytes(4, "big"))


def rst_stream(stream: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last: int, code: int, text: str = "") -> bytes:
    """Return a GOAWAY frame: streams behind `last` are not answered."""
    return frame(GOAWAY, 0, 0, struct.pack("!LL", last, code) + text.encode())


def headers(stream: int, block: bytes, end: bool) -> bytes:
    """Return a HEADERS frame, with CONTINUATION frames where the block is longer than a frame may be."""
    flags, most = END_STREAM if end else 0, MAX_FRAME_BYTES
    if len(block) <= most:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    out = [frame(HEADERS, flags, stream, block[:most])]
    rest = range(most, len(block), most)
    out += [frame(CONTINUATION, END_HEADERS if at == rest[-1] else 0, stream, block[at : at + most]) for at in rest]
    return b"".join(out)


def answer(stream: int, block: bytes, body: bytes) -> bytes:
    """Return a whole short message: HEADERS, and DATA that ends the stream (one string: the hot path)."""
    size, length = len(block), len(body)
    head = _HEAD.pack(size >> 8, size & 255, HEADERS, END_HEADERS, stream)
    return b"".join((head, block, _HEAD.pack(length >> 8, length & 255, DATA, END_STREAM, stream), body))


def answer_with_trailers(stream: int, block: bytes, body: bytes, trailers: bytes) -> bytes:
    """Return a whole short message with trailers: HEADERS, DATA, and HEADERS that end the stream."""
    size, length, more = len(block), len(body), len(trailers)
    return b"".join((
        _HEAD.pack(size >> 8, size & 255, HEADERS, END_HEADERS, stream), block,
        _HEAD.pack(length >> 8, length & 255, DATA, 0, stream), body,
        _HEAD.pack(more >> 8, more & 255, HEADERS, END_HEADERS | END_STREAM, stream), trailers,
    ))  # fmt: skip
