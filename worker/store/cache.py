"""The store of cached answers: one LMDB environment for all workers, in which a namespace belongs to one `cache`.

1. Reads see this process's own queued writes, then the snapshot of the burst; `flush` ends both.
2. All writes of a burst are one transaction. One that fails is counted and forgotten: a cache may lose anything.
3. A value begins with the monotonic time (s, a double) at which it is of no more use; the keeper sweeps by it.
4. A key is namespace, kind, hash, question. The hash spreads keys evenly, so any place is a fair one to evict from.
5. Workers evict one arbitrary entry for each new one that finds its side full, and never scan.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import lmdb

from .. import log
from ..metrics import Counter
from ..turn import turn
from .environment import open_cache
from .hits import Hits

NAMESPACE_BYTES: Final = 8
SUCCESS: Final = b"s"
DENIAL: Final = b"d"
MARK: Final = b"m"  # a refresh under way, or not to be tried again yet
COUNT: Final = b"#"  # how many entries a side has
ALIVE: Final = b"a"  # some configuration still uses the namespace
NOTE: Final = b"n"  # what the cache in force says of itself
LABEL: Final = b"l"  # a `server` label under which its metrics are counted
DEFAULT_SIZE_BYTES: Final = 1 << 30  # address space; the file grows as it fills
PRESSED: Final = 0.8  # of the map: beyond it each new entry evicts two
CLAIM_S: Final = 30.0  # a refresh whose process died blocks others no longer than this
MOST_EVICTED: Final = 64  # for one new entry, where a side is far too full
MOST_CLAIMED: Final = 4096  # remembered without the store; those of runs that never ended are dropped
FOREVER: Final = 1e18
_ENDS = struct.Struct("<d")
_COUNT = struct.Struct("<dQ")
_CLAIM = struct.Struct("<dddd")  # ends, stored time of the item, refreshed until, not again before

failures = Counter("store_write_failures_total", "The count of bursts of cache writes that failed.")


class Side:
    """The success or the denial half of one cache. `flushed(entries, evicted)` is called after each write to it."""

    def __init__(self, namespace: bytes, kind: bytes, capacity: int) -> None:
        self.namespace = namespace
        self.prefix = namespace + kind
        self.count_key = namespace + COUNT + kind
        self.capacity = capacity
        self.flushed: Callable[[int, int], None] = lambda entries, evicted: None


class CacheStore:
    """What one process holds of the environment."""

    def __init__(self, environment: Any, hits: Hits, now: Callable[[], float] = time.monotonic) -> None:
        self.environment = environment
        self.hits = hits
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
        return cls(open_cache(folder, size_bytes), Hits.open(folder / "cache.hits"), now)

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
        return 0 if value is None else int(_COUNT.unpack(value)[1])

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
        pressed = self.pressed()
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
                over = max(counts[side] + 1 - side.capacity, 2 if pressed else 0)
                gone = sum(evict(txn, side) for _ in range(min(over, MOST_EVICTED)))
                evicted[side] = evicted.get(side, 0) + gone
                counts[side] += 1 - gone
            txn.put(key, value)
        for side, entries in counts.items():
            set_entries(txn, side.count_key, entries)
        return counts, evicted

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


def tail(question: bytes) -> bytes:
    """Return the part of a key behind the prefix."""
    return crc32(question).to_bytes(4, "big") + question


def mark_key(key: bytes) -> bytes:
    """Return where the refresh of an entry is noted."""
    return key[:NAMESPACE_BYTES] + MARK + key[NAMESPACE_BYTES:]


def entries_of(txn: Any, count_key: bytes) -> int:
    """Return how many entries a side has."""
    value = txn.get(count_key)
    return 0 if value is None else int(_COUNT.unpack(value)[1])


def set_entries(txn: Any, count_key: bytes, entries: int) -> None:
    """Note how many entries a side has."""
    txn.put(count_key, _COUNT.pack(FOREVER, max(entries, 0)))


def remove(txn: Any, keys: list[bytes]) -> int:
    """Delete keys of any kind, keeping the counts right; returns how many there were."""
    gone = 0
    fewer: dict[bytes, int] = {}
    for key in keys:
        if txn.delete(key):
            gone += 1
            kind = key[NAMESPACE_BYTES : NAMESPACE_BYTES + 1]
            if kind in (SUCCESS, DENIAL):
                count_key = key[:NAMESPACE_BYTES] + COUNT + kind
                fewer[count_key] = fewer.get(count_key, 0) + 1
    for count_key, entries in fewer.items():
        set_entries(txn, count_key, entries_of(txn, count_key) - entries)
    return gone


def evict(txn: Any, side: Side) -> int:
    """Delete one arbitrary entry of a side; returns how many went (0 where there is none)."""
    cursor = txn.cursor()
    try:
        for start in (side.prefix + random.randbytes(4), side.prefix):
            if cursor.set_range(start) and cursor.key().startswith(side.prefix):
                return int(cursor.delete())
        return 0
    finally:
        cursor.close()


def ends(value: bytes) -> float:
    """Return when (monotonic s) a value is of no more use."""
    return float(_ENDS.unpack_from(value)[0])
