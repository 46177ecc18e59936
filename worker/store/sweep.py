"""The keeper's broom in the cache: what expired goes, what no configuration uses goes, what is too much goes.

Work is done in slices of a few milliseconds, so that workers never wait long for the writer lock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .cache import CacheStore
from .places import (
    ALIVE,
    COUNT,
    LABEL,
    NAMESPACE_BYTES,
    NOTE,
    Side,
    ends,
    entries_of,
    remove,
    set_entries,
)

LOOK: Final = 4000  # entries read in one slice
DELETE: Final = 500  # entries deleted in one transaction
KEPT_S: Final = 600.0  # expired entries count as entries for so long, while there is room, as they do in the reference
COOL_AT: Final = 32  # queries counted for each entry; measured with Zipf loads
COOL_AT_LEAST: Final = 100_000
ALIVE_S: Final = 180.0  # a namespace that nobody has claimed for so long is dropped
_ENDS = struct.Struct("<d")


class Sweeper:
    """Sweeps one cache's namespace and, beside it, whatever lies abandoned."""

    def __init__(self, store: CacheStore, namespace: bytes, sides: tuple[Side, Side]) -> None:
        self.store = store
        self.namespace = namespace
        self.sides = sides
        self._at = b""

    def claim(self) -> None:
        """Say that the namespace is in use."""
        self.store.put(self.namespace + ALIVE, _ENDS.pack(self.store.now() + ALIVE_S))
        self.store.flush()

    def announce(self, note: bytes) -> None:
        """Say that this is a cache of the configuration in force, and what it is."""
        self.store.put(self.namespace + NOTE, note)
        self.claim()

    def retire(self) -> None:
        """Say that it is one no more; its entries stay for as long as others may claim them."""
        self.store.delete(self.namespace + NOTE)
        self.store.flush()

    def labels(self) -> list[str]:
        """Return the `server` labels that workers have noted."""
        prefix = self.namespace + LABEL
        with self.store.environment.begin() as txn:
            return [key[len(prefix) :].decode() for key, _ in items(txn, prefix, b"", LOOK)]

    def entries(self) -> tuple[int, int]:
        """Return how many entries the two sides have."""
        with self.store.environment.begin() as txn:
            return entries_of(txn, self.sides[0].count_key), entries_of(txn, self.sides[1].count_key)

    def slice(self) -> int:
        """Look at a part of the namespace and delete what expired; returns how many entries went."""
        now = self.store.now()
        with self.store.environment.begin() as txn:
            seen = list(items(txn, self.namespace, self._at, LOOK))
            kept = {side.prefix: self._kept_s(txn, side) for side in self.sides}
        self._at = seen[-1][0] if len(seen) == LOOK else b""
        expired = [key for key, value in seen if ends(value) + kept.get(key[: NAMESPACE_BYTES + 1], 0.0) <= now]
        gone = 0
        for start in range(0, len(expired), DELETE):
            with self.store.environment.begin(write=True) as txn:
                some = [(key, txn.get(key)) for key in expired[start : start + DELETE]]
                # Somebody may have stored one anew since it was looked at.
                gone += remove(txn, [key for key, value in some if value is not None and ends(value) <= now])
        return gone

    def _kept_s(self, txn: Any, side: Side) -> float:
        """Return how long an expired entry of a side may stay: not at all where it stands in the way of others."""
        roomy = 2 * entries_of(txn, side.count_key) <= side.capacity
        return KEPT_S if roomy and not self.store.pressed() else 0.0

    def drop_abandoned(self) -> int:
        """Delete a slice of a namespace that no configuration uses any more; returns how many entries went."""
        now = self.store.now()
        with self.store.environment.begin() as txn:
            spaces = list(namespaces(txn))
        for namespace in spaces:
            if namespace == self.namespace:
                continue
            with self.store.environment.begin(write=True) as txn:
                alive = txn.get(namespace + ALIVE)
                if alive is not None and ends(alive) > now:
                    continue
                keys = [key for key, _ in items(txn, namespace, b"", DELETE)]
                gone = remove(txn, [key for key in keys if key[NAMESPACE_BYTES:][:1] != COUNT])
                if len(keys) < DELETE:
                    remove(txn, keys)
                return gone
        return 0

    def cool(self) -> None:
        """Cool the store's heat once so much was counted that it tells of other times than the entries' own."""
        entries = self.store.environment.stat()["entries"]
        if self.store.heat.total() > max(COOL_AT * entries, COOL_AT_LEAST):
            self.store.heat.cool()

    def relieve(self) -> int:
        """Evict from the fuller side while the environment is pressed; returns how many entries went."""
        if not self.store.pressed():
            return 0
        with self.store.environment.begin(write=True) as txn:
            side = max(self.sides, key=lambda one: entries_of(txn, one.count_key))
            entries = entries_of(txn, side.count_key)
            gone = sum(self.store.evict(txn, side) for _ in range(DELETE))
            set_entries(txn, side.count_key, entries - gone)
        return gone


def namespaces(txn: Any) -> Iterator[bytes]:
    """Yield all namespaces, abandoned ones too."""
    cursor = txn.cursor()
    more = cursor.first()
    while more:
        namespace = cursor.key()[:NAMESPACE_BYTES]
        yield namespace
        following = int.from_bytes(namespace, "big") + 1
        if following >> 64:
            break
        more = cursor.set_range(following.to_bytes(NAMESPACE_BYTES, "big"))


def items(txn: Any, prefix: bytes, after: bytes, most: int) -> Iterable[tuple[bytes, bytes]]:
    """Yield at most so many keys and values that begin with a prefix, those behind a key."""
    cursor = txn.cursor()
    more = cursor.set_range(after or prefix)
    while more and most and cursor.key().startswith(prefix):
        if cursor.key() != after:
            yield cursor.item()
            most -= 1
        more = cursor.next()
