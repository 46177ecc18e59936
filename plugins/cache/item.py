"""Cached answers as octets: what stands in the store, so that a hit decodes no record.

ends, stored (monotonic s), duration (s), flags, rcode, mark, three counts, two lengths, length of the wildcard
wildcard · answer · authority · additional
and in a non-answer that replaced an answer, behind them, the answer: `last known good`
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from shardns.worker.wire.packed import Template

HEAD: Final = struct.Struct("<ddIBH4sHHHIIIH")
AUTHENTIC: Final = 1
RECURSIVE: Final = 2
RESOLVES: Final = 4


class Item(NamedTuple):
    """One cached answer. `ends` is when it is of no more use, stale service included."""

    stored: float
    duration: int
    flags: int
    rcode: int
    template: Template
    wildcard: str
    good: Item | None = None

    def remaining(self, now: float) -> int:
        """Return the remaining lifetime in whole seconds, negative or zero when it is over."""
        return self.duration - int(now - self.stored)

    @property
    def resolves(self) -> bool:
        """Whether the answer resolves the question."""
        return bool(self.flags & RESOLVES)


def encode(item: Item, stale_s: float) -> bytes:
    """Write an item that may be served `stale_s` beyond its end."""
    stored, duration, flags, rcode, (mark, (answer, authority, additional), counts), text, better = item
    ends = stored + duration + stale_s
    wildcard = text.encode() if text else b""
    sizes = (len(answer), len(authority), len(additional), len(wildcard))
    if better is None:
        head = HEAD.pack(ends, stored, duration, flags, rcode, mark, *counts, *sizes)
        return b"".join((head, wildcard, answer, authority, additional))
    ends = max(ends, better.stored + better.duration + stale_s)
    head = HEAD.pack(ends, stored, duration, flags, rcode, mark, *counts, *sizes)
    return b"".join((head, wildcard, answer, authority, additional, encode(better, stale_s)))


def decode(value: bytes) -> Item:
    """Read an item."""
    _, stored, duration, flags, rcode, mark, an, ns, ar, an_size, ns_size, ar_size, wild = HEAD.unpack_from(value)
    start = HEAD.size + wild
    to_ns = start + an_size
    to_ar = to_ns + ns_size
    end = to_ar + ar_size
    template = Template(mark, (value[start:to_ns], value[to_ns:to_ar], value[to_ar:end]), (an, ns, ar))
    wildcard = value[HEAD.size : start].decode() if wild else ""
    good = decode(value[end:]) if len(value) > end else None
    return Item(stored, duration, flags, rcode, template, wildcard, good)
