"""The receiving half of an HTTP/2 connection above the frames: header sections and bodies become messages.

1. All that a peer can make us keep is bounded: header blocks, field lists, streams; bodies by the windows.
2. A malformed message resets its stream; a header block that cannot be read ends the connection, for what its peer
   writes from now on refers to a table that we do not have.
"""

from __future__ import annotations

from typing import Final, Protocol

from . import frames
from .calm import A_CANCEL, Calm
from .fields import UNKNOWN, Malformed, check_request, check_response, check_trailers
from .frames import Code
from .hpack import Decoder, Field, HpackError, TooLong
from .sending import Fault, Sending, Stream

MAX_BLOCK_BYTES: Final = 1 << 17  # of a header block before it is decoded
MAX_LIST_BYTES: Final = 1 << 17  # of what it decodes to
MAX_PARTS: Final = 64  # CONTINUATION frames of a block
CREDIT: Final = 1 << 20  # octets that a peer may have under way on all streams together
STREAMS: Final = 250  # open at a time, as the reference's library has it


class User(Protocol):
    """Who has the exchanges. A message is `headers`, any number of `data`, and perhaps `headers` again (trailers)."""

    def headers(self, stream: int, fields: list[Field], end: bool) -> None:
        """Take a field list; `end`: nothing follows."""

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of a body."""

    def reset(self, stream: int) -> None:
        """A stream has ended before its time; it is not among the streams any more."""

    def oversized(self, stream: int) -> None:
        """A header section is longer than we read: the last that comes. `respond` still answers it."""

    def went(self, last: int, code: int) -> None:
        """The peer leaves: of our requests those behind `last` were not processed."""


class Messages(Sending):
    """What a peer's HEADERS, CONTINUATION and DATA frames mean.

    `last` is the highest stream opened: by the peer of a server, by ourselves as a client. `ghosts` are requests that
    are being worked on although their streams have ended.
    """

    def __init__(self, user: User, now: float, server: bool, streams: int) -> None:
        super().__init__(server)
        self.user = user
        self.now = now
        self.most_streams = streams
        self.ghosts = 0
        self.last = 0
        self.departed = False  # the peer knows what is still answered: nothing behind `last`
        self.credit = CREDIT
        self.block: list[bytes] | None = None  # of a header section that is not whole
        self.block_end = (0, False)  # its stream, and whether that ends
        self._decoder = Decoder(MAX_LIST_BYTES)
        self._calm = Calm(now)

    def spend(self, cost: float) -> None:
        """Take from the peer's patience. Raises Fault where none is left."""
        self._calm.answers += self.answers
        self.answers = 0
        if not self._calm.spend(cost, self.now):
            raise Fault(Code.ENHANCE_YOUR_CALM, "much ado about nothing")

    # Header sections ------------------------------------------------------------------------------------------------

    def begin_block(self, stream: int, payload: bytes, end: bool) -> None:
        if not stream:
            raise Fault(Code.PROTOCOL_ERROR, "headers without a stream")
        self.block, self.block_end = [payload], (stream, end)

    def continue_block(self, flags: int, payload: bytes) -> None:
        block = self.block
        if block is None:
            raise Fault(Code.PROTOCOL_ERROR, "continuation of nothing")
        block.append(payload)
        stream, end = self.block_end
        if sum(map(len, block)) > MAX_BLOCK_BYTES or len(block) > MAX_PARTS:
            self._oversized(stream, end)
        if not payload:
            self.spend(1)
        if flags & frames.END_HEADERS:
            self.block = None
            self.section(stream, b"".join(block), end)

    def _oversized(self, stream: int, end: bool) -> None:
        """Answer the request with the headers that are too long; the other side's table is lost to us."""
        if self.server and stream > self.last and stream & 1 and not self.departed:
            self.last = stream
            self.streams[stream] = Stream(self.initial, reading=not end)
            self.user.oversized(stream)
        raise Fault(Code.ENHANCE_YOUR_CALM, "headers are too long")

    def section(self, stream: int, block: bytes, end: bool) -> None:
        try:
            fields = self._decoder.decode(block)
        except TooLong:
            self._oversized(stream, end)
        except HpackError as error:
            raise Fault(Code.COMPRESSION_ERROR, str(error)) from None
        if self.server and stream > self.last and stream & 1:
            self._request(stream, fields, end)
            return
        known = self.streams.get(stream)
        if known is None:
            self._missing(stream)
        elif not known.reading:
            self.refuse(stream, Code.STREAM_CLOSED)
        else:
            self._more_headers(stream, known, fields, end)

    def _request(self, stream: int, fields: list[Field], end: bool) -> None:
        if self.departed:
            self.cut[stream] = None  # the peer knows that it is not answered
            return
        self.last = stream
        if len(self.streams) + self.ghosts >= self.most_streams:
            self.reset_stream(stream, Code.REFUSED_STREAM)
            self.spend(A_CANCEL)
            return
        try:
            length = check_request(fields)
            if end and length > 0:
                raise Malformed("a body that is missing")
        except Malformed:
            self.reset_stream(stream, Code.PROTOCOL_ERROR)
            self.spend(A_CANCEL)
            return
        if end:
            self.fresh = stream
            self.user.headers(stream, fields, True)
            if self.fresh:
                self.stream(stream)
            return
        known = self.streams[stream] = Stream(self.initial)
        known.headed = True
        known.expected = length
        self.user.headers(stream, fields, False)

    def _more_headers(self, stream: int, known: Stream, fields: list[Field], end: bool) -> None:
        """Take a response's headers, or trailers."""
        try:
            if known.headed:
                check_trailers(fields)
                if not end or known.expected > 0:
                    raise Malformed("trailers before the end")
            else:
                length = check_response(fields)
                known.headed = fields[0][1][:1] != b"1"
                if end and not known.headed:
                    raise Malformed("an interim response that is the last")
                known.expected = UNKNOWN if end else length  # a response to HEAD tells a length and has no body
        except Malformed:
            self.refuse(stream, Code.PROTOCOL_ERROR)
            self.spend(A_CANCEL)
            return
        if end:
            self.ended(stream, known)
        self.user.headers(stream, fields, end)

    # Bodies ---------------------------------------------------------------------------------------------------------

    def body(self, stream: int, payload: bytes, flags: int) -> None:
        length = len(payload)
        self.credit -= length
        if self.credit < 0:
            raise Fault(Code.FLOW_CONTROL_ERROR, "more than the window")
        if self.credit < CREDIT // 2:
            self.out.append(frames.window_update(0, CREDIT - self.credit))
            self.credit = CREDIT
        known = self.streams.get(stream)
        if known is None:
            self._missing(stream)
            return
        known.credit -= length
        end = bool(flags & frames.END_STREAM)
        data = unpadded(payload, flags & frames.PADDED) if flags & frames.PADDED else payload
        size = len(data)
        if not known.reading or known.credit < 0:
            self.refuse(stream, Code.FLOW_CONTROL_ERROR if known.reading else Code.STREAM_CLOSED)
            return
        if not known.headed or not _fits(known, size, end):
            self.refuse(stream, Code.PROTOCOL_ERROR)
            self.spend(A_CANCEL)
            return
        if end:
            self.ended(stream, known)
        elif not data:
            self.spend(1)
        self.user.data(stream, data, end)

    # Streams --------------------------------------------------------------------------------------------------------

    def refuse(self, stream: int, code: int) -> None:
        """Reset a stream that its user knows."""
        self.reset_stream(stream, code)
        self.user.reset(stream)

    def ended(self, stream: int, known: Stream) -> None:
        """Note that the peer has said everything."""
        known.reading = False
        if not known.writing:
            self.streams.pop(stream, None)

    def is_idle(self, stream: int) -> bool:
        """Tell whether a stream has never been opened."""
        return stream > self.last or not stream & 1

    def _missing(self, stream: int) -> None:
        """A frame came for a stream that is not open."""
        if stream in self.cut:
            return
        if not stream or self.is_idle(stream):
            raise Fault(Code.PROTOCOL_ERROR, "a stream that was never opened")
        raise Fault(Code.STREAM_CLOSED, "a stream that has ended")


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding and priority (RFC 9113 §6.1, §6.2)."""
    start, end = 0, len(payload)
    if flags & frames.PADDED:
        if not payload:
            raise Fault(Code.FRAME_SIZE_ERROR, "a frame that is too short")
        start, end = 1, end - payload[0]
    if flags & frames.PRIORITIZED:
        start += 5
        if start > len(payload):
            raise Fault(Code.FRAME_SIZE_ERROR, "a frame that is too short")
    if start > end:
        raise Fault(Code.PROTOCOL_ERROR, "more padding than frame")
    return payload[start:end]


def _fits(known: Stream, size: int, end: bool) -> bool:
    """Tell whether so many octets fit the length that was told; counts them."""
    if known.expected == UNKNOWN:
        return True
    if size > known.expected:
        return False
    known.expected -= size
    return not end or not known.expected
