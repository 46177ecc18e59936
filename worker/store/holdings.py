"""What the cache's store holds, for those who look from outside: notes of the caches in force, entries, deletion.

Work is done in slices: a long read would pin pages, a long write would keep the workers waiting.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from .cache import CacheStore
from .places import DENIAL, FOREVER, NAMESPACE_BYTES, NOTE, SUCCESS, remove
from .sweep import items, namespaces

LOOK: Final = 5000  # entries read in one slice
DELETE: Final = 500  # entries deleted in one transaction
TAIL_BYTES: Final = 9  # hash, bits, type and class before the name of a question
_ENTRIES: Final = (SUCCESS, DENIAL)
_ENDS: Final = struct.Struct("<d")


class Note(msgspec.Struct, frozen=True):
    """What a cache in force says of itself. `like` is its namespace without what a restart of the machine changes."""

    like: str
    keys: tuple[str, ...]
    zones: tuple[str, ...]
    view: str
    success: int
    denial: int

    def encode(self) -> bytes:
        """Return the value to be stored: it ends never, as every value begins with its end."""
        return _ENDS.pack(FOREVER) + msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class Held:
    """An entry: its cache, whether it is a denial, its question (bits, type, class, name) and its value."""

    namespace: bytes
    denied: bool
    bits: int
    qtype: int
    qclass: int
    name: bytes
    key: bytes
    value: bytes


def notes(store: CacheStore) -> dict[bytes, Note]:
    """Return the caches of the configuration in force by their namespaces."""
    found = {}
    with store.environment.begin() as txn:
        for namespace in namespaces(txn):
            note = txn.get(namespace + NOTE)
            if note is not None:
                found[namespace] = msgspec.json.decode(note[_ENDS.size :], type=Note)
    return found


def entries(store: CacheStore, names: Callable[[bytes], bool] = lambda name: True) -> Iterator[Held]:
    """Yield the entries of all namespaces whose names are wanted, those that are over too."""
    with store.environment.begin() as txn:
        spaces = list(namespaces(txn))
    for namespace in spaces:
        for kind in _ENTRIES:
            yield from _side(store, namespace + kind, names)


def _side(store: CacheStore, prefix: bytes, names: Callable[[bytes], bool]) -> Iterator[Held]:
    at = b""
    question = len(prefix) + TAIL_BYTES
    while True:
        with store.environment.begin() as txn:
            seen = [(key, value if names(key[question:]) else b"") for key, value in items(txn, prefix, at, LOOK)]
        for key, value in seen:
            if value:
                bits, qtype, qclass = key[question - 5], key[question - 4 : question - 2], key[question - 2 : question]
                yield Held(
                    prefix[:NAMESPACE_BYTES], prefix.endswith(DENIAL), bits, int.from_bytes(qtype, "big"),
                    int.from_bytes(qclass, "big"), key[question:], key, value,
                )  # fmt: skip
        if len(seen) < LOOK:
            return
        at = seen[-1][0]


def delete(store: CacheStore, keys: Iterable[bytes]) -> int:
    """Delete entries; returns how many there were."""
    gone = 0
    waiting = list(keys)
    for start in range(0, len(waiting), DELETE):
        with store.environment.begin(write=True) as txn:
            gone += remove(txn, waiting[start : start + DELETE])
    return gone
