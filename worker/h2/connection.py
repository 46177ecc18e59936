"""One HTTP/2 connection (RFC 9113) without I/O: octets in, calls to a `User` out, frames to send in `take`.

1. All that a peer can make us keep is bounded: frames, header blocks, field lists, streams; bodies by the windows.
2. A fault of the connection is told by GOAWAY, and nothing is read behind it; a fault of a stream resets that alone.
3. At most `MAX_FRAMES` are taken a turn; `step` says that there are more.
4. What costs us and asks nothing spends the peer's patience (`calm`).
"""

from __future__ import annotations

import struct
from typing import Final

from . import frames
from .calm import A_CANCEL
from .frames import ACK, HEAD_BYTES, MAX_FRAME_BYTES, MOST_STREAM, PREFACE, WINDOW, Code, Setting, unpack_head
from .messages import CREDIT, MAX_LIST_BYTES, STREAMS, Messages, User, unpadded
from .sending import STREAM_WINDOW, Fault, Stream

MAX_FRAMES: Final = 128  # taken in a turn
_LEAVING: Final = b"leaving?"  # a PING: who answers it has seen the GOAWAY that is sent along


class Http2(Messages):
    """A connection, of a server or a client."""

    def __init__(self, user: User, now: float, *, server: bool = True, streams: int = STREAMS) -> None:
        super().__init__(user, now, server, streams)
        self.closed = False
        self.leaving = False  # the peer knows that it should go
        self._data = b""
        self._at = 0
        self._greeted = not server
        self._settled = False
        self.out.append(self._greeting())

    def _greeting(self) -> bytes:
        values = {Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW, Setting.MAX_HEADER_LIST_SIZE: MAX_LIST_BYTES}
        if self.server:
            values[Setting.MAX_CONCURRENT_STREAMS] = self.most_streams
        else:
            values[Setting.ENABLE_PUSH] = 0
        more = frames.window_update(0, CREDIT - WINDOW)
        return (b"" if self.server else PREFACE) + frames.settings(values) + more

    # Our side -------------------------------------------------------------------------------------------------------

    def open(self, block: bytes, end: bool) -> int:
        """Begin a request as a client; returns its stream."""
        self.last = stream = self.last + 2 if self.last else 1
        self.streams[stream] = Stream(self.initial)
        self.send_headers(stream, block, end)
        return stream

    def allow(self, stream: int, octets: int) -> None:
        """Let the peer send more on a stream than the window that all have."""
        known = self.streams.get(stream)
        if known is not None and known.reading:
            known.credit += octets
            self.out.append(frames.window_update(stream, octets))

    def leave(self) -> None:
        """Tell the peer to go. What it sent before it knew is still answered; then, or by `depart`, no more is."""
        if not self.leaving and not self.closed:
            self.leaving = True
            # The PING first: to some libraries (h2) nothing may come behind a GOAWAY.
            self.out += [frames.frame(frames.PING, 0, 0, _LEAVING), frames.goaway(MOST_STREAM, Code.NO_ERROR)]

    def depart(self) -> None:
        """Answer nothing behind what has come (RFC 9113 §6.8: the peer may ask that elsewhere)."""
        if not self.departed and not self.closed:
            self.leaving = self.departed = True
            self.out.append(frames.goaway(self.last, Code.NO_ERROR))

    def fail(self, code: int, text: str = "") -> None:
        """End the connection with a code."""
        if not self.closed:
            self.closed = True
            self._data, self._at = b"", 0
            self.out.append(frames.goaway(self.last, code, text))

    # The peer's side ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take octets that `step` shall read."""
        if not self.closed:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0

    @property
    def unread(self) -> int:
        """Octets that wait to be read: those of a turn to come, or of a frame that is not whole."""
        return len(self._data) - self._at + (sum(map(len, self.block)) if self.block else 0)

    def step(self, now: float) -> bool:
        """Read what has come; tells whether there is more for another turn."""
        self.now = now
        try:
            return not self.closed and self._read()
        except Fault as fault:
            self.fail(fault.code, str(fault))
            return False

    def _read(self) -> bool:
        """Read frames (the hot path: requests that are one frame)."""
        data, at = self._data, self._at
        size = len(data)
        if not self._greeted:
            if data[: len(PREFACE)] != PREFACE[:size]:
                raise Fault(Code.PROTOCOL_ERROR, "not HTTP/2")
            if size < len(PREFACE):
                return False
            self._greeted, at = True, len(PREFACE)
        for _ in range(MAX_FRAMES):
            if size - at < HEAD_BYTES:
                break
            high, low, kind, flags, stream = unpack_head(data, at)
            length = high << 8 | low
            if length > MAX_FRAME_BYTES:
                raise Fault(Code.FRAME_SIZE_ERROR, "a frame that is too long")
            end = at + HEAD_BYTES + length
            if end > size:
                break
            payload = data[at + HEAD_BYTES : end]
            self._at = at = end
            stream &= MOST_STREAM
            if not self._settled or self.block is not None:
                self._check_order(kind, flags, stream)
            if kind == frames.HEADERS:
                if flags & (frames.PADDED | frames.PRIORITIZED):
                    payload = unpadded(payload, flags)
                if flags & frames.END_HEADERS and stream:
                    self.section(stream, payload, bool(flags & frames.END_STREAM))
                else:
                    self.begin_block(stream, payload, bool(flags & frames.END_STREAM))
            elif kind == frames.DATA:
                self.body(stream, payload, flags)
            else:
                self._control(kind, flags, stream, payload)
            if self.closed:
                return False
        self._at = at
        return size - at >= HEAD_BYTES and self._is_whole()

    def _is_whole(self) -> bool:
        high, low, *_ = unpack_head(self._data, self._at)
        return bool(len(self._data) - self._at >= HEAD_BYTES + (high << 8 | low))

    def _check_order(self, kind: int, flags: int, stream: int) -> None:
        if not self._settled:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise Fault(Code.PROTOCOL_ERROR, "settings come first")
            self._settled = True
        elif kind != frames.CONTINUATION or stream != self.block_end[0]:
            raise Fault(Code.PROTOCOL_ERROR, "a frame within a header section")

    # Control --------------------------------------------------------------------------------------------------------

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Take a frame that carries no message: each costs some patience."""
        if kind == frames.CONTINUATION:
            self.continue_block(flags, payload)
            return
        self.spend(1)
        match kind:
            case frames.SETTINGS:
                self._settings(flags, stream, payload)
            case frames.PING:
                _expect(len(payload) == 8, Code.FRAME_SIZE_ERROR)
                _expect(not stream, Code.PROTOCOL_ERROR)
                if not flags & ACK:
                    self.out.append(frames.frame(frames.PING, ACK, 0, payload))
                elif self.leaving and payload == _LEAVING:
                    self.depart()
            case frames.RST_STREAM:
                _expect(len(payload) == 4, Code.FRAME_SIZE_ERROR)
                self._reset(stream)
            case frames.WINDOW_UPDATE:
                _expect(len(payload) == 4, Code.FRAME_SIZE_ERROR)
                self._widen(stream, int.from_bytes(payload, "big") & MOST_STREAM)
            case frames.GOAWAY:
                _expect(not stream, Code.PROTOCOL_ERROR)
                _expect(len(payload) >= 8, Code.FRAME_SIZE_ERROR)
                last, code = struct.unpack_from("!LL", payload)
                self.user.went(last & MOST_STREAM, code)
            case frames.PRIORITY:
                _expect(bool(stream), Code.PROTOCOL_ERROR)
                if len(payload) != 5:
                    self.refuse(stream, Code.FRAME_SIZE_ERROR)
            case frames.PUSH_PROMISE:  # clients do not push, and to us nobody may
                raise Fault(Code.PROTOCOL_ERROR, "a push")

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        _expect(not stream, Code.PROTOCOL_ERROR)
        _expect(not len(payload) % 6 and not (flags & ACK and payload), Code.FRAME_SIZE_ERROR)
        if flags & ACK:
            return
        self.spend(len(payload) // 60)
        for setting, value in struct.iter_unpack("!HL", payload):
            match setting:
                case Setting.HEADER_TABLE_SIZE:
                    self.set_table(value)
                case Setting.ENABLE_PUSH:
                    _expect(value <= int(self.server), Code.PROTOCOL_ERROR)
                case Setting.INITIAL_WINDOW_SIZE:
                    self.set_initial(value)
                case Setting.MAX_FRAME_SIZE:
                    _expect(MAX_FRAME_BYTES <= value < 1 << 24, Code.PROTOCOL_ERROR)
                case Setting.MAX_CONCURRENT_STREAMS if not self.server:
                    self.most_streams = value
        self.out.append(frames.frame(frames.SETTINGS, ACK, 0))

    def _reset(self, stream: int) -> None:
        _expect(bool(stream) and not self.is_idle(stream), Code.PROTOCOL_ERROR)
        if stream in self.streams:
            self.forget(stream)
            self.user.reset(stream)
            self.spend(A_CANCEL)

    def _widen(self, stream: int, octets: int) -> None:
        _expect(not stream or not self.is_idle(stream) or stream in self.cut, Code.PROTOCOL_ERROR)
        if stream and not octets:
            self.refuse(stream, Code.PROTOCOL_ERROR)
        elif not self.widen(stream, octets) or not octets:
            if not stream:
                raise Fault(Code.FLOW_CONTROL_ERROR if octets else Code.PROTOCOL_ERROR, "a window that may not be")
            self.refuse(stream, Code.FLOW_CONTROL_ERROR)


def _expect(right: bool, code: Code) -> None:
    if not right:
        raise Fault(code, "")
