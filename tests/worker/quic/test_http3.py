"""The library's HTTP/3 with our bounds, and responses whose fields are encoded once."""

from __future__ import annotations

import pytest

pytest.importorskip("aioquic")
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, Setting, encode_frame, encode_settings
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import StreamDataReceived

from shardns.worker.quic.http3 import MAX_HEADER_BYTES, Http3, head

from .pair import Pair

CONTROL = encode_uint_var(0)
FIELDS = ((b":status", b"200"), (b"content-type", b"application/dns-message"), (b"cache-control", b"max-age=60"))


class Ours:
    """Our side of a connection, and what a client of the library's makes of it."""

    def __init__(self) -> None:
        self.pair = Pair(alpn="h3")
        self.http = Http3(self.pair.server)

    def take(self, stream: int, data: bytes) -> None:
        """Let octets come on a stream."""
        self.pair.client.send_stream_data(stream, data)
        seen = len(self.pair.seen)
        self.pair.exchange()
        for event in self.pair.seen[seen:]:
            if isinstance(event, StreamDataReceived):
                self.http.handle_event(event)

    @property
    def code(self) -> int | None:
        """With what the connection was ended."""
        event = self.pair.server._close_event
        return None if event is None else event.error_code


@pytest.mark.parametrize("kind", [FrameType.SETTINGS, FrameType.MAX_PUSH_ID])
def test_a_frame_on_the_control_stream_is_judged_by_the_length_it_says(kind: FrameType) -> None:
    ours = Ours()
    if kind is not FrameType.SETTINGS:
        ours.take(2, CONTROL + encode_frame(FrameType.SETTINGS, b""))
        assert ours.code is None
        ours.take(2, encode_uint_var(kind) + encode_uint_var(1 << 40))
    else:
        ours.take(2, CONTROL + encode_uint_var(kind) + encode_uint_var(1 << 40))
    assert ours.code == ErrorCode.H3_EXCESSIVE_LOAD


@pytest.mark.parametrize(("size", "code"), [(MAX_HEADER_BYTES, None), (MAX_HEADER_BYTES + 1, 0x107)])
def test_a_header_section_is_judged_by_the_length_it_says(size: int, code: int | None) -> None:
    ours = Ours()
    ours.take(0, encode_uint_var(FrameType.HEADERS) + encode_uint_var(size))
    assert ours.code == code


def test_settings_of_clients_do_not_make_us_keep_a_table() -> None:
    ours = Ours()
    settings: dict[int, int] = {Setting.QPACK_MAX_TABLE_CAPACITY: 1 << 50, Setting.QPACK_BLOCKED_STREAMS: 1 << 50}
    ours.take(2, CONTROL + encode_frame(FrameType.SETTINGS, encode_settings(settings)))
    assert ours.code is None
    assert ours.http.received_settings is not None
    assert set(ours.http.received_settings.values()) == {0}


def test_frames_that_are_not_whole_are_counted() -> None:
    ours = Ours()
    assert ours.http.kept() == 0
    ours.take(0, encode_uint_var(FrameType.HEADERS) + encode_uint_var(5000) + bytes(1000))
    assert ours.http.kept() == 1000
    ours.http.forget(0)
    assert ours.http.kept() == 0


def test_a_response_is_read_by_a_client() -> None:
    pair = Pair(alpn="h3")
    server, client = Http3(pair.server), H3Connection(pair.client)
    for _ in range(2):
        stream = pair.client.get_next_available_stream_id()
        client.send_headers(
            stream, [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")], True
        )
        pair.exchange()
        for event in pair.seen:
            server.handle_event(event)
        pair.seen.clear()
        server.respond(stream, FIELDS, b"answer")
        pair.exchange()
        got: list[H3Event] = [one for event in pair.heard for one in client.handle_event(event)]
        pair.heard.clear()
        headers, data = got
        assert isinstance(headers, HeadersReceived) and tuple(headers.headers) == FIELDS
        assert isinstance(data, DataReceived) and (data.data, data.stream_ended) == (b"answer", True)
        assert stream not in server._stream
    assert head.cache_info().hits
