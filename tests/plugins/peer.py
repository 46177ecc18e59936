"""An upstream on loopback that does what a test tells it to: a function from a query to the messages sent back."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import ParamSpec, Self

P = ParamSpec("P")
Script = Callable[[bytes, str], Sequence[bytes] | None]  # (query, "udp"/"tcp"); None on a stream closes it


def answer(
    wire: bytes, rcode: int = 0, *, flags: int = 0x8080, address: bytes = b"\xc0\0\2\1", extra: bytes = b""
) -> bytes:
    """Answer any question with one A record."""
    end = wire.index(b"\0", 12) + 5
    word = int.from_bytes(wire[2:4], "big") | flags | rcode
    count = 0 if rcode else 1
    record = b"" if rcode else b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + address
    return wire[:2] + word.to_bytes(2, "big") + b"\0\1" + bytes((0, count)) + bytes(4) + wire[12:end] + record + extra


class Peer(asyncio.DatagramProtocol):
    """UDP and TCP (TLS with a context) on one port. `seen` are (transport, message), `ports` the client's UDP ports."""

    def __init__(
        self,
        script: Script = lambda wire, via: [answer(wire)],
        *,
        tcp: bool = True,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.port = port
        self.with_tcp = tcp
        self.tls = tls
        self.resumed: list[bool] = []
        self.server_names: list[str | None] = []
        if tls is not None:
            tls.sni_callback = lambda sslobj, name, context: self.server_names.append(name)
        self.seen: list[tuple[str, bytes]] = []
        self.ports: list[int] = []
        self.streams = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = None
        while True:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
            self.port = self._transport.get_extra_info("sockname")[1]
            try:
                if self.with_tcp:
                    self._server = await asyncio.start_server(self._stream, "127.0.0.1", self.port, ssl=self.tls)
            except OSError:  # the number is taken for TCP
                self._transport.close()
                self.port = 0
                continue
            return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
        for _ in range(5):  # let the server meet streams that the kernel has accepted
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
        self.hang_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        await asyncio.sleep(0)

    def close(self) -> None:
        """Leave the port."""
        self._transport.close()

    def send(self, message: bytes, port: int) -> None:
        """Send a datagram to a client's port."""
        self._transport.sendto(message, ("127.0.0.1", port))

    def hang_up(self) -> None:
        """Close all streams."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def names(self, via: str = "udp") -> list[bytes]:
        """The question sections seen."""
        return [wire[12:] for transport, wire in self.seen if transport == via]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.seen.append(("udp", data))
        self.ports.append(addr[1])
        for message in self.script(data, "udp") or ():
            self._transport.sendto(message, addr)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.streams += 1
        self._writers.append(writer)
        if self.tls is not None:
            self.resumed.append(writer.get_extra_info("ssl_object").session_reused)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                wire = await reader.readexactly(size)
                self.seen.append(("tcp", wire))
                messages = self.script(wire, "tcp")
                if messages is None:
                    break
                for message in messages:
                    writer.write(len(message).to_bytes(2, "big") + message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def awaited(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run an asynchronous test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return run
