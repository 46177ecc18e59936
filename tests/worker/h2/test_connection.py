"""HTTP/2 against the library h2, and frames that RFC 9113 forbids."""

from __future__ import annotations

import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.worker.h2 import calm, frames
from shardns.worker.h2.connection import Http2
from shardns.worker.h2.frames import Code, Setting, frame
from shardns.worker.h2.hpack import Field, encode
from shardns.worker.h2.messages import MAX_BLOCK_BYTES
from shardns.worker.h2.sending import STREAM_WINDOW

from .peers import (
    GREETING,
    OK,
    POST,
    REQUEST,
    Library,
    Notes,
    data,
    failed,
    greeted,
    read,
    request,
    resets,
    say,
    server,
)  # fmt: skip

# With the library ----------------------------------------------------------------------------------------------------


def bodies(events: list[h2.events.Event]) -> dict[int, bytes]:
    """Return what came on each stream."""
    found: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, h2.events.DataReceived):
            found[event.stream_id] = found.get(event.stream_id, b"") + event.data
    return found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=60_000), min_size=1, max_size=8), st.integers(0, 70_000), st.integers(0, 255))
def test_bodies_come_back_whatever_the_windows(sent: list[bytes], window: int, padding: int) -> None:
    http, _ = server(echo=True)
    library = Library(http)
    library.wire.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
    library.exchange()
    for number, body in enumerate(sent):
        stream = 2 * number + 1
        library.wire.send_headers(stream, POST, end_stream=False)
        for at in range(0, len(body), 10_000):
            library.wire.send_data(stream, body[at : at + 10_000], pad_length=padding)
            library.exchange()
        library.wire.end_stream(stream)
        library.exchange()
    for _ in range(200):  # give it the windows it waits for
        for event in library.exchange():
            assert not isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated)
        if not http.streams:
            break
        library.wire.increment_flow_control_window(20_000)
        for stream in http.streams:
            library.wire.increment_flow_control_window(20_000, stream)
    got = bodies(library.events)
    for number, body in enumerate(sent):
        assert got[2 * number + 1] == (body or b"/dns-query?dns=AAAA")
    assert not http.streams and not http.waiting


def test_hundreds_of_requests_leave_nothing_behind() -> None:
    http, _ = server(echo=True)
    library = Library(http)
    for n in range(300):
        path = b"/dns-query?dns=%d" % n
        library.wire.send_headers(2 * n + 1, [*REQUEST[:3], (b":path", path)], end_stream=True)
        assert bodies(library.exchange())[2 * n + 1] == path
    assert not http.streams and not http.cut and not http.closed


def test_trailers_go_behind_a_body_that_waits() -> None:
    http, notes = server()
    library = Library(http)
    library.wire.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    library.wire.send_headers(1, POST, end_stream=True)
    library.exchange()
    assert notes.ended == [1]
    http.send_headers(1, OK)
    http.send_data(1, b"x" * 25)
    http.send_headers(1, encode([(b"grpc-status", b"0")]), end=True)
    assert bodies(library.exchange()) == {1: b"x" * 10}
    library.wire.increment_flow_control_window(15, 1)
    seen = library.exchange()
    assert bodies(seen) == {1: b"x" * 15}
    trailers = next(event for event in seen if isinstance(event, h2.events.TrailersReceived))
    assert trailers.headers == [(b"grpc-status", b"0")]
    assert not http.streams


def test_trailers_of_a_request_end_it() -> None:
    http, notes = server(echo=True)
    library = Library(http)
    library.wire.send_headers(1, POST)
    library.wire.send_data(1, b"body")
    library.wire.send_headers(1, [(b"x-checksum", b"1")], end_stream=True)
    assert bodies(library.exchange()) == {1: b"body"}
    assert notes.fields[1][1] == [(b"x-checksum", b"1")]


def test_a_peer_that_shrinks_its_table_is_told_that_ours_is_empty() -> None:
    http, _ = server(echo=True)
    library = Library(http)
    library.wire.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: 0})
    library.exchange()
    for stream in (1, 3):
        library.wire.send_headers(stream, REQUEST, end_stream=True)
        assert bodies(library.exchange()) == {stream: b"/dns-query?dns=AAAA"}


def test_a_request_longer_than_a_frame() -> None:
    http, notes = server(echo=True)
    library = Library(http)
    path = b"/dns-query?dns=" + b"A" * 40_000
    library.wire.send_headers(1, [*REQUEST[:3], (b":path", path)], end_stream=True)
    library.exchange()
    assert dict(notes.fields[1][0])[b":path"] == path


def test_who_is_told_to_leave_gets_what_it_had_asked() -> None:
    http, notes = greeted(echo=True)
    http.leave()
    ping, goaway = read(b"".join(http.take()))
    assert goaway[3][:4] == (frames.MOST_STREAM).to_bytes(4, "big")
    assert [kind for kind, *_ in say(http, request(1))] == [HEADERS, DATA]  # under way when GOAWAY was
    sent = say(http, frame(frames.PING, frames.ACK, 0, ping[3]))
    assert [payload[:4] for kind, _, _, payload in sent if kind == frames.GOAWAY] == [b"\0\0\0\1"]
    assert http.departed
    assert say(http, request(3)) == []
    assert notes.ended == [1] and not http.streams


def test_the_library_takes_our_farewell() -> None:
    http, _ = server(echo=True)
    library = Library(http)
    library.wire.send_headers(1, REQUEST, end_stream=True)
    library.exchange()
    http.leave()
    seen = library.exchange()
    http.depart()
    seen += library.exchange()
    ends = [event for event in seen if isinstance(event, h2.events.ConnectionTerminated)]
    assert [(end.error_code, end.last_stream_id) for end in ends] == [(0, frames.MOST_STREAM), (0, 1)]


def test_our_client_with_the_library_as_server() -> None:
    notes = Notes()
    http = notes.http = Http2(notes, 0.0, server=False)
    library = Library(http, client=False)
    first, second = http.open(encode(REQUEST), True), http.open(encode(POST), False)
    http.send_data(second, b"q" * 100_000, True)
    seen = library.exchange()
    for event in seen:
        if isinstance(event, h2.events.DataReceived):
            assert event.flow_controlled_length is not None
            library.wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    while seen := library.exchange():
        for event in seen:
            if isinstance(event, h2.events.DataReceived):
                assert event.flow_controlled_length is not None
                library.wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    assert sum(len(body) for body in bodies(library.events).values()) == 100_000
    for stream in (first, second):
        library.wire.send_headers(stream, [(b":status", b"103")])
        library.wire.send_headers(stream, [(b":status", b"200"), (b"content-length", b"4")])
        library.wire.send_data(stream, b"body")
        library.wire.send_headers(stream, [(b"x-end", b"1")], end_stream=True)
    library.exchange()
    assert notes.ended == [1, 3]
    assert bytes(notes.bodies[1]) == bytes(notes.bodies[3]) == b"body"
    assert [len(sections) for sections in notes.fields.values()] == [3, 3]
    assert not http.streams


def test_two_of_ours() -> None:
    notes = Notes()
    client = notes.http = Http2(notes, 0.0, server=False)
    http, _ = server(echo=True)
    stream = client.open(encode(POST), False)
    client.send_data(stream, b"z" * 200_000, True)
    for _ in range(20):
        say_to = b"".join(client.take())
        http.receive(say_to)
        http.step(0.0)
        if stream in http.streams and http.streams[stream].credit < STREAM_WINDOW // 2:
            http.allow(stream, STREAM_WINDOW)
        client.receive(b"".join(http.take()))
        client.step(0.0)
        if stream in client.streams and client.streams[stream].credit < STREAM_WINDOW // 2:
            client.allow(stream, STREAM_WINDOW)
    assert len(notes.bodies[stream]) == 200_000 and notes.ended == [stream]


# Faults of the connection --------------------------------------------------------------------------------------------

HEADERS, DATA, CONTINUATION = frames.HEADERS, frames.DATA, frames.CONTINUATION
BLOCK = encode(REQUEST)
P, S, F, C = Code.PROTOCOL_ERROR, Code.STREAM_CLOSED, Code.FRAME_SIZE_ERROR, Code.FLOW_CONTROL_ERROR


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(DATA, 0, 0, b"x"), P, id="DATA on stream 0"),
        pytest.param(data(1, b"x"), P, id="DATA on an idle stream"),
        pytest.param(request(1) + data(1, b"x"), S, id="DATA on a closed stream"),
        pytest.param(request(1) + request(1), S, id="HEADERS on a closed stream"),
        pytest.param(request(5) + request(3), S, id="a stream that was passed over"),
        pytest.param(request(2), P, id="an even stream"),
        pytest.param(frame(HEADERS, 5, 0, BLOCK), P, id="HEADERS on stream 0"),
        pytest.param(frame(HEADERS, 1, 0, BLOCK), P, id="HEADERS without end on stream 0"),
        pytest.param(frame(HEADERS, 1, 1, BLOCK) + request(3), P, id="another HEADERS in a section"),
        pytest.param(frame(HEADERS, 1, 1, BLOCK) + frame(frames.PING, 0, 0, bytes(8)), P, id="PING in a section"),
        pytest.param(frame(HEADERS, 1, 1, BLOCK) + frame(99, 0, 1), P, id="an unknown frame in a section"),
        pytest.param(frame(HEADERS, 1, 1, BLOCK) + frame(CONTINUATION, 4, 3), P, id="CONTINUATION elsewhere"),
        pytest.param(frame(CONTINUATION, 4, 1, BLOCK), P, id="CONTINUATION of nothing"),
        pytest.param(request(1) + frame(CONTINUATION, 4, 1), P, id="CONTINUATION behind the end"),
        pytest.param(frame(HEADERS, 5 | 8, 1, b"\xff" + BLOCK), P, id="padding longer than the frame"),
        pytest.param(frame(HEADERS, 5 | 8, 1), F, id="no room for the padding's length"),
        pytest.param(frame(HEADERS, 5 | 32, 1, b"abcd"), F, id="no room for the priority"),
        pytest.param(request(1, POST, False) + frame(DATA, 8, 1, b"\5abcd"), P, id="DATA of padding alone"),
        pytest.param(frame(HEADERS, 5, 1, b"\x80"), Code.COMPRESSION_ERROR, id="no header block"),
        pytest.param(b"\x00\x40\x01\0\0\0\0\0\1", F, id="a frame of 16385 octets"),
        pytest.param(b"\xff\xff\xff\x63\0\0\0\0\1", F, id="a frame of 16 MiB"),
        pytest.param(frame(frames.PRIORITY, 0, 0, bytes(5)), P, id="PRIORITY on stream 0"),
        pytest.param(frame(frames.RST_STREAM, 0, 0, bytes(4)), P, id="RST_STREAM on stream 0"),
        pytest.param(frame(frames.RST_STREAM, 0, 1, bytes(4)), P, id="RST_STREAM on an idle stream"),
        pytest.param(request(1) + frame(frames.RST_STREAM, 0, 1, bytes(3)), F, id="RST_STREAM of 3 octets"),
        pytest.param(frame(frames.SETTINGS, 1, 0, bytes(6)), F, id="an acknowledgement with settings"),
        pytest.param(frame(frames.SETTINGS, 0, 1), P, id="SETTINGS on a stream"),
        pytest.param(frame(frames.SETTINGS, 0, 0, bytes(7)), F, id="SETTINGS of 7 octets"),
        pytest.param(frames.settings({Setting.ENABLE_PUSH: 2}), P, id="ENABLE_PUSH 2"),
        pytest.param(frames.settings({Setting.INITIAL_WINDOW_SIZE: 1 << 31}), C, id="a window of 2 GiB"),
        pytest.param(frames.settings({Setting.MAX_FRAME_SIZE: 16383}), P, id="frames too small"),
        pytest.param(frames.settings({Setting.MAX_FRAME_SIZE: 1 << 24}), P, id="frames too large"),
        pytest.param(frame(frames.PUSH_PROMISE, 4, 1, bytes(4) + BLOCK), P, id="PUSH_PROMISE"),
        pytest.param(frame(frames.PING, 0, 0, bytes(7)), F, id="PING of 7 octets"),
        pytest.param(frame(frames.PING, 0, 1, bytes(8)), P, id="PING on a stream"),
        pytest.param(frame(frames.GOAWAY, 0, 1, bytes(8)), P, id="GOAWAY on a stream"),
        pytest.param(frame(frames.GOAWAY, 0, 0, bytes(7)), F, id="GOAWAY of 7 octets"),
        pytest.param(frames.window_update(0, 0), P, id="WINDOW_UPDATE of nothing"),
        pytest.param(frames.window_update(1, 1), P, id="WINDOW_UPDATE on an idle stream"),
        pytest.param(frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)), F, id="WINDOW_UPDATE of 3 octets"),
        pytest.param(frames.window_update(0, frames.MAX_WINDOW), C, id="a window that runs over"),
    ],
)
def test_faults_of_the_connection_end_it(sent: bytes, code: Code) -> None:
    http, _ = greeted(echo=True)
    assert failed(say(http, sent)) == code
    assert http.closed
    assert say(http, request(7)) == []


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP/1.1"),
        pytest.param(frames.PREFACE + frame(frames.PING, 0, 0, bytes(8)), id="no settings"),
        pytest.param(frames.PREFACE + frame(frames.SETTINGS, 1, 0), id="an acknowledgement of nothing"),
        pytest.param(frames.PREFACE[:-1] + b"x", id="nearly"),
    ],
)
def test_a_wrong_greeting_ends_the_connection(greeting: bytes) -> None:
    http, _ = server()
    assert failed(say(http, greeting)) == Code.PROTOCOL_ERROR


def test_octets_one_by_one() -> None:
    http, _ = server(echo=True)
    octets = GREETING + request(1) + request(3, POST, False) + data(3, b"abc", True)
    sent = [one for octet in octets for one in say(http, bytes((octet,)))]
    assert [payload for kind, _, _, payload in sent if kind == DATA] == [b"/dns-query?dns=AAAA", b"abc"]


def test_many_frames_take_several_turns() -> None:
    http, notes = greeted(echo=True)
    http.receive(b"".join(request(2 * n + 1) for n in range(1000)))
    turns = 1
    while http.step(0.0):
        turns += 1
    assert turns == 8 and len(notes.ended) == 1000


# Faults of streams ---------------------------------------------------------------------------------------------------


def without(name: bytes) -> list[Field]:
    """Return a request that lacks a field."""
    return [field for field in REQUEST if field[0] != name]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(without(b":method"), id="no method"),
        pytest.param(without(b":scheme"), id="no scheme"),
        pytest.param(without(b":path"), id="no path"),
        pytest.param([*without(b":path"), (b":path", b"")], id="an empty path"),
        pytest.param([*REQUEST, (b":path", b"/")], id="two paths"),
        pytest.param([*REQUEST, (b":status", b"200")], id="a status"),
        pytest.param([*REQUEST, (b":protocol", b"websocket")], id="extended CONNECT"),
        pytest.param([*REQUEST[:3], (b"accept", b"x"), REQUEST[3]], id="a pseudo-header behind a field"),
        pytest.param([*REQUEST, (b"Accept", b"x")], id="capitals"),
        pytest.param([*REQUEST, (b"", b"x")], id="an empty name"),
        pytest.param([*REQUEST, (b"a b", b"x")], id="a space in a name"),
        pytest.param([*REQUEST, (b"connection", b"close")], id="Connection"),
        pytest.param([*REQUEST, (b"transfer-encoding", b"chunked")], id="Transfer-Encoding"),
        pytest.param([*REQUEST, (b"te", b"gzip")], id="TE"),
        pytest.param([*REQUEST, (b"accept", b"a\r\nb: c")], id="a line break"),
        pytest.param([*REQUEST, (b"accept", b" a")], id="a space before a value"),
        pytest.param([*REQUEST, (b"content-length", b"x")], id="no number"),
        pytest.param([*REQUEST, (b"content-length", b"1")], id="a body that is missing"),
        pytest.param([*REQUEST, (b"content-length", b"0"), (b"content-length", b"1")], id="two lengths"),
        pytest.param([(b":method", b"CONNECT")], id="CONNECT to nowhere"),
    ],
)
def test_malformed_requests_lose_their_stream_alone(fields: list[Field]) -> None:
    http, notes = greeted(echo=True)
    assert resets(say(http, request(1, fields))) == {1: Code.PROTOCOL_ERROR}
    say(http, request(3))
    assert notes.ended == [3] and not http.closed and not http.streams


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(data(1, b"abcdef"), P, id="more than the length told"),
        pytest.param(data(1, b"abcd") + data(1, b"ef"), P, id="more in two parts"),
        pytest.param(data(1, b"abc", True), P, id="less than the length told"),
        pytest.param(frame(HEADERS, 5, 1, encode([(b"x", b"y")])), P, id="trailers before the end"),
        pytest.param(data(1, b"abcde") + frame(HEADERS, 4, 1, encode([(b"x", b"y")])), P, id="trailers that go on"),
        pytest.param(data(1, b"abcde") + frame(HEADERS, 5, 1, encode(REQUEST)), P, id="trailers with a path"),
        pytest.param(frames.window_update(1, 0), P, id="WINDOW_UPDATE of nothing"),
        pytest.param(frames.window_update(1, frames.MAX_WINDOW), C, id="a window that runs over"),
        pytest.param(frame(frames.PRIORITY, 0, 1, bytes(4)), F, id="PRIORITY of 4 octets"),
    ],
)
def test_faults_of_a_stream_end_it_alone(sent: bytes, code: Code) -> None:
    http, notes = greeted(echo=True)
    say(http, request(1, [*POST, (b"content-length", b"5")], False))
    assert resets(say(http, sent)) == {1: code}
    assert notes.resets == [1] and notes.ended == []
    say(http, data(1, b"under way") + request(3))
    assert notes.ended == [3] and not http.closed


def test_a_stream_may_not_be_sent_more_than_its_window() -> None:
    http, notes = greeted()
    say(http, request(1, POST, False))
    chunk = data(1, bytes(16384))
    sent = say(http, chunk * (STREAM_WINDOW // 16384))
    assert resets(sent) == {}
    assert resets(say(http, chunk)) == {1: Code.FLOW_CONTROL_ERROR}
    assert len(notes.bodies[1]) == STREAM_WINDOW


def test_data_behind_the_end_of_a_request_resets_it() -> None:
    http, notes = greeted()
    say(http, request(1, POST, False) + data(1, b"x", True))
    assert resets(say(http, data(1, b"y"))) == {1: Code.STREAM_CLOSED}
    assert notes.resets == [1]


def test_an_answer_before_the_request_is_whole_ends_the_stream_without_error() -> None:
    http, _ = greeted()
    say(http, request(1, POST, False) + data(1, b"x"))
    http.respond(1, OK, b"no")
    assert resets(read(b"".join(http.take()))) == {1: Code.NO_ERROR}
    assert failed(say(http, data(1, b"more", True))) is None


def test_streams_beyond_the_limit_are_refused() -> None:
    http, notes = greeted(streams=10)
    sent = say(http, b"".join(request(2 * n + 1) for n in range(15)))
    assert resets(sent) == dict.fromkeys(range(21, 31, 2), Code.REFUSED_STREAM)
    assert len(notes.ended) == 10
    http.respond(1, OK, b"x")
    assert resets(say(http, request(31))) == {}


def test_what_is_worked_on_for_reset_streams_counts() -> None:
    http, _ = greeted(streams=10)
    http.ghosts = 10
    assert resets(say(http, request(1))) == {1: Code.REFUSED_STREAM}


# Floods --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(frame(frames.PING, 0, 0, bytes(8)), id="PING"),
        pytest.param(frames.settings({}), id="SETTINGS"),
        pytest.param(frame(frames.SETTINGS, 1, 0), id="acknowledgements"),
        pytest.param(frame(frames.PRIORITY, 0, 1, bytes(5)), id="PRIORITY"),
        pytest.param(frames.window_update(0, 1), id="WINDOW_UPDATE"),
        pytest.param(frame(99, 0, 0), id="unknown"),
        pytest.param(frame(frames.GOAWAY, 0, 0, bytes(8)), id="GOAWAY"),
        pytest.param(data(1), id="empty DATA"),
        pytest.param(frames.window_update(1, 1), id="WINDOW_UPDATE of a stream"),
    ],
)
def test_a_flood_ends_the_connection_and_time_forgives(flood: bytes) -> None:
    http, _ = greeted()
    say(http, request(1, POST, False))
    half = int(calm.PATIENCE // 2)
    assert failed(say(http, flood * half)) is None
    assert failed(say(http, flood * half, calm.PATIENCE / calm.REFILL_A_S)) is None
    assert failed(say(http, flood * half, calm.PATIENCE / calm.REFILL_A_S)) is None
    assert failed(say(http, flood * (half + 10), calm.PATIENCE / calm.REFILL_A_S)) == Code.ENHANCE_YOUR_CALM


def test_rapid_reset_ends_the_connection() -> None:
    http, notes = greeted()  # CVE-2023-44487: answers that take their time
    sent = b"".join(request(2 * n + 1) + frames.rst_stream(2 * n + 1, Code.CANCEL) for n in range(5000))
    assert failed(say(http, sent)) == Code.ENHANCE_YOUR_CALM
    assert len(notes.ended) < 1000


def test_requests_that_are_answered_never_wear_patience_out() -> None:
    http, notes = greeted(echo=True)
    for n in range(2_000):
        stream = 2 * n + 1
        sent = say(http, request(stream) + frame(frames.PING, 0, 0, bytes(8)) + frames.window_update(0, 40))
        assert failed(sent) is None
    assert len(notes.ended) == 2_000


def test_header_sections_without_end_are_bounded() -> None:
    http, _ = greeted()  # CVE-2024-27316 and relatives
    sent = say(http, frame(HEADERS, 1, 1, BLOCK) + frame(CONTINUATION, 0, 1) * 10_000)
    assert failed(sent) == Code.ENHANCE_YOUR_CALM
    http, notes = greeted()
    block = frame(CONTINUATION, 0, 1, b"\x00\x01x\x7f\xff\x7e" + b"y" * 16377)
    sent = say(http, frame(HEADERS, 1, 1, BLOCK) + block * (MAX_BLOCK_BYTES // 16384 + 1))
    assert failed(sent) == Code.ENHANCE_YOUR_CALM
    assert notes.long == [1]
    assert (HEADERS, 5, 1, encode([(b":status", b"431")])) in sent


def test_a_header_bomb_is_answered_and_ends_the_connection() -> None:
    http, notes = greeted()
    large = encode(REQUEST) + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000
    say(http, frame(HEADERS, 5, 1, large))
    sent = say(http, frame(HEADERS, 5, 3, encode(REQUEST) + b"\xbe" * 16000))
    assert notes.long == [3]
    assert failed(sent) == Code.ENHANCE_YOUR_CALM


def test_answers_without_window_wait_and_are_counted() -> None:
    http, _ = server()
    say(http, frames.PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    say(http, request(1) + request(3))
    http.respond(1, OK, b"x" * 100)
    http.respond(3, OK, b"y" * 100)
    assert http.waiting == 200
    assert [kind for kind, *_ in read(b"".join(http.take()))] == [HEADERS, HEADERS]
    say(http, frames.rst_stream(1, Code.CANCEL))
    assert http.waiting == 100
    sent = say(http, frames.settings({Setting.INITIAL_WINDOW_SIZE: 60}))
    assert [(kind, flags, payload) for kind, flags, _, payload in sent if kind == DATA] == [(DATA, 0, b"y" * 60)]
    say(http, frames.settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    assert http.streams[3].window == -60
    assert [one[0] for one in say(http, frames.window_update(3, 60))] == []
    sent = say(http, frames.window_update(3, 1000))
    assert [(kind, flags, payload) for kind, flags, _, payload in sent] == [(DATA, 1, b"y" * 40)]
    assert not http.streams and not http.waiting


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=40))))
def test_any_frames_are_survived(sent: list[tuple[int, int, int, bytes]]) -> None:
    http, _ = greeted(echo=True)
    for kind, flags, stream, payload in sent:
        say(http, frame(kind, flags, stream, payload))
    assert http.unread == 0 or http.block is not None


@settings(deadline=None)
@given(st.binary(max_size=500))
def test_any_octets_are_survived(octets: bytes) -> None:
    http, _ = greeted(echo=True)
    say(http, octets)
    assert http.unread <= 500
