"""The store of cached answers: one LMDB environment for all workers, in which a namespace belongs to one `cache`.

1. Reads see this process's own queued writes, then the snapshot of the burst; `flush` ends both.
2. All writes of a burst are one transaction. One that fails is counted and forgotten: a cache may lose anything.
3. A value begins with the monotonic time (s, a double) at which it is of no more use; the keeper sweeps by it.
4. Keys are laid out in `places`; workers make room for a new entry that finds its side full (`room`), and never scan.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import lmdb

from .. import log
from ..metrics import Counter
from ..turn import turn
from .environment import open_cache
from .heat import Heat
from .hits import Hits
from .places import Side, count, entries_of, mark_key, set_entries
from .room import Room

DEFAULT_SIZE_BYTES: Final = 1 << 30  # address space; the file grows as it fills
PRESSED: Final = 0.8  # of the map: beyond it each new entry evicts two
CLAIM_S: Final = 30.0  # a refresh whose process died blocks others no longer than this
MOST_EVICTED: Final = 64  # for one new entry, where a side is far too full
MOST_CLAIMED: Final = 4096  # remembered without the store; those of runs that never ended are dropped
_CLAIM = struct.Struct("<dddd")  # ends, stored time of the item, refreshed until, not again before

failures = Counter("store_write_failures_total", "The count of bursts of cache writes that failed.")


class CacheStore:
    """What one process holds of the environment."""

    def __init__(
        self, environment: Any, hits: Hits, now: Callable[[], float] = time.monotonic, heat: Heat | None = None
    ) -> None:
        self.environment = environment
        self.hits = hits
        self.heat = heat or Heat(bytearray(1 << 16))
        self.now = now
        self._txn: Any = None
        self._pending: dict[bytes, tuple[bytes | None, Side | None]] = {}
        self._claimed: dict[bytes, tuple[float, float]] = {}
        self._scheduled = False
        info = environment.info()
        self._budget_pages = int(info["map_size"] * PRESSED) // environment.stat()["psize"]

    @classmethod
    def open(
        cls, folder: Path, size_bytes: int = DEFAULT_SIZE_BYTES, now: Callable[[], float] = time.monotonic
    ) -> CacheStore:
        """Open the store of a runtime folder. Raises OSError or lmdb.Error."""
        hits, heat = Hits.open(folder / "cache.hits"), Heat.open(folder / "cache.heat")
        return cls(open_cache(folder, size_bytes), hits, now, heat)

    def close(self) -> None:
        """Write what is queued and let go."""
        self.flush()
        self.environment.close()

    # A burst -----------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """Return a value, None where there is none."""
        if self._pending:
            waiting = self._pending.get(key)
            if waiting is not None:
                return waiting[0]
        try:
            txn = self._txn
            if txn is None:
                txn = self._txn = self.environment.begin()
                self._schedule()
            found: bytes | None = txn.get(key)
        except lmdb.Error as error:
            self._failed(error)
            return None
        return found

    def put(self, key: bytes, value: bytes, side: Side | None = None) -> None:
        """Queue a write; `side` is whose entry it is, None for the store's own notes."""
        self._pending[key] = (value, side)
        self._schedule()

    def delete(self, key: bytes, side: Side | None = None) -> None:
        """Queue a deletion."""
        self._pending[key] = (None, side)
        self._schedule()

    def entries(self, side: Side) -> int:
        """Return how many entries a side has in the burst's snapshot."""
        value = self.get(side.count_key)
        return 0 if value is None else count(value)

    def flush(self) -> None:
        """End the burst: give its snapshot up and write what was queued. Harmless at any time, any number of times."""
        txn, self._txn = self._txn, None
        if txn is not None:
            txn.abort()
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        try:
            with self.environment.begin(write=True) as writing:
                counts, evicted = self._write(writing, pending)
        except lmdb.Error as error:
            self._failed(error)
            return
        for side, entries in counts.items():
            side.flushed(entries, evicted.get(side, 0))

    def _schedule(self) -> None:
        """Have `flush` called behind the turn that is under way, so a forgotten snapshot cannot pin pages."""
        if self._scheduled:
            return
        try:
            turn.at_end(self._flush_later)
        except RuntimeError:
            return
        self._scheduled = True

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()

    def _failed(self, error: lmdb.Error) -> None:
        failures.inc()
        log.trace_once(error)
        if isinstance(error, lmdb.MapFullError):  # pages that a dead process pinned may be what is missing
            self.environment.reader_check()

    # Writing -----------------------------------------------------------------------------------------------------

    def _write(
        self, txn: Any, pending: dict[bytes, tuple[bytes | None, Side | None]]
    ) -> tuple[dict[Side, int], dict[Side, int]]:
        counts: dict[Side, int] = {}
        evicted: dict[Side, int] = {}
        rooms: dict[Side, Room] = {}
        pressed, now = self.pressed(), self.now()
        for key, (value, side) in pending.items():
            if side is None:
                if value is None:
                    txn.delete(key)
                else:
                    txn.put(key, value)
                continue
            if side not in counts:
                counts[side] = entries_of(txn, side.count_key)
            if value is None:
                counts[side] -= txn.delete(key)
                continue
            if txn.get(key) is None:
                over = counts[side] + 1 - side.capacity
                if pressed and over < 2:
                    over = 2
                room = rooms.get(side)
                if room is None:
                    room = rooms[side] = Room(txn, side, self.heat, now, len(pending))
                if over > 0:
                    gone, admitted = room.make(key, over if over < MOST_EVICTED else MOST_EVICTED)
                    evicted[side] = evicted.get(side, 0) + gone
                    counts[side] -= gone
                    if not admitted:
                        continue
                counts[side] += 1
            txn.put(key, value)
        for side, entries in counts.items():
            set_entries(txn, side.count_key, entries)
        return counts, evicted

    def evict(self, txn: Any, side: Side) -> int:
        """Delete one entry of a side that few will miss; returns how many went (0 where there is none)."""
        room = Room(txn, side, self.heat, self.now())
        return 0 if room.coldest() is None else room.drop()

    def pressed(self) -> bool:
        """Tell whether the entries fill so much of the map that each new one must make room for itself."""
        stat = self.environment.stat()
        return bool(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] > self._budget_pages)

    # Refreshes ---------------------------------------------------------------------------------------------------

    def claim(self, key: bytes, stored: float, recheck: bool) -> bool:
        """Take the refresh of the item stored at a time; False while another has it, or (`recheck`) shall not be tried.

        Exact among all processes: what looks free is claimed in a write transaction.
        """
        now = self.now()
        mine = self._claimed.get(key)
        if mine is not None and mine[0] == stored and mine[1] > now:
            return False
        mark = mark_key(key)
        if _blocked(self.get(mark), stored, now, recheck):
            return False
        until = now + CLAIM_S
        try:
            with self.environment.begin(write=True) as txn:
                # What this process has queued is newer than what is written; it was judged above.
                if mark not in self._pending and _blocked(txn.get(mark), stored, now, recheck):
                    return False
                txn.put(mark, _CLAIM.pack(until, stored, until, 0.0))
        except lmdb.Error as error:
            self._failed(error)
            return False
        self._pending.pop(mark, None)
        if len(self._claimed) > MOST_CLAIMED:
            self._claimed = {key: claim for key, claim in self._claimed.items() if claim[1] > now}
        self._claimed[key] = (stored, until)
        return True

    def release(self, key: bytes, stored: float, retry_at: float = 0.0) -> None:
        """Give a refresh back; before `retry_at` (0: at once) nobody who asks for the recheck period may take it."""
        if self._claimed.get(key, (stored,))[0] == stored:
            self._claimed.pop(key, None)
        if retry_at:
            self.put(mark_key(key), _CLAIM.pack(retry_at, stored, 0.0, retry_at))
        else:
            self.delete(mark_key(key))


def _blocked(value: bytes | None, stored: float, now: float, recheck: bool) -> bool:
    if value is None:
        return False
    _, item, until, retry_at = _CLAIM.unpack(value)
    return bool(item == stored and (until > now or (recheck and retry_at > now)))
