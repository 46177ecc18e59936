"""The header fields of DoH responses in HTTP/2, put together once and sent often."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Final

from .doh_message import CONTENT_TYPE, HttpError, max_age
from .h2.hpack import encode

MAX_KEPT: Final = 8192  # answers whose least TTL is remembered
MAX_KEPT_BYTES: Final = 512  # of each
KEPT_S: Final = 1  # so that a signature that runs out is noticed
_OK: Final = encode([(b":status", b"200"), (b"content-type", CONTENT_TYPE)])


class Fields:
    """Header blocks by what they say. All dates of a second are the same."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""
        self._blocks: dict[bytes, bytes] = {}  # by answer, for a second
        self._by_size: dict[tuple[int, int], bytes] = {}
        self._errors: dict[tuple[int, bytes], bytes] = {}

    def answer(self, answer: bytes, now: float) -> bytes:
        """Return the block of an answer (given without its message ID); `now` is in s since 1970."""
        if int(now) != self._second:
            self._turn(now)
        block = self._blocks.get(answer)
        if block is None:
            key = (len(answer) + 2, max_age(answer, now))
            block = self._by_size.get(key)
            if block is None:
                block = self._by_size[key] = self._date + _sized(*key)
            if len(answer) <= MAX_KEPT_BYTES and len(self._blocks) < MAX_KEPT:
                self._blocks[answer] = block
        return block

    def error(self, error: HttpError) -> bytes:
        """Return the block of an answer without message."""
        if int(time.time()) != self._second:
            self._turn(time.time())
        key = (error.status, error.body)
        block = self._errors.get(key)
        if block is None:
            status = encode([(b":status", b"%d" % error.status), *error.headers])
            block = self._errors[key] = status + self._date[len(_OK) :]
        return block

    def _turn(self, now: float) -> None:
        self._second = int(now)
        self._date = _OK + encode([(b"date", formatdate(now, usegmt=True).encode())])
        for kept in (self._blocks, self._by_size, self._errors):
            kept.clear()


def _sized(size: int, age: int) -> bytes:
    return encode([(b"content-length", b"%d" % size), (b"cache-control", b"max-age=%d" % age)])
