"""TLS streams to one upstream (RFC 7858): as over TCP, behind a handshake that resumes the session of the last one.

1. A stream counts as dialled when its handshake is done, so the time-out of a dial is for both.
2. Sessions belong to one upstream. One is kept once an answer came under it: TLS 1.3 sends tickets after the handshake
   (RFC 8446 §4.6.1). A handshake that fails forgets it.
"""

from __future__ import annotations

import socket
import ssl
from typing import cast

from .asker import Asker
from .dials import DialTime
from .engine import Engine
from .handshake import OUT_OF_TIME, Handshake, Trust, reason
from .pool import Terms
from .stream import TcpStream
from .tcp import TcpLine

MAX_OPEN = 128  # a worker and upstream: OpenSSL keeps some 50 KiB for each


class TlsLine(TcpLine):
    """All TLS streams to one upstream."""

    proto = "tcp-tls"
    most = MAX_OPEN

    def __init__(
        self, engine: Engine, host: str, port: int, remote: str, terms: Terms, dials: DialTime, trust: Trust
    ) -> None:
        super().__init__(engine, host, port, remote, terms, dials)
        self.trust = trust
        self.session: ssl.SSLSession | None = None

    def stream(self, sock: socket.socket, now: float) -> TcpStream:
        """Wrap a socket that is being connected."""
        return TlsStream(self, sock, now)


class TlsStream(TcpStream):
    """One TLS stream."""

    __slots__ = ("_kept", "_shaking", "_tls")

    def __init__(self, line: TlsLine, sock: socket.socket, now: float) -> None:
        super().__init__(line, sock, now)
        self._tls = line
        self._kept = False
        self._shaking = False

    def expire(self, asker: Asker) -> None:
        """Give up, whatever was being waited for."""
        if self._shaking:
            self._unshaken(OUT_OF_TIME)
        else:
            super().expire(asker)

    def _established(self) -> None:
        line = self._tls
        self._shaking = True
        try:
            shake = Handshake(self._engine, self._sock, line.trust, line.session, self._shaken, self._unshaken)
        except (OSError, ValueError) as error:  # gone already, or a name that no certificate can have
            self._unshaken(reason(error))
            return
        self._sock = shake.sock
        shake.go_on()

    def _shaken(self) -> None:
        self._shaking = False
        super()._established()

    def _unshaken(self, text: str) -> None:
        self._shaking = False
        self._tls.session = None
        self._undialled(text)

    def _answered(self) -> None:
        if not self._kept:
            self._kept = True
            self._tls.session = cast(ssl.SSLSocket, self._sock).session
        super()._answered()

    def _failed(self, action: str, error: OSError) -> None:
        if isinstance(error, ssl.SSLError):
            self._end(reason(error, self._sock))
        else:
            super()._failed(action, error)
