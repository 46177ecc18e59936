"""Where things stand in the cache's store: namespaces, sides, keys, counts.

A key is namespace, kind, hash, question: five octets of bits, type and class, and the name. Every value begins with
the monotonic time (s, a double) at which it is of no more use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final
from zlib import crc32

NAMESPACE_BYTES: Final = 8
MARK_BYTES: Final = 4  # the hash of a question
SUCCESS: Final = b"s"
DENIAL: Final = b"d"
MARK: Final = b"m"  # a refresh under way, or not to be tried again yet
COUNT: Final = b"#"  # how many entries a side has
ALIVE: Final = b"a"  # some configuration still uses the namespace
NOTE: Final = b"n"  # what the cache in force says of itself
LABEL: Final = b"l"  # a `server` label under which its metrics are counted
FOREVER: Final = 1e18
_ENDS = struct.Struct("<d")
ends_at = _ENDS.unpack_from  # of a value: when it is of no more use, as a tuple of one
_COUNT = struct.Struct("<dQ")


class Side:
    """The success or the denial half of one cache. `flushed(entries, evicted)` is called after each write to it.

    `cold` are entries that may make room next, as (key, when it is over).
    """

    def __init__(self, namespace: bytes, kind: bytes, capacity: int) -> None:
        self.namespace = namespace
        self.prefix = namespace + kind
        self.count_key = namespace + COUNT + kind
        self.capacity = capacity
        self.cold: list[tuple[bytes, float]] = []
        self.flushed: Callable[[int, int], None] = lambda entries, evicted: None


def tail(question: bytes) -> bytes:
    """Return the part of a key behind the prefix."""
    return crc32(question).to_bytes(MARK_BYTES, "big") + question


def mark_key(key: bytes) -> bytes:
    """Return where the refresh of an entry is noted."""
    return key[:NAMESPACE_BYTES] + MARK + key[NAMESPACE_BYTES:]


def count(value: bytes) -> int:
    """Read the number of a side's entries."""
    return int(_COUNT.unpack(value)[1])


def entries_of(txn: Any, count_key: bytes) -> int:
    """Return how many entries a side has."""
    value = txn.get(count_key)
    return 0 if value is None else count(value)


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


def mark_of(key: bytes) -> int:
    """Return the hash of an entry's question."""
    return int.from_bytes(key[NAMESPACE_BYTES + 1 : NAMESPACE_BYTES + 1 + MARK_BYTES], "big")


def ends(value: bytes) -> float:
    """Return when (monotonic s) a value is of no more use."""
    return float(_ENDS.unpack_from(value)[0])
