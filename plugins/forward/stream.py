"""One stream to an upstream: dialling, writing, reading, or idle in the pool of its line."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from . import texts
from .asker import Asker

if TYPE_CHECKING:
    from .tcp import TcpLine

WRITE_TIMEOUT_S: Final = 2.0
LATER: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READ_BYTES: Final = 65537


class TcpStream:
    """One stream: dialling, writing, reading or idle. `reused` once it came out of the pool."""

    __slots__ = ("_asker", "_dialling", "_engine", "_in", "_line", "_out", "_sock", "created", "reused", "used")

    def __init__(self, line: TcpLine, sock: socket.socket, now: float) -> None:
        self._line = line
        self._engine = line.engine
        self._sock = sock
        self._asker: Asker | None = None
        self._in = bytearray()
        self._out = b""
        self._dialling = False
        self.created = self.used = now
        self.reused = False
        line.open.add(self)

    def dialled(self, asker: Asker, limit_s: float) -> None:
        """Wait until the connection stands."""
        self._asker = asker
        self._dialling = True
        asker.connection = self
        asker.bucket = self._engine.wheel.add(asker, limit_s)
        self._engine.loop.add_writer(self._sock.fileno(), self._connected)

    def ask(self, asker: Asker) -> None:
        """Send the asker's query."""
        engine = self._engine
        self._asker = asker
        self._in.clear()
        asker.connection = self
        asker.id = engine.ident()
        message = asker.message(asker.id)
        asker.bucket = engine.wheel.add(asker, asker.timeout_s)
        self._send(len(message).to_bytes(2, "big") + message)
        if self._out:
            asker.bucket.discard(asker)
            asker.bucket = engine.wheel.add(asker, WRITE_TIMEOUT_S)
            engine.loop.add_writer(self._sock.fileno(), self._writable)

    def expire(self, asker: Asker) -> None:
        """Give up, whatever was being waited for."""
        line = self._line
        if self._dialling:
            line.dials.observe(self._engine.loop.time() - self.created)
            text = texts.dial_timed_out(line.terms.source, line.remote)
        else:
            text = texts.timed_out("tcp", self._sock, line.remote, "write" if self._out else "read")
        self._end(text)

    def close(self) -> None:
        """Let the socket go."""
        if self in self._line.open:
            descriptor = self._sock.fileno()
            if descriptor >= 0:
                self._engine.loop.remove_reader(descriptor)
                self._engine.loop.remove_writer(descriptor)
            self._sock.close()
            self._line.closed(self)

    def drop(self) -> None:
        """Close without a word to whoever waits."""
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.bucket.discard(asker)
        self.close()

    def _connected(self) -> None:
        line, engine = self._line, self._engine
        engine.loop.remove_writer(self._sock.fileno())
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._undialled(line.refusal(code))
            return
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._established()

    def _established(self) -> None:
        """Use a connection that stands."""
        line, engine, asker = self._line, self._engine, self._asker
        assert asker is not None
        asker.bucket.discard(asker)
        self._dialling = False
        now = engine.loop.time()
        line.dials.observe(now - self.created)
        self.created = now
        engine.loop.add_reader(self._sock.fileno(), self._readable)
        self.ask(asker)

    def _undialled(self, text: str) -> None:
        """End a connection that did not come about."""
        self._line.dials.observe(self._engine.loop.time() - self.created)
        self._dialling = False
        self._end(text)

    def _writable(self) -> None:
        engine, asker = self._engine, self._asker
        assert asker is not None
        self._send(self._out)
        if not self._out and self._asker is asker:
            engine.loop.remove_writer(self._sock.fileno())
            asker.bucket.discard(asker)
            asker.bucket = engine.wheel.add(asker, asker.timeout_s)

    def _send(self, octets: bytes) -> None:
        """Send what the kernel takes; the rest is `_out`."""
        try:
            sent = self._sock.send(octets)
        except LATER:
            sent = 0
        except OSError as error:
            self._out = b""
            self._failed("write", error)
            return
        self._out = octets[sent:]

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except LATER:
            return
        except OSError as error:
            if self._asker is None:
                self._line.pool.lose(self)
            else:
                self._failed("read", error)
            return
        if self._asker is None:
            self._line.pool.lose(self)  # closed while idle, or an answer to nothing
        elif not data:
            self._finished()
        else:
            self._in += data
            self._take()

    def _take(self) -> None:
        """Look for the answer in what has arrived."""
        held = self._in
        while len(held) >= 2:
            end = 2 + int.from_bytes(held[:2], "big")
            if len(held) < end:
                return
            message = bytes(held[2:end])
            del held[:end]
            asker = self._asker
            assert asker is not None
            if len(message) < 12:
                self._end(texts.SHORT_READ)
                return
            if int.from_bytes(message[:2], "big") == asker.id:
                text = asker.arrived(message, stream=True)
                if text is not None:
                    self._end(text)
                else:
                    asker.bucket.discard(asker)
                    self._asker = None
                    self._answered()
                    asker.proceed()
                return

    def _answered(self) -> None:
        """Wait for the next query."""
        self._line.free(self)

    def _finished(self) -> None:
        """The upstream has closed the connection in the middle of an exchange."""
        if len(self._in) not in (0, 2):
            self._end("unexpected EOF")
        elif self.reused:
            self._outlived()
        else:
            self._end("EOF")

    def _failed(self, action: str, error: OSError) -> None:
        """A reset of a reused stream is how its closing looks when our query crossed it."""
        if self.reused and not self._in and isinstance(error, (BrokenPipeError, ConnectionResetError)):
            self._outlived()
        else:
            self._end(texts.during(action, "tcp", self._sock, self._line.remote, error))

    def _outlived(self) -> None:
        """Let the asker try another stream: this one had been closed while it was idle."""
        asker, self._asker = self._asker, None
        assert asker is not None
        asker.bucket.discard(asker)
        self.close()
        asker.closed()

    def _end(self, text: str) -> None:
        asker, self._asker = self._asker, None
        self.close()
        if asker is not None:
            asker.bucket.discard(asker)
            asker.failed(text)
