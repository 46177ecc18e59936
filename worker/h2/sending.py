"""The sending half of an HTTP/2 connection: frames out, as far as the peer's windows let DATA through.

1. What may not go yet waits with its stream, in order; `waiting` counts its octets.
2. A stream that is answered at once and whole leaves no trace: that is the hot path, `respond`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from . import frames
from .fields import UNKNOWN
from .frames import MAX_FRAME_BYTES, MAX_WINDOW, WINDOW, Code
from .hpack import NO_TABLE, TABLE_BYTES

STREAM_WINDOW: Final = 1 << 17  # what a peer may send on a stream before we allow more
_Part = tuple[bytes, bool, bool]  # octets, whether they are a header block, whether they end the stream


class Fault(Exception):
    """The connection cannot go on; the peer is told the code."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class Stream:
    """One exchange. `window` is what we may send, `credit` what the peer may; `parts` wait for the window.

    `reading`: more may come; `writing`: we have not ended it. `expected` is what is missing of a body whose length
    was told.
    """

    __slots__ = ("credit", "expected", "headed", "parts", "reading", "window", "writing")

    def __init__(self, window: int, *, reading: bool = True) -> None:
        self.window = window
        self.credit = STREAM_WINDOW
        self.reading = reading
        self.writing = True
        self.headed = False
        self.expected = UNKNOWN
        self.parts: deque[_Part] = deque()


class Sending:
    """What is to be sent (`take`), and the streams that are open."""

    def __init__(self, server: bool) -> None:
        self.server = server
        self.out: list[bytes] = []
        self.streams: dict[int, Stream] = {}
        self.waiting = 0  # octets for which there is no window
        self.fresh = 0  # a stream whose request is just being handed over, and which is not among the streams yet
        self.window = WINDOW
        self.initial = WINDOW  # of a stream
        self.answers = 0
        self._table = TABLE_BYTES
        self._prefix = b""
        self.cut: dict[int, None] = {}  # streams that we reset: what is under way for them is nobody's fault

    def take(self) -> list[bytes]:
        """Return what is to be sent and forget it."""
        out, self.out = self.out, []
        return out

    # Messages -------------------------------------------------------------------------------------------------------

    def respond(self, stream: int, block: bytes, body: bytes) -> None:
        """Send a whole message and end the stream."""
        size = len(body)
        fresh = stream == self.fresh
        if fresh and size and size <= self.window and size <= self.initial and size <= MAX_FRAME_BYTES:
            self.fresh = 0
            self.window -= size
            self.answers += 1
            if self._prefix:
                block = self._first(block)
            self.out.append(frames.answer(stream, block, body))
            return
        self.send_headers(stream, block, end=not body)
        if body:
            self.send_data(stream, body, end=True)

    def respond_with_trailers(self, stream: int, block: bytes, body: bytes, trailers: bytes) -> None:
        """Send a whole message with trailers and end the stream."""
        known, size = self.streams.get(stream), len(body)
        if (
            known is not None and known.writing and not known.reading and not known.parts
            and 0 < size <= self.window and size <= known.window and size <= MAX_FRAME_BYTES
        ):  # fmt: skip
            del self.streams[stream]
            self.window -= size
            self.answers += 1
            if self._prefix:
                block = self._first(block)
            self.out.append(frames.answer_with_trailers(stream, block, body, trailers))
            return
        self.send_headers(stream, block)
        self.send_data(stream, body)
        self.send_headers(stream, trailers, end=True)

    def send_headers(self, stream: int, block: bytes, end: bool = False) -> None:
        """Send a header block: the message's first, or trailers, which wait for the body before them."""
        known = self.stream(stream)
        if known is None or not known.writing:
            return
        if known.parts:
            known.parts.append((block, True, end))
        else:
            self._block(stream, known, block, end)

    def send_data(self, stream: int, data: bytes, end: bool = False) -> None:
        """Send octets of a message's body as the windows allow."""
        known = self.stream(stream)
        if known is not None and known.writing and (data or end):
            known.parts.append((data, False, end))
            self.waiting += len(data)
            self._flow(stream, known)

    def stream(self, stream: int) -> Stream | None:
        """Return an open stream; one that is just being handed over becomes one."""
        if stream == self.fresh and stream:
            self.fresh = 0
            self.streams[stream] = Stream(self.initial, reading=False)
        return self.streams.get(stream)

    def reset_stream(self, stream: int, code: int = Code.CANCEL) -> None:
        """End a stream, both ways."""
        self.forget(stream)
        self.cut[stream] = None
        if len(self.cut) > 1000:
            del self.cut[next(iter(self.cut))]
        self.out.append(frames.rst_stream(stream, code))

    def forget(self, stream: int) -> None:
        """Forget a stream and what waits on it."""
        if stream == self.fresh:
            self.fresh = 0
        known = self.streams.pop(stream, None)
        if known is not None:
            self.waiting -= sum(len(data) for data, block, _ in known.parts if not block)

    # Windows --------------------------------------------------------------------------------------------------------

    def widen(self, stream: int, octets: int) -> bool:
        """The peer takes more: on one stream, or (0) altogether. False where that is more than there can be."""
        if not stream:
            self.window += octets
            if self.window <= MAX_WINDOW and self.waiting:
                for number, one in list(self.streams.items()):
                    self._flow(number, one)
            return self.window <= MAX_WINDOW
        known = self.streams.get(stream)
        if known is None:
            return True
        known.window += octets
        if known.window <= MAX_WINDOW:
            self._flow(stream, known)
        return known.window <= MAX_WINDOW

    def set_initial(self, size: int) -> None:
        """The peer changes the window of its streams, also of those that are open. Raises Fault."""
        if size > MAX_WINDOW:
            raise Fault(Code.FLOW_CONTROL_ERROR, "a window that is too large")
        change = size - self.initial
        self.initial = size
        for stream, known in list(self.streams.items()):
            known.window += change  # RFC 9113 §6.9.2: it may become negative
            if known.window > MAX_WINDOW:
                raise Fault(Code.FLOW_CONTROL_ERROR, "a window that is too large")
            self._flow(stream, known)

    def set_table(self, size: int) -> None:
        """The peer keeps a table of so many octets: ours is never more than empty, which it may have to be told."""
        if size < self._table:
            self._table = 0
            self._prefix = NO_TABLE

    def _flow(self, stream: int, known: Stream) -> None:
        parts = known.parts
        while parts:
            data, is_block, end = parts[0]
            if is_block:
                parts.popleft()
                self._block(stream, known, data, end)
                continue
            size = max(0, min(len(data), self.window, known.window, MAX_FRAME_BYTES))
            if data and not size:
                return
            whole = size == len(data)
            self.window -= size
            known.window -= size
            self.waiting -= size
            flags = frames.END_STREAM if whole and end else 0
            self.out.append(frames.frame(frames.DATA, flags, stream, data if whole else data[:size]))
            if not whole:
                parts[0] = (data[size:], False, end)
                continue
            parts.popleft()
            if end:
                self._ended(stream, known)

    def _block(self, stream: int, known: Stream, block: bytes, end: bool) -> None:
        self.out.append(frames.headers(stream, self._first(block), end))
        if end:
            self._ended(stream, known)

    def _first(self, block: bytes) -> bytes:
        prefix, self._prefix = self._prefix, b""
        return prefix + block if prefix else block

    def _ended(self, stream: int, known: Stream) -> None:
        known.writing = False
        self.answers += 1
        if not known.reading:
            del self.streams[stream]
        elif self.server:  # RFC 9113 §8.1: answered before the request was whole, whose rest nobody wants
            self.reset_stream(stream, Code.NO_ERROR)
