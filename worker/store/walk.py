"""All records of a zone, for transfers: slice by slice, without holding a snapshot in between.

Names are in canonical order, the NSEC3 records of its chain behind them in the order of their hashes.

A zone id is immutable, so a walk may be interrupted for any time as long as the zone is not swept; `pins` sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..wire.records import RRset, Section
from .hashed import label
from .layout import meta_key
from .nodes import Node, name_of
from .reader import Zone

SLICE_NODES: Final = 200  # below a millisecond


def apex_of(zone: Zone) -> list[RRset]:
    """Return SOA, its signatures, the apex NS and theirs: what stands before everything else."""
    return [*zone.soa_signed, *zone.ns_signed]


class ZoneGone(Exception):
    """The zone was swept before the walk was over."""


def walk(zone: Zone) -> Iterator[list[Section]]:
    """Yield the records of all names but those of `apex_of`, a section a type, a few hundred names at a time.

    Each slice opens the store's snapshot if it is not open; close it (`Store.end`) before waiting.
    Raises ZoneGone where the zone went away in between.
    """
    prefix = zone.prefix
    at = prefix
    while at:
        found: list[Section] = []
        if zone.store.txn.get(meta_key(zone.number)) is None:
            raise ZoneGone
        cursor = zone.store.cursor
        more = cursor.set_range(at)
        for _ in range(SLICE_NODES):
            if not more or not cursor.key().startswith(prefix):
                at = b""
                break
            key, value = cursor.item()
            part = key[len(prefix) :]
            name = label(part[1:]) + zone.origin if part.startswith(b"\1") else name_of(part)
            found += Node(name, value).sets.values()
            more = cursor.next()
        else:
            at = cursor.key() if more else b""
        yield found
