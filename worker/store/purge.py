"""Deleting zones that nobody points to any more, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from . import layout

SLICE: Final = 5_000  # keys deleted in one transaction
_WORD: Final = 4


def adopt(environment: Any, server: bytes) -> None:
    """Make the environment this server's: the tables of an earlier one go, its zones stay to be found by digest.

    `server` names the running server; a keeper that replaces a dead one of the same server changes nothing.
    """
    with environment.begin(write=True) as txn:
        if txn.get(layout.SERVER) == server:
            return
        for prefix in (layout.TABLE, layout.STAGED):
            for key in _keys(txn, prefix):
                txn.delete(key)
        txn.put(layout.SERVER, server)


def purge(environment: Any, live: Collection[int], pinned: Callable[[], Collection[int]] = tuple) -> Iterator[None]:
    """Drop the tables of generations that are not `live`, then every zone that no table mentions; pauses in between.

    A zone that a live generation is writing is left alone, and those that `pinned` names. Readers of a dropped zone
    keep their snapshot.
    """
    with environment.begin(write=True) as txn:
        for key in _keys(txn, layout.TABLE):
            if layout.table_generation(key) not in live:
                txn.delete(key)
        for key in _keys(txn, layout.STAGED):
            if layout.table_generation(txn.get(key)) not in live:
                txn.delete(key)
    yield
    with environment.begin() as txn:
        wanted = _mentioned(txn)
        unwanted = [number for number in _stored(txn) if number not in wanted]
    kept = pinned()
    for number in unwanted:
        if number in kept:
            continue
        yield from _drop(environment, number)


def _keys(txn: Any, prefix: bytes) -> list[bytes]:
    cursor = txn.cursor()
    found = []
    more = cursor.set_range(prefix)
    while more and cursor.key().startswith(prefix):
        found.append(cursor.key())
        more = cursor.next()
    cursor.close()
    return found


def _mentioned(txn: Any) -> set[int]:
    found = {layout.zone_id(key[1:]) for key in _keys(txn, layout.STAGED)}
    return found | {layout.read_entry(txn.get(key))[0] for key in _keys(txn, layout.TABLE)}


def _stored(txn: Any) -> list[int]:
    """Return the ids of all zones, complete or not."""
    found = {layout.zone_id(key[1:]) for key in _keys(txn, layout.META)}
    cursor = txn.cursor()
    more = cursor.set_range(layout.NODE)
    while more and cursor.key().startswith(layout.NODE):
        number = layout.zone_id(cursor.key()[1:])
        found.add(number)
        more = cursor.set_range(layout.node_prefix(number + 1))
    return sorted(found)


def _drop(environment: Any, number: int) -> Iterator[None]:
    prefix = layout.node_prefix(number)
    with environment.begin(write=True) as txn:
        value = txn.get(layout.meta_key(number))
        if value is not None:
            digest = layout.DIGEST + layout.Meta.decode(value).digest
            if txn.get(digest) == layout.id_value(number):
                txn.delete(digest)
            txn.delete(layout.meta_key(number))
    more = True
    while more:
        with environment.begin(write=True) as txn:
            cursor = txn.cursor()
            more = cursor.set_range(prefix)
            for _ in range(SLICE):
                more = more and cursor.key().startswith(prefix) and cursor.delete()
                if not more:
                    break
        yield
