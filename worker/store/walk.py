"""All records of a zone, for transfers: slice by slice, without holding a snapshot in between.

Names are in canonical order, the NSEC3 records of its chain behind them in the order of their hashes.

A zone id is immutable, so a walk may be interrupted for any time as long as the zone is not swept; `pins` sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..wire.records import RRset
from .hashed import label
from .layout import meta_key
from .nodes import MANY, every, name_of
from .reader import Zone

SLICE_NODES: Final = 200  # below half a millisecond
Records = tuple[bytes, int]  # octets of records, uncompressed, and how many they are


def apex_of(zone: Zone) -> list[RRset]:
    """Return SOA, its signatures, the apex NS and theirs: what stands before everything else."""
    return [*zone.soa_signed, *zone.ns_signed]


class ZoneGone(Exception):
    """The zone was swept before the walk was over."""


def walk(zone: Zone) -> Iterator[list[Records]]:
    """Yield the records of all names but those of `apex_of`, a name each, a few hundred names at a time.

    Each slice opens the store's snapshot if it is not open; close it (`Store.end`) before waiting.
    Raises ZoneGone where the zone went away in between.
    """
    # Hot: a million names are 1.5 s.
    prefix = zone.prefix
    size = len(prefix)
    stem = zone.own_key + b"\0"
    depth = stem.count(b"\0", size)
    origin = zone.origin
    at = prefix
    while at:
        found: list[Records] = []
        if zone.store.txn.get(meta_key(zone.number)) is None:
            raise ZoneGone
        cursor = zone.store.cursor
        more = cursor.set_range(at)
        for _ in range(SLICE_NODES):
            if not more or not cursor.key().startswith(prefix):
                at = b""
                break
            key, value = cursor.item()
            if key.startswith(stem) and key.count(b"\0", size) == depth and b"\1" not in key[size:]:
                last = key[len(stem) :]
                name = bytes((len(last),)) + last + origin
            elif key[size : size + 1] == b"\1":
                name = label(key[size + 1 :]) + origin
            else:
                name = name_of(key[size:])
            found.append(every(name, value) if value.startswith(MANY) else (name + value, 1))
            more = cursor.next()
        else:
            at = cursor.key() if more else b""
        yield found
