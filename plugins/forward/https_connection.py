"""One connection to an https:// upstream: its dial, its octets, and those who wait for answers on it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from . import texts
from .asker import Asker
from .handshake import OUT_OF_TIME, Handshake, reason
from .http import Answer, Event, Http, Lost
from .http1 import Http1
from .http2 import Http2
from .stream import LATER

if TYPE_CHECKING:
    from .https import HttpsLine

DIAL_S: Final = 5.0
MAX_EARLY: Final = 128  # queries that wait for one connection to stand
MOST_RECORDS: Final = 32  # read in a turn; many servers send two for each answer
_READ_BYTES: Final = 65536


class Deadline:
    """Calls a function when time is over."""

    __slots__ = ("expire",)

    def __init__(self, expire: Callable[[], None]) -> None:
        self.expire = expire


class HttpsConnection:
    """One connection: dialling, then speaking `http`. `early` wait for it to stand and for
    the server's settings, `asked` for their answers."""

    def __init__(self, line: HttpsLine, sock: socket.socket) -> None:
        self._line = line
        self._engine = line.engine
        self._sock = sock
        self._tls: ssl.SSLSocket
        self._http: Http | None = None
        self._early: dict[Asker, None] = {}
        self._asked: dict[int, Asker] = {}
        self._answered = False
        self._heard = True  # since the last time that somebody gave up
        self._flushing = False
        self.used = self._engine.loop.time()
        self._engine.loop.add_writer(sock.fileno(), self._connected)
        self._deadline = Deadline(lambda: self._fail(OUT_OF_TIME))
        self._bucket = self._engine.wheel.add(self._deadline, DIAL_S)

    @property
    def room(self) -> bool:
        """Whether it takes another query."""
        if self._http is None or not self._http.settled:
            return len(self._early) < MAX_EARLY and (self._http is None or not self._http.closing)
        return self._http.room

    @property
    def resting(self) -> bool:
        """Whether it stands, and nobody waits for it."""
        return self._http is not None and not self._asked and not self._early

    def ask(self, asker: Asker) -> None:
        """Send the asker's query, now or once the connection stands."""
        asker.connection = self
        http = self._http
        if http is None or (self._asked and not http.settled):
            self._early[asker] = None
            return
        asker.id = http.ask(asker.message(0))
        self._asked[asker.id] = asker
        self._flush_soon()

    def expire(self, asker: Asker) -> None:
        """Give an asker up."""
        if self._http is None or asker in self._early:
            del self._early[asker]
        else:
            del self._asked[asker.id]
            self._http.cancel(asker.id)
            if asker.until > self._engine.loop.time():
                if not self._heard:
                    self._http.closing = True  # silent from one time-out to the next: not the one to ask
                self._heard = False
            self._flush_soon()
        self._line.given_up(asker)
        self._rest()

    def close(self) -> None:
        """Let the socket go."""
        if self in self._line.open:
            self._bucket.discard(self._deadline)
            descriptor = self._sock.fileno()
            if descriptor >= 0:
                self._engine.loop.remove_reader(descriptor)
                self._engine.loop.remove_writer(descriptor)
            self._sock.close()
            self._line.closed(self)

    def drop(self) -> None:
        """Close without a word to those who wait."""
        for asker in self._leaving():
            asker.bucket.discard(asker)
        self.close()

    # Dialling -------------------------------------------------------------------------------------------------------

    def _connected(self) -> None:
        line = self._line
        self._engine.loop.remove_writer(self._sock.fileno())
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(line.refusal(code))
            return
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            shake = Handshake(self._engine, self._sock, line.trust, line.session, self._shaken, self._unshaken)
        except (OSError, ValueError) as error:
            self._unshaken(reason(error))
            return
        self._tls = self._sock = shake.sock
        shake.go_on()

    def _unshaken(self, text: str) -> None:
        self._line.session = None
        self._fail(text)

    def _shaken(self) -> None:
        self._bucket.discard(self._deadline)
        multiplexed = self._tls.selected_alpn_protocol() == "h2"
        self._line.stands(multiplexed)
        self._http = Http2(self._line.request, self._engine.loop.time) if multiplexed else Http1(self._line.request)
        self._engine.loop.add_reader(self._sock.fileno(), self._readable)
        self._flush_soon()
        self._ask_early()
        self._rest()

    def _ask_early(self) -> None:
        """Ask what has waited for the connection; what it has no room for goes elsewhere."""
        early, self._early = self._early, {}
        self._line.distribute(early)

    # Speaking -------------------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._engine.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._http is None or self not in self._line.open:
            return
        out, loop = self._http.out, self._engine.loop
        try:
            while out:
                del out[: self._sock.send(out)]
        except LATER:
            loop.add_writer(self._sock.fileno(), self._flush)
            return
        except OSError as error:
            self._fail(self._during("write", error))
            return
        loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        http = self._http
        assert http is not None
        for _ in range(MOST_RECORDS):
            try:
                data = self._sock.recv(_READ_BYTES)
            except LATER:
                break
            except OSError as error:
                self._fail(self._during("read", error))
                return
            self._heard = True
            for event in http.receive(data) if data else http.ended():
                self._take(event)
            if http.broken or self not in self._line.open:
                break
        if self._early and http.settled:
            self._ask_early()
        if http.broken:
            self._flush()  # a last word
            self._fail(http.broken)
        else:
            self._flush_soon()
            self._rest()
        self._line.relieve()

    def _take(self, event: Event) -> None:
        asker = self._asked.pop(event.key, None)
        if asker is None:
            return
        self.used = self._engine.loop.time()
        match event:
            case Answer(_, body, status):
                asker.bucket.discard(asker)
                if not self._answered:
                    self._answered = True
                    self._line.session = self._tls.session
                text = asker.arrived(body, stream=True)
                if text is None:
                    asker.proceed()
                else:
                    asker.failed(text if status in (None, 200) else f"{text} (HTTP status {status})")
            case Lost(_, text, again):
                self._lose(asker, text, again)

    def _lose(self, asker: Asker, text: str, again: bool) -> None:
        asker.bucket.discard(asker)
        if again and self._answered:
            asker.closed()
        else:
            asker.failed(self._line.during(asker, text))

    def _during(self, action: str, error: OSError) -> str:
        if isinstance(error, ssl.SSLError):
            return reason(error)
        return texts.during(action, "tcp", self._sock, self._line.remote, error)

    def _fail(self, text: str) -> None:
        """Close, and tell everybody."""
        leaving = self._leaving()
        self.close()
        for asker in leaving:
            self._lose(asker, text, again=True)

    def _leaving(self) -> list[Asker]:
        leaving = [*self._early, *self._asked.values()]
        self._early.clear()
        self._asked.clear()
        return leaving

    def _rest(self) -> None:
        """Close where there is nothing more to come and nothing more to be asked."""
        if self.resting and self._http is not None and (self._http.closing or self._line.stopped):
            self._flush()
            self.close()
