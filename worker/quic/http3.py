"""The library's HTTP/3 (RFC 9114), with bounds on what a client can make it keep.

1. QPACK has no dynamic table, neither way: header sections stand for themselves, a few octets cannot become many, and
   those we send can be kept.
2. A frame that has to be whole before it means something is judged by the length it says, not by what has come of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pylsqpack
from aioquic.h3.connection import (
    ErrorCode,
    FrameType,
    H3Connection,
    H3Stream,
    ProtocolError,
    Setting,
    encode_frame,
)

MAX_HEADER_BYTES = 16384
_FIELD_BYTES = 32  # RFC 9114 §4.2.2: what each field counts besides its octets
_GOAWAY = 7
Fields = tuple[tuple[bytes, bytes], ...]


class ExcessiveLoad(ProtocolError):
    """More than we want to keep."""

    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class Http3(H3Connection):
    """One connection."""

    def _init_connection(self) -> None:
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = pylsqpack.Decoder(0, 0)
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        return {
            Setting.QPACK_MAX_TABLE_CAPACITY: 0,
            Setting.QPACK_BLOCKED_STREAMS: 0,
            Setting.MAX_FIELD_SECTION_SIZE: MAX_HEADER_BYTES,
        }

    def _validate_settings(self, settings: dict[int, int]) -> None:
        super()._validate_settings(settings)
        settings[Setting.QPACK_MAX_TABLE_CAPACITY] = settings[Setting.QPACK_BLOCKED_STREAMS] = 0

    def _check_request_or_push_frame_type(self, frame_type: int, stream: H3Stream) -> None:
        super()._check_request_or_push_frame_type(frame_type, stream)
        if frame_type == FrameType.HEADERS:
            _judge_size(stream)

    def _check_control_frame_type(self, frame_type: int) -> None:
        super()._check_control_frame_type(frame_type)
        assert self._peer_control_stream_id is not None
        if frame_type in (FrameType.SETTINGS, FrameType.MAX_PUSH_ID):
            _judge_size(self._stream[self._peer_control_stream_id])

    def _decode_headers(self, stream_id: int, frame_data: bytes | None) -> Any:
        fields = super()._decode_headers(stream_id, frame_data)
        if sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields) > MAX_HEADER_BYTES:
            raise ExcessiveLoad("header section too large")
        return fields

    @property
    def done(self) -> bool:
        """Whether it has ended the connection for what the client did."""
        return self._is_done

    def kept(self) -> int:
        """Return the octets of frames that are not whole yet."""
        return sum(len(stream.buffer) for stream in self._stream.values())

    def respond(self, stream_id: int, fields: Fields, body: bytes) -> None:
        """Send a whole response; what more comes on its stream is not looked at."""
        self._quic.send_stream_data(stream_id, head(fields) + encode_frame(FrameType.DATA, body), end_stream=True)
        self.forget(stream_id)

    def go_away(self, stream_id: int) -> None:
        """Tell the client that requests from this stream on are not answered (RFC 9114 §5.2)."""
        assert self._local_control_stream_id is not None
        frame = bytes((_GOAWAY, 8)) + (stream_id | 0xC0 << 56).to_bytes(8, "big")
        self._quic.send_stream_data(self._local_control_stream_id, frame)

    def forget(self, stream_id: int) -> None:
        """Forget a stream that was reset or answered."""
        self._stream.pop(stream_id, None)


@lru_cache(4096)
def head(fields: Fields) -> bytes:
    """Return the HEADERS frame of a response. Its fields are few: a length, a time, and constants."""
    _, section = pylsqpack.Encoder().encode(0, list(fields))
    return encode_frame(FrameType.HEADERS, section)


def _judge_size(stream: H3Stream) -> None:
    if stream.frame_size is not None and stream.frame_size > MAX_HEADER_BYTES:
        raise ExcessiveLoad("frame too large")
