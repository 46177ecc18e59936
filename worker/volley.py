"""Messages over connected datagram sockets: many sent by one call, many received by one.

One set of buffers serves all such sockets of a process; the calls are those of `burst`. A row is one message. What is
sent is read straight out of the bytes objects.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Sequence
from typing import Final

from .burst import PAYLOAD, ROWS, Iovec, Message, recvmmsg, sendmmsg

ROW_BYTES: Final = 1 << 16  # the longest datagram; pages that no message touches cost nothing
SIZE_AT: Final = 14  # 32-bit word of a header that holds the length
_HEADER_WORDS: Final = ctypes.sizeof(Message) // 4
_DONTWAIT: Final = socket.MSG_DONTWAIT


class Volley:
    """The buffers. After `receive`, `row(i)` is the i-th message."""

    def __init__(self) -> None:
        self.data = mmap.mmap(-1, ROW_BYTES * ROWS)
        self._in = (Message * ROWS)()
        self._in_iov = (Iovec * ROWS)()
        self._out = (Message * ROWS)()
        self._out_iov = (Iovec * ROWS)()
        self._held = (ctypes.c_char * len(self.data)).from_buffer(self.data)
        data_at = ctypes.addressof(self._held)
        for i in range(ROWS):
            self._in_iov[i] = Iovec(data_at + ROW_BYTES * i, ROW_BYTES)
            self._in[i].iov, self._in[i].iov_size = ctypes.addressof(self._in_iov) + 16 * i, 1
            self._out[i].iov, self._out[i].iov_size = ctypes.addressof(self._out_iov) + 16 * i, 1
        self._sizes = memoryview(self._in).cast("B").cast("I")
        self._words = memoryview(self._out_iov).cast("B").cast("Q")
        self._in_at = ctypes.c_void_p(ctypes.addressof(self._in))
        self._out_at = ctypes.c_void_p(ctypes.addressof(self._out))

    def receive(self, descriptor: int) -> int:
        """Receive what waits, at most `ROWS` messages; returns their number. Raises OSError, BlockingIOError."""
        count: int = recvmmsg(descriptor, self._in_at, ROWS, _DONTWAIT, None)
        if count < 0:
            raise _error()
        return count

    def size(self, row: int) -> int:
        """Return the length of a message that was received."""
        return self._sizes[row * _HEADER_WORDS + SIZE_AT]

    def send(self, descriptor: int, messages: Sequence[bytes]) -> int:
        """Send messages, at most `ROWS`; returns how many went out. Raises OSError if none did."""
        words = self._words
        at = 0
        for message in messages:
            words[at] = id(message) + PAYLOAD
            words[at + 1] = len(message)
            at += 2
        count: int = sendmmsg(descriptor, self._out_at, len(messages), _DONTWAIT)
        if count < 0:
            raise _error()
        return count


def _error() -> OSError:
    """Return the error of the last call, as the class that Python has for it."""
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))
