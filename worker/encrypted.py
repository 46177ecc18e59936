"""A TLS connection: a protocol towards the socket, a transport towards what is spoken inside (RFC 8446).

1. The handshake shares the first read time-out: whoever is inside counts its own time from the moment of acceptance.
2. Until it is over the connection is a guest of the crowd itself; then what is inside is.
3. Nothing is kept here: records that have come are handed on at once, what is written is encrypted and sent at once.
4. Closing says so first (close_notify), so that a client can tell an end from an attack (RFC 8446 §6.1).
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .places import IDLE_S, SILENT_S, Tenant

if TYPE_CHECKING:
    from .tcp import TcpSocket

NO_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
RECORD_BYTES = 1 << 14  # RFC 8446 §5.1
HELLO_BYTES = 1 << 17  # of a handshake that waits for its turn; a chain of certificates is shorter
LINGER_S = 0.2  # how long a client that was refused may take to close its side
DRAIN_S = 1.0  # how long a handshake may go on when the listener stops


class Encrypted(asyncio.Transport, asyncio.Protocol, Tenant):
    """One client's connection. `make` returns the protocol inside; `until` bounds the handshake as well."""

    def __init__(self, server: TcpSocket, make: Callable[[], asyncio.Protocol], until: float = math.inf) -> None:
        super().__init__()
        assert server.context is not None
        self.server = server
        self.crowd, self.handshakes = server.worker.crowd, server.worker.handshakes
        self.deadline = min(time.monotonic() + server.dispatch.listener.read_s, until)
        self.since = time.monotonic()
        self.spoken = False  # the client has sent anything
        self.held = 0
        self.inside = make()
        self.shaken = False
        self.ended = False  # the client's side
        self.silent = False  # ours: what still comes is not looked at
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server.context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    # Towards the socket -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's first words."""
        assert isinstance(transport, asyncio.Transport)
        self.raw = transport
        if not self.server.reading:
            self.deadline = min(self.deadline, time.monotonic() + DRAIN_S)
        self.crowd.touch(self)
        self.handshakes.begin(self)

    def data_received(self, data: bytes) -> None:
        """Take records."""
        if self.silent:
            return
        self.spoken = True
        self.incoming.write(data)
        if self.shaken:
            self._read()
        else:
            if self.incoming.pending > HELLO_BYTES:
                self.raw.pause_reading()
            self.handshakes.advance(self)

    def eof_received(self) -> bool:
        """The client's side is closed; True keeps ours open."""
        if not self.shaken or self.ended:
            return self.ended and not self.raw.is_closing()
        self.ended = True
        return bool(self.inside.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._leave()
        if self.shaken:
            self.inside.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what was written."""
        if self.shaken:
            self.inside.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        if self.shaken:
            self.inside.resume_writing()

    # The handshake ----------------------------------------------------------------------------------------------------

    def shake(self) -> None:
        """Take the next step."""
        if self.shaken or self.silent or self.raw.is_closing():
            return
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            self.raw.resume_reading()
            return
        except ssl.SSLError as error:
            self._refuse(error.reason)
            return
        self._flush()
        self.raw.resume_reading()
        self._leave()
        self.shaken = True
        self.inside.connection_made(self)
        if self.incoming.pending and not self.raw.is_closing():
            self._read()

    def _refuse(self, reason: str) -> None:
        """Tell why, and wait a moment: a socket closed with octets unread is reset, and the reason lost."""
        self.handshakes.end(self)
        self.silent = True
        self.raw.resume_reading()
        if reason == "HTTP_REQUEST" and self.server.dispatch.listener.transport == "https":
            self.raw.write(NO_TLS)
        else:
            self._flush()
        self.deadline = time.monotonic() + LINGER_S
        try:
            self.raw.write_eof()
        except OSError:  # the client has reset it
            self.raw.abort()

    def _leave(self) -> None:
        self.handshakes.end(self)
        self.crowd.discard(self)

    def end(self, server: object) -> None:
        """The listener stops: the handshake may still come to its end."""
        if server is self.server:
            self.deadline = min(self.deadline, time.monotonic() + DRAIN_S)

    def yields(self, server: object, now: float) -> bool:
        """Tell whether its handshake may make place for another client."""
        idle_s = IDLE_S if self.spoken else SILENT_S
        return server is self.server and not self.shaken and now - self.since > idle_s

    # Records ----------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Hand on what has come. Without a look at `pending` each turn would end in an exception, at 2 µs."""
        incoming, read = self.incoming, self.tls.read
        found: list[bytes] = []
        over = False
        try:
            while incoming.pending:
                data = read(RECORD_BYTES)
                if not data:
                    over = True
                    break
                found.append(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            over = True
        except ssl.SSLError:
            self._flush()
            self.raw.abort()
            return
        self._flush()
        if found and not self.ended:
            self.inside.data_received(found[0] if len(found) == 1 else b"".join(found))
        if over and not self.ended:
            self.ended = True
            if not self.inside.eof_received():
                self.close()

    def _flush(self) -> None:
        if self.outgoing.pending:
            self.raw.write(self.outgoing.read())

    # Towards what is inside -------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self.silent or self.raw.is_closing():
            return
        at = self.tls.write(data) if data else 0  # a call takes one record
        while at < len(data):
            at += self.tls.write(memoryview(data)[at:])
        self.raw.write(self.outgoing.read())

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Encrypt each piece as records of its own, and send all at once."""
        if self.silent or self.raw.is_closing():
            return
        write = self.tls.write
        for data in list_of_data:
            at = write(data)
            while at < len(data):
                at += write(data[at:])
        self._flush()

    def can_write_eof(self) -> bool:
        """Half of a connection can be closed (RFC 8446 §6.1)."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more will come."""
        self._notify()
        self.raw.write_eof()

    def _notify(self) -> None:
        if self.silent:
            return
        self.silent = True
        try:
            self.tls.unwrap()
        except ssl.SSLError:  # the client has not said the same yet; ours is on its way
            pass
        self._flush()

    def close(self) -> None:
        """Say so and close; what was written still goes out. A handshake is cut the second time."""
        if self.shaken and not self.raw.is_closing():
            self._notify()
        elif not self.shaken and self.raw.is_closing():
            self.raw.abort()
        self.raw.close()

    def abort(self) -> None:
        """Cut it."""
        self.raw.abort()

    def is_closing(self) -> bool:
        """Tell whether it is being closed."""
        return self.raw.is_closing()

    def pause_reading(self) -> None:
        """Let the kernel keep what comes."""
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Take it again."""
        self.raw.resume_reading()

    def is_reading(self) -> bool:
        """Tell whether what comes is taken."""
        return self.raw.is_reading()

    def get_write_buffer_size(self) -> int:
        """Return the octets that the kernel has not taken yet."""
        return self.raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say when writing shall pause."""
        self.raw.set_write_buffer_limits(high, low)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return what is inside."""
        return self.inside

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Put another protocol inside."""
        assert isinstance(protocol, asyncio.Protocol)
        self.inside = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection: `ssl_object`, or what the socket's side knows."""
        return self.tls if name == "ssl_object" else self.raw.get_extra_info(name, default)
