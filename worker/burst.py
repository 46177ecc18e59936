"""recvmmsg and sendmmsg through ctypes: up to 64 datagrams a call, all buffers allocated once.

1. A row is one datagram: its octets, its sender, its control data (where the socket asks for packet info), and an
   answer made of two pieces: the first two octets as received (the ID) and the rest read straight out of a bytes
   object, whose payload follows the object header in CPython. The object must live until `send` has returned.
2. What the kernel writes back (name and control lengths, flags) is reset before every receive.
3. An answer leaves from the address that its query came to: the received packet info goes back with it, with the
   interface left to the routing table unless the address is link-local.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import select
import socket
import sys
from typing import Final, Protocol

ROWS: Final = 64
SIZE: Final = 512  # octets; what the reference reads of a datagram (spec core §4.1)
NAME: Final = 32  # octets a sender's address takes
CONTROL: Final = 40  # octets: one in6_pktinfo or in_pktinfo with its head
PAYLOAD: Final = bytes.__basicsize__ - 1  # offset of the octets in a bytes object
_HEADER: Final = 64  # sizeof(struct mmsghdr)
_DONTWAIT: Final = socket.MSG_DONTWAIT
_SEND_WAIT_MS: Final = 20  # how long a full send buffer may hold a burst up

if sys.implementation.name != "cpython" or ctypes.string_at(id(b"probe") + PAYLOAD, 5) != b"probe":
    raise ImportError("bytes objects are not laid out as CPython's")


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Message(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_size", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("_gap", ctypes.c_int),
        ("size", ctypes.c_uint),
        ("_end", ctypes.c_uint),
    )


_libc = ctypes.CDLL(None, use_errno=True)
recvmmsg = _libc.recvmmsg
sendmmsg = _libc.sendmmsg


Row = tuple[bytes, bytes, bytes, bytes]  # receiver, control data, message ID, the rest of the answer


class Overflow(Protocol):
    """Takes the answers that a full socket does not take; without one a burst waits a moment for room."""

    @property
    def full(self) -> bool:
        """Tell whether there is room for no more."""

    def keep(self, rows: list[Row]) -> None:
        """Take answers, oldest first."""

    def unsendable(self, code: int) -> None:
        """Learn of an answer that cannot be sent at all, with the system's number for the reason."""


class Burst:
    """The buffers and calls of one UDP socket; `size` octets of a datagram are read.

    After `receive`: row i's datagram is `data[i*size : i*size + sizes[16*i + SIZE_AT]]`, its sender
    `names[i*NAME : i*NAME + name_size]`. Before `send`: `answers[4*i + 2]` is the address and `answers[4*i + 3]` the
    length of row i's answer.
    """

    SIZE_AT: Final = 14  # 32-bit word of a header that holds the datagram's length

    def __init__(self, sock: socket.socket, packet_info: bool, size: int = SIZE) -> None:
        self.sock = sock
        self.size = size
        self.fd = sock.fileno()
        self.name_size = 28 if sock.family == socket.AF_INET6 else 16
        self.packet_info = packet_info
        # interface index inside the control data, as a 32-bit word
        self.interface_at = 8 if sock.family == socket.AF_INET6 else 4
        # Memory maps: a slice of one is a bytes object at once.
        self.data = mmap.mmap(-1, size * ROWS, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.names = mmap.mmap(-1, NAME * ROWS, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.controls = bytearray(CONTROL * ROWS)
        self._held = [(ctypes.c_char * len(b)).from_buffer(b) for b in (self.data, self.names, self.controls)]
        data_at, names_at, controls_at = map(ctypes.addressof, self._held)
        self._in_iov = (Iovec * ROWS)()
        self._out_iov = (Iovec * (2 * ROWS))()
        self._in = (Message * ROWS)()
        self._out = (Message * ROWS)()
        self._compact = (Message * ROWS)()
        for i in range(ROWS):
            self._in_iov[i] = Iovec(data_at + size * i, size)
            self._out_iov[2 * i] = Iovec(data_at + size * i, 2)
            for message, iov, pieces in (
                (self._in[i], ctypes.addressof(self._in_iov) + 16 * i, 1),
                (self._out[i], ctypes.addressof(self._out_iov) + 32 * i, 2),
            ):
                message.name, message.name_size = names_at + NAME * i, self.name_size
                message.iov, message.iov_size = iov, pieces
                if packet_info:
                    message.control, message.control_size = controls_at + CONTROL * i, CONTROL
        self.sizes = memoryview(self._in).cast("B").cast("I")
        self.answers = memoryview(self._out_iov).cast("B").cast("Q")
        self._control_words = memoryview(self.controls).cast("I")
        self._pristine = bytes(memoryview(self._in).cast("B"))
        self._in_at = ctypes.addressof(self._in)
        self._out_at = ctypes.addressof(self._out)
        self._compact_at = ctypes.addressof(self._compact)
        self._last = 0
        self.overflow: Overflow | None = None
        self._again: Outbox | None = None

    def receive(self) -> int:
        """Receive what waits, at most `ROWS` datagrams; returns their number."""
        if self._last:
            ctypes.memmove(self._in_at, self._pristine, self._last * _HEADER)
        count: int = recvmmsg(self.fd, ctypes.c_void_p(self._in_at), ROWS, _DONTWAIT, None)
        self._last = max(count, 0)
        if self.packet_info and count > 0:
            words, at = self._control_words, self.interface_at
            for i in range(at, at + count * 10, 10):
                words[i] = 0
        return self._last

    def sender(self, row: int) -> bytes:
        """Return a row's sender as the kernel wrote it."""
        start = row * NAME
        return self.names[start : start + self.name_size]

    def control(self, row: int) -> bytes:
        """Return a row's packet info, for an answer that comes later."""
        return bytes(self.controls[row * CONTROL : row * CONTROL + CONTROL]) if self.packet_info else b""

    def send(self, count: int) -> None:
        """Send the answers of the first `count` rows."""
        self._send(self._out_at, count)

    def send_rows(self, rows: list[int]) -> None:
        """Send the answers of some rows."""
        source, target = memoryview(self._out).cast("B"), memoryview(self._compact).cast("B")
        for k, row in enumerate(rows):
            target[k * _HEADER : (k + 1) * _HEADER] = source[row * _HEADER : (row + 1) * _HEADER]
        self._send(self._compact_at, len(rows))

    def _send(self, at: int, count: int) -> None:
        waited = False
        while count > 0:
            sent = sendmmsg(self.fd, ctypes.c_void_p(at), count, _DONTWAIT)
            if sent < 0:
                code = ctypes.get_errno()
                if code in (errno.EAGAIN, errno.ENOBUFS):
                    if self.overflow is not None:
                        self.overflow.keep([_row(at + i * _HEADER) for i in range(count)])
                        return
                    if not waited:
                        waited = True
                        wait_writable(self.fd)
                        continue
                sent = 1  # the message at the head cannot be sent (port 0, no route): go on behind it
                if self.overflow is not None:
                    self.overflow.unsendable(code)
            at += sent * _HEADER
            count -= sent

    def resend(self, rows: list[Row]) -> None:
        """Send answers that an overflow has kept."""
        if self._again is None:
            self._again = Outbox(self)
        for row in rows:
            self._again.add(*row)
        self._again.flush()


def _row(at: int) -> Row:
    """Copy the message at an address."""
    message = Message.from_address(at)
    pieces = (Iovec * 2).from_address(message.iov)
    control = ctypes.string_at(message.control, message.control_size) if message.control else b""
    ident, answer = (ctypes.string_at(piece.base, piece.size) for piece in pieces)
    return ctypes.string_at(message.name, message.name_size), control, ident, answer


class Outbox:
    """Answers that come after their burst: collected in one turn of the event loop, sent by one call."""

    def __init__(self, burst: Burst) -> None:
        self.burst = burst
        self._rows: list[tuple[bytes, bytes, bytes, bytes]] = []
        self._names = (ctypes.c_char * (NAME * ROWS))()
        self._controls = (ctypes.c_char * (CONTROL * ROWS))()
        self._iov = (Iovec * (2 * ROWS))()
        self._messages = (Message * ROWS)()
        for i in range(ROWS):
            message = self._messages[i]
            message.name = ctypes.addressof(self._names) + NAME * i
            message.name_size = burst.name_size
            message.iov, message.iov_size = ctypes.addressof(self._iov) + 32 * i, 2
            if burst.packet_info:
                message.control, message.control_size = ctypes.addressof(self._controls) + CONTROL * i, CONTROL
            self._iov[2 * i].size = 2
        self._words = memoryview(self._iov).cast("B").cast("Q")
        self._names_view = memoryview(self._names).cast("B")
        self._controls_view = memoryview(self._controls).cast("B")

    def add(self, sender: bytes, control: bytes, ident: bytes, answer: bytes) -> bool:
        """Queue one answer; True where it is the first and somebody should call `flush` soon."""
        self._rows.append((sender, control, ident, answer))
        return len(self._rows) == 1

    def flush(self) -> None:
        """Send everything queued."""
        rows, self._rows = self._rows, []
        names, controls, words = self._names_view, self._controls_view, self._words
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            for i, (sender, control, ident, answer) in enumerate(part):
                names[i * NAME : i * NAME + len(sender)] = sender
                if control:
                    controls[i * CONTROL : i * CONTROL + CONTROL] = control
                words[4 * i] = id(ident) + PAYLOAD
                words[4 * i + 2] = id(answer) + PAYLOAD
                words[4 * i + 3] = len(answer)
            self.burst._send(ctypes.addressof(self._messages), len(part))


def wait_writable(fd: int) -> None:
    """Wait a moment for room in a socket's send buffer."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(_SEND_WAIT_MS)
