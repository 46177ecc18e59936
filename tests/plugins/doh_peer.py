"""An https:// upstream on loopback that does what a test tells it to. HTTP/2 is `h2`'s, HTTP/1.1 `h11`'s."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11

from tests.plugins.peer import answer


@dataclass
class Asked:
    """One request: its number from 0 on, over all connections, and on its own."""

    number: int
    on_connection: int
    method: str
    path: str
    authority: str
    message: bytes
    http: str


@dataclass(frozen=True)
class Says:
    """What the peer does with a request; without a body nothing, which is what a mute upstream does."""

    body: bytes | None = None
    status: int = 200
    reset: int | None = None  # RST_STREAM with this code
    leave: int | None = None  # GOAWAY with this last stream (negative: the one before the request's)
    raw: bytes = b""
    close: bool = False


Script = Callable[[Asked], Says]


def good(asked: Asked) -> Says:
    """Answer the question."""
    return Says(answer(asked.message))


class DohPeer:
    """HTTP behind TLS on one port; `seen` are the requests, `connections` those that stood."""

    def __init__(
        self, context: ssl.SSLContext, script: Script = good, protocols: tuple[str, ...] = ("h2",), port: int = 0
    ) -> None:
        self.script = script
        self.port = port
        self.seen: list[Asked] = []
        self.connections = 0
        self.resumed: list[bool] = []
        self.server_names: list[str | None] = []
        self.most_streams = 100
        self.window = 65535
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        context.set_alpn_protocols(list(protocols))
        context.sni_callback = lambda sslobj, name, context: self.server_names.append(name)
        self._context = context

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(20):  # let it meet what the kernel has accepted
            await asyncio.sleep(0)
        self._server.close()
        self.hang_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def write(self, octets: bytes) -> None:
        """Send octets on all connections."""
        for writer in self._writers:
            writer.write(octets)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        tls = writer.get_extra_info("ssl_object")
        self.resumed.append(tls.session_reused)
        talk = self._talk_http2 if tls.selected_alpn_protocol() == "h2" else self._talk_http1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, h2.exceptions.StreamClosedError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def _ask(self, on_connection: int, method: str, path: str, authority: str, body: bytes, http: str) -> Says:
        message = body
        if method == "GET":
            text = path.partition("?dns=")[2]
            message = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        asked = Asked(len(self.seen), on_connection, method, path.partition("?")[0], authority, message, http)
        self.seen.append(asked)
        return self.script(asked)

    async def _talk_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        codes = h2.settings.SettingCodes
        values = {codes.MAX_CONCURRENT_STREAMS: self.most_streams}
        machine.local_settings = h2.settings.Settings(client=False, initial_values=values)
        machine.initiate_connection()
        machine.update_settings({codes.INITIAL_WINDOW_SIZE: self.window})
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytearray] = {}
        count = 0
        while True:
            writer.write(machine.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in machine.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
                        bodies[event.stream_id] = bytearray()
                    case h2.events.DataReceived():
                        bodies[event.stream_id] += event.data
                        machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        head, body = heads.pop(event.stream_id), bytes(bodies.pop(event.stream_id))
                        says = self._ask(count, head[":method"], head[":path"], head[":authority"], body, "2")
                        count += 1
                        if self._say(machine, writer, event.stream_id, says):
                            return

    def _say(self, machine: h2.connection.H2Connection, writer: asyncio.StreamWriter, stream: int, says: Says) -> bool:
        if says.reset is not None:
            machine.reset_stream(stream, says.reset)
        if says.body is not None:
            head = [(":status", str(says.status)), ("content-type", "application/dns-message")]
            machine.send_headers(stream, head)
            for at in range(0, len(says.body) or 1, 16384):
                piece = says.body[at : at + 16384]
                machine.send_data(stream, piece, end_stream=at + 16384 >= len(says.body))
        octets = machine.data_to_send()
        if says.leave is not None:
            last = stream - 2 if says.leave < 0 else says.leave
            octets += b"\0\0\x08\7\0\0\0\0\0" + max(last, 0).to_bytes(4, "big") + bytes(4)
        writer.write(octets + says.raw)
        return says.close

    async def _talk_http1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        machine = h11.Connection(h11.SERVER)
        count = 0
        while True:
            head: h11.Request | None = None
            body = b""
            while True:
                event = machine.next_event()
                if event is h11.NEED_DATA:
                    machine.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return
            assert head is not None
            authority = dict(head.headers)[b"host"].decode()
            says = self._ask(count, head.method.decode(), head.target.decode(), authority, body, "1.1")
            count += 1
            if says.body is not None:
                length = [("content-length", str(len(says.body)))]
                writer.write(machine.send(h11.Response(status_code=says.status, headers=length)) or b"")
                writer.write(machine.send(h11.Data(says.body)) or b"")
                writer.write(machine.send(h11.EndOfMessage()) or b"")
            writer.write(says.raw)
            if says.close or says.body is None:
                return
            machine.start_next_cycle()
