"""The answer memo: what was answered once is answered again without the chain (DESIGN §4).

1. A memo belongs to one listener, transport and address family; its key is the query without the ID.
2. An entry is admitted when its key is seen for the second time, so floods of random names cost one set entry each.
3. Entries live in two generations: hits in the old one move to the young one, a full young one becomes the old one
   and the former old one goes. Hot answers stay, memory is bounded by `Budget`.
4. An entry whose `until` has come, or whose zone was published anew, is never used.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from . import metrics
from .address import Address, from_sockaddr
from .query import Request

MAX_KEY_BYTES = 512  # a longer query goes around the memo
OVERHEAD_BYTES = 400  # of one entry: two dict slots, two bytes objects, the entry
TRIES = 8  # answers that are looked at for each variant wanted
MAX_SEEN = 1 << 16  # keys of all memos of a worker; 6 MiB
_OPT = b"\0\x29"


class Entry:
    """An answer (or several variants) without the message ID, and what each use of it has to do.

    `series` are metric cells to bump by one a use, `repeats` callables for each use, `tallies` callables for the number
    of uses since they were last called; `hits` are uses not yet counted.
    `guards` tell the clients that may have it (DESIGN §4: the client's class).
    `quick` is the answer where a use is nothing but a hit. From `until` to `end` the TTLs count down each second.
    """

    __slots__ = (
        "_ttls", "end", "guards", "hits", "index", "left", "quick", "repeats", "series", "tallies", "until", "variants",
        "wires",
    )  # fmt: skip

    def __init__(self, request: Request, wire: bytes) -> None:
        self.wires = [wire]
        self.variants = request.variants
        self.index = 0
        self.left = TRIES * self.variants
        self.series = tuple(request.series)
        self.repeats: tuple[Callable[[bytes, int], None], ...] = tuple(request.repeats or ())
        self.tallies = request.tallies
        self.guards = tuple(request.guards or ())
        self.until = inf if request.until is None else request.until
        self.end = self.until if request.end is None else request.end
        self.hits = 0
        self.quick = wire if not self.repeats and not self.guards and self.variants == 1 else None
        self._ttls: list[list[int]] = []

    def collect(self, wire: bytes) -> bool:
        """Take one more variant; False for one that is known.

        Variants are different from each other. After `TRIES` a variant there is none more to be found.
        """
        self.left -= 1
        if wire in self.wires:
            if self.left <= 0:
                self.variants = len(self.wires)
            return False
        self.wires.append(wire)
        if self._ttls:
            self._ttls.append(ttl_offsets(wire))
        return True

    def advance(self, now: float) -> bool:
        """Bring the TTLs up to date; False where the answer is over."""
        if self.end <= now:
            return False
        ticks = int(now - self.until) + 1
        if not self._ttls:
            self._ttls = [ttl_offsets(wire) for wire in self.wires]
        for i, (wire, offsets) in enumerate(zip(self.wires, self._ttls, strict=False)):
            aged = bytearray(wire)
            for at in offsets:
                ttl = int.from_bytes(aged[at : at + 4], "big") - ticks
                if ttl < 0:
                    return False
                aged[at : at + 4] = ttl.to_bytes(4, "big")
            self.wires[i] = bytes(aged)
        self.until += ticks
        if self.quick is not None:
            self.quick = self.wires[0]
        return len(self._ttls) == len(self.wires)

    def admits(self, peer: Address) -> bool:
        """Tell whether a client is of the class that the answer is for."""
        return all(guard(peer) == expected for guard, expected in self.guards)


def ttl_offsets(wire: bytes) -> list[int]:
    """Return where the TTLs stand in an answer (without ID) that this server wrote; an OPT record has none."""
    found = []
    questions, *counts = (int.from_bytes(wire[at : at + 2], "big") for at in range(2, 10, 2))
    at = 10
    for _ in range(questions):
        at = _behind_name(wire, at) + 4
    for _ in range(sum(counts)):
        at = _behind_name(wire, at)
        if wire[at : at + 2] != _OPT:
            found.append(at + 4)
        at += 10 + int.from_bytes(wire[at + 8 : at + 10], "big")
    return found


def _behind_name(wire: bytes, at: int) -> int:
    while size := wire[at]:
        if size >= 0xC0:
            return at + 2
        at += size + 1
    return at + 1


def folded(key: bytes, name: bytes, end: int) -> bytes:
    """Return the key that all spellings of a query share; `name` is the lower-case one, the question ends at `end`.

    No query's own octets begin with 0xff (QR is set).
    """
    return b"\xff" + key[:10] + name + key[end - 4 :]


def respelt(out: bytes, owner: bytes) -> bytes:
    """Return the answer for another spelling of its question's name."""
    return out[:10] + owner + out[10 + len(owner) :]


class Budget:
    """What all memos of a worker may hold together: octets, shared by halves between the generations."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.memos: list[Memo] = []
        self.dirty: list[Entry] = []
        self.seen: set[int] = set()
        self.young_bytes = 0

    def spend(self, size_bytes: int) -> None:
        """Account for an admitted entry; turns the generations over when the young one is full."""
        self.young_bytes += size_bytes
        if self.young_bytes * 2 > self.limit_bytes:
            self.young_bytes = 0
            self.flush()
            for memo in self.memos:
                memo.turn()

    def flush(self) -> None:
        """Write the uses since the last flush into the metric cells."""
        for entry in self.dirty:
            hits, entry.hits = entry.hits, 0
            metrics.repeat(entry.series, hits)
            for tally in entry.tallies:
                tally(hits)
        self.dirty.clear()

    def clear(self) -> None:
        """Forget all answers (counters are kept)."""
        self.flush()
        for memo in self.memos:
            memo.clear()
        self.seen.clear()
        self.young_bytes = 0


class Memo:
    """Answers by query octets. `young` and `old` map to plain octets or, where a use has consequences, an Entry."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.young: dict[bytes, bytes | Entry] = {}
        self.old: dict[bytes, bytes | Entry] = {}
        self._salt = len(budget.memos)
        self.by_zone: dict[Any, set[bytes]] = {}
        budget.memos.append(self)

    def get(self, key: bytes, now: float, sender: bytes, ident: int) -> bytes | None:
        """Return the answer without the ID, or None. The caller has already looked into `young` for plain octets."""
        found = self.young.get(key)
        if found is None:
            found = self.old.pop(key, None)
            if found is None:
                return None
            self.young[key] = found
            self.budget.spend(OVERHEAD_BYTES + len(key) + _size(found))
        return found if isinstance(found, bytes) else self.use(key, found, now, sender, ident)

    def use(self, key: bytes, entry: Entry, now: float, sender: bytes, ident: int) -> bytes | None:
        """Return an entry's answer and do what each use has to do; None (and the entry gone) where it has died."""
        if entry.until <= now and not entry.advance(now):
            self.young.pop(key, None)
            return None
        wires = entry.wires
        if len(wires) < entry.variants:
            return None
        if entry.guards and not entry.admits(from_sockaddr(sender)):
            return None
        if not entry.hits:
            self.budget.dirty.append(entry)
        entry.hits += 1
        if entry.repeats:
            for repeat in entry.repeats:
                repeat(sender, ident)
        if len(wires) == 1:
            return wires[0]
        entry.index = index = (entry.index + 1) % len(wires)
        return wires[index]

    def is_new(self, key: bytes) -> bool:
        """Tell whether a key was never seen, and note that it was now: the next time its answer may be kept."""
        mark = hash(key) ^ self._salt
        seen = self.budget.seen
        if mark in seen:
            return False
        if len(seen) >= MAX_SEEN:
            seen.clear()
        seen.add(mark)
        return True

    def unsee(self, key: bytes) -> None:
        """Say that a key that was new still is."""
        self.budget.seen.discard(hash(key) ^ self._salt)

    def admit(self, key: bytes, request: Request, wire: bytes) -> None:
        """Keep an answer if its key was seen before and nothing that took part forbids it."""
        if request.once or request.tsig is not None or len(key) > MAX_KEY_BYTES:
            return
        if self.is_new(key):
            return
        known = self.young.get(key)
        if isinstance(known, Entry) and len(known.wires) < known.variants:
            if known.collect(wire):
                self.budget.spend(len(wire) + 40)
            return
        plain = not (request.series or request.repeats or request.guards) and request.until is None
        plain = plain and request.variants == 1
        self.young[key] = wire if plain else Entry(request, wire)
        for zone in request.zones or ():
            self.by_zone.setdefault(zone, set()).add(key)
        self.budget.spend(OVERHEAD_BYTES + len(key) + len(wire))

    def forget(self, zone: Any) -> None:
        """Drop every answer that read a zone."""
        for key in self.by_zone.pop(zone, ()):
            self.young.pop(key, None)
            self.old.pop(key, None)

    def turn(self) -> None:
        """Make the young generation the old one."""
        self.old = self.young
        self.young = {}
        for zone, keys in list(self.by_zone.items()):
            kept = {key for key in keys if key in self.old}
            if kept:
                self.by_zone[zone] = kept
            else:
                del self.by_zone[zone]

    def clear(self) -> None:
        """Forget all answers."""
        self.young.clear()
        self.old.clear()
        self.by_zone.clear()


def _size(found: bytes | Entry) -> int:
    return len(found) if isinstance(found, bytes) else sum(map(len, found.wires))
