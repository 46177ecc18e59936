"""A gRPC client's connection in memory: windows, cancelled calls, places, and whatever octets may come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.worker.address import Address, to_sockaddr
from shardns.worker.crowd import Crowd
from shardns.worker.ends import Ends
from shardns.worker.grpc import server as module
from shardns.worker.grpc.server import Connection
from shardns.worker.grpc.wire import framed, unpacked
from shardns.worker.h2 import frames
from shardns.worker.h2.hpack import encode
from shardns.worker.listener import Listener
from shardns.worker.query import Query, Request
from tests.worker.fakes import message

FIELDS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "dns.test"),
    (":path", "/coredns.dns.DnsService/Query"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
WIRE = message("www.example.org.")
Answer = bytes | Awaitable[bytes | None] | None


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Worker:
    """What a connection needs of its worker."""

    def __init__(self) -> None:
        self.crowd = Crowd()
        self.spawned = SimpleNamespace(model=None)
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def begin_burst(self) -> None: ...

    def end_burst(self) -> None: ...


class Both:
    """A connection and the library at its other end. `resolve` makes the answers, without their IDs."""

    def __init__(self, resolve: Callable[[Query], Answer] = lambda query: b"\x80" + bytes(9), window: int = 0) -> None:
        def handle(query: Query, wire: bytes, request: Request, memo: object) -> Answer:
            return resolve(query)

        listener = Listener(0, "grpc://:443", "grpc", "", 443)
        dispatch = SimpleNamespace(listener=listener, answer=handle)
        self.worker = Worker()
        server = SimpleNamespace(worker=self.worker, dispatch=dispatch, memos=None, reading=True)
        ends = Ends(to_sockaddr("192.0.2.1", 1), Address("192.0.2.1", 1), Address("192.0.2.2", 443))
        self.connection = Connection(cast(Any, server), ends)
        self.transport = Transport()
        self.connection.connection_made(self.transport)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        if window:
            self.client.local_settings = h2.settings.Settings(
                client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            )
        self.client.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.exchange()

    def exchange(self) -> None:
        """Carry octets both ways until there are none."""
        while sent := self.client.data_to_send():
            self.connection.data_received(sent)
            self.hear()
        self.hear()

    def hear(self) -> None:
        """Let the library read what was written."""
        data = bytes(self.transport.written)
        self.transport.written.clear()
        if data:
            self.events += self.client.receive_data(data)

    def call(self, body: bytes = framed(WIRE), end: bool = True) -> int:
        """Begin a call; returns its stream."""
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, FIELDS)
        self.client.send_data(stream, body, end_stream=end)
        self.exchange()
        return stream

    def body(self, stream: int) -> bytes:
        """Return what has come of an answer."""
        parts = [e.data for e in self.events if isinstance(e, h2.events.DataReceived) and e.stream_id == stream]
        return b"".join(parts)

    def ended(self, stream: int) -> bool:
        """Tell whether a call has ended with a status."""
        return any(isinstance(e, h2.events.TrailersReceived) and e.stream_id == stream for e in self.events)


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "limiting", lambda model, index, name: None)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_an_answer_waits_for_the_client_s_window() -> None:
    async def main() -> None:
        both = Both(lambda query: b"\x80" + bytes(199), window=50)
        stream = both.call()
        assert len(both.body(stream)) == 50 and not both.ended(stream)
        assert both.connection.deadline - time.monotonic() == pytest.approx(5.0, abs=0.5)  # the write time-out
        both.client.increment_flow_control_window(1000, stream)
        both.exchange()
        assert unpacked(both.body(stream)[5:]) == WIRE[:2] + b"\x80" + bytes(199)
        assert both.ended(stream)

    run(main)


def test_who_does_not_take_answers_is_cut_after_the_write_time_out() -> None:
    async def main() -> None:
        both = Both(lambda query: b"\x80" + bytes(199), window=50)
        both.call()
        both.connection.close()
        assert both.transport.closed

    run(main)


def test_a_cancelled_call_counts_until_its_query_is_done() -> None:
    async def main() -> None:
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        both = Both(lambda query: done)
        stream = both.call()
        both.client.reset_stream(stream)
        both.exchange()
        assert (both.connection.pending, both.connection.http.ghosts) == ({}, 1)
        await asyncio.sleep(0)
        done.set_result(b"\x80" + bytes(9))
        await asyncio.gather(*both.worker.tasks)
        assert both.connection.http.ghosts == 0 and not both.ended(stream)

    run(main)


def test_a_call_that_stalls_is_reset_alone() -> None:
    async def main() -> None:
        both = Both()
        stalled = both.call(b"\0", end=False)
        call = both.connection.calls[stalled]
        assert both.connection.deadline == call.begun + 3.0  # the read time-out
        call.begun -= 10
        both.connection.close()
        both.hear()
        assert any(isinstance(e, h2.events.StreamReset) and e.stream_id == stalled for e in both.events)
        assert both.ended(both.call()) and not both.transport.closed

    run(main)


def test_a_place_is_given_up_by_who_asks_nothing() -> None:
    async def main() -> None:
        both = Both()
        connection, now = both.connection, time.monotonic()
        assert not connection.yields(connection.server, now - 1)
        assert connection.yields(connection.server, now + 1)
        assert not connection.yields(object(), now + 1)
        stalled = both.call(b"\0", end=False)
        assert stalled and not connection.yields(connection.server, time.monotonic() + 1)

    run(main)


def test_what_is_held_for_a_client_is_counted() -> None:
    async def main() -> None:
        both = Both()
        both.call(framed(bytes(60_000))[:16_000], end=False)
        assert both.worker.crowd.bytes >= 16_000
        both.connection.connection_lost(None)
        assert both.worker.crowd.bytes == 0

    run(main)


def test_the_whole_of_a_client_s_streams_may_be_under_way() -> None:
    async def main() -> None:
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        both = Both(lambda query: done)
        streams = [both.call() for _ in range(256)]
        assert len(both.connection.pending) == 256
        assert both.worker.crowd.bytes >= 256 * module.CALL_BYTES
        done.set_result(b"\x80" + bytes(9))
        await asyncio.gather(*both.worker.tasks)
        both.hear()
        assert all(both.ended(stream) for stream in streams)

    run(main)


HEADERS = encode([(name.encode(), value.encode()) for name, value in FIELDS])
PIECES = st.one_of(
    st.builds(
        lambda kind, flags, stream, payload: frames.frame(kind, flags, stream, payload),
        st.integers(0, 10), st.integers(0, 255), st.integers(0, 12), st.binary(max_size=60),
    ),
    st.builds(lambda stream, end: frames.headers(stream * 2 + 1, HEADERS, end), st.integers(0, 20), st.booleans()),
    st.builds(
        lambda stream, data, end: frames.frame(frames.DATA, int(end), stream * 2 + 1, data),
        st.integers(0, 20), st.one_of(st.binary(max_size=80), st.just(framed(WIRE))), st.booleans(),
    ),
    st.binary(max_size=30),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25), st.integers(1, 200))
def test_any_frames_are_answered_or_end_the_connection(pieces: list[bytes], size: int) -> None:
    async def main() -> None:
        both = Both()
        data = b"".join(pieces)
        for at in range(0, len(data), size):
            both.connection.data_received(data[at : at + size])
        await asyncio.sleep(0)
        assert len(both.connection.http.streams) <= 256
        both.connection.connection_lost(None)
        await asyncio.gather(*both.worker.tasks)
        assert len(both.worker.crowd) == 0

    run(main)
