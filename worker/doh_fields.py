"""The header fields of DoH responses in HTTP/2, put together once and sent often."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Final

from .doh_message import CONTENT_TYPE, HttpError, max_age
from .h2.hpack import encode

MAX_KEPT: Final = 16384  # answers whose least TTL is remembered
MAX_KEPT_BYTES: Final = 512  # of each
_RRSIG: Final = b"\0\x2e\0\x01"  # the least TTL of an answer that may hold one is another when it has run out
_OK: Final = encode([(b":status", b"200"), (b"content-type", CONTENT_TYPE)])


class Fields:
    """Header blocks by what they say. All dates of a second are the same."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""
        self._ages: dict[bytes, int] = {}  # of answers
        self._blocks: dict[tuple[int, int], bytes] = {}  # of a second
        self._errors: dict[HttpError, bytes] = {}

    def answer(self, answer: bytes, now: float) -> bytes:
        """Return the block of an answer (given without its message ID); `now` is in s since 1970."""
        if int(now) != self._second:
            self._turn(now)
        age = self._ages.get(answer)
        if age is None:
            age = max_age(answer, now)
            if len(answer) <= MAX_KEPT_BYTES and _RRSIG not in answer:
                if len(self._ages) >= MAX_KEPT:
                    self._ages.clear()
                self._ages[answer] = age
        key = (len(answer) + 2, age)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = self._date + _sized(*key)
        return block

    def error(self, error: HttpError) -> bytes:
        """Return the block of an answer without message."""
        if int(time.time()) != self._second:
            self._turn(time.time())
        block = self._errors.get(error)
        if block is None:
            status = encode([(b":status", b"%d" % error.status), *error.headers])
            block = self._errors[error] = status + self._date[len(_OK) :]
        return block

    def _turn(self, now: float) -> None:
        self._second = int(now)
        self._date = _OK + encode([(b"date", formatdate(now, usegmt=True).encode())])
        self._blocks.clear()
        self._errors.clear()


def _sized(size: int, age: int) -> bytes:
    return encode([(b"content-length", b"%d" % size), (b"cache-control", b"max-age=%d" % age)])
