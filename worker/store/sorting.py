"""From records in file order to nodes in canonical order.

Records are sorted as `key 0 0 place record`, the place being a record's number in four octets: no label is empty and a
key holds no two zero octets in a row, so that is the canonical order of names (RFC 4034 §6.1) and, within a name, the
order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..wire.codes import DNAME, NS, NSEC, NSEC3
from .layout import CUTS, DEEP, DENIALS, DNAMES, WILDCARDS
from .nodes import Stored, name_of, pack, parted

_SLICE: Final = 10_000
_END: Final = b"\0\0"  # of a key
_NSEC3: Final = NSEC3.to_bytes(2, "big")
_HAS_NSEC3: Final = 0x8000  # among the flags of a slice, in here only
_FLAGS: Final = {
    NS.to_bytes(2, "big"): CUTS,
    DNAME.to_bytes(2, "big"): DNAMES,
    NSEC.to_bytes(2, "big"): DENIALS,
    _NSEC3: _HAS_NSEC3,
}
Pairs = list[tuple[bytes, bytes]]


def nodes_of(
    entries: list[bytes], prefix: bytes, owners: dict[int, bytes], labels: int, hashed: Pairs
) -> Iterator[tuple[int, Pairs]]:
    """Yield (flags, nodes) slice by slice, emptying the list.

    `owners` has the spelling of those records, by place, whose owner is not lower case; `labels` counts those of the
    apex. NSEC3 records and their signatures go to `hashed` instead.
    """
    entries.sort(reverse=True)  # so that a slice is cut off the end
    while entries:
        chunk = entries[-_SLICE:]
        del entries[-_SLICE:]
        chunk.reverse()
        last = chunk[-1][: chunk[-1].index(_END) + 2]
        while entries and entries[-1].startswith(last):  # a name's records stay together
            chunk.append(entries.pop())
        flags, pairs = _nodes(chunk, prefix, owners, labels + 1)
        if flags & _HAS_NSEC3:
            pairs = _set_apart(pairs, len(prefix), hashed)
        yield flags & ~_HAS_NSEC3, pairs


def _nodes(chunk: list[bytes], prefix: bytes, owners: dict[int, bytes], shallow: int) -> tuple[int, Pairs]:
    # Hot: a million times in a large load, 0.9 µs a record.
    pairs: Pairs = []
    add = pairs.append
    types: set[bytes] = set()
    flags = 0
    last: bytes | None = None
    body = b""
    group: list[bytes] | None = None
    for entry in chunk:
        at = entry.index(_END)
        key = entry[:at]
        if key == last:
            if group is None:
                group = [body]
            group.append(entry[at + 2 :])
            continue
        if last is not None:
            add((prefix + last, body[4:] if group is None else _many(last, group, owners)))
        last = key
        body = entry[at + 2 :]
        group = [body] if owners and int.from_bytes(body[:4], "big") in owners else None
        if key.count(b"\0") > shallow:
            flags |= DEEP
        if b"\0*" in key and (key.endswith(b"\0*") or b"\0*\0" in key):
            flags |= WILDCARDS
        types.add(body[4:6])
    if last is not None:
        add((prefix + last, body[4:] if group is None else _many(last, group, owners)))
    # Only the first record of a name was looked at, so look at names of several records again.
    for _, value in pairs:
        if value.startswith(_END):
            types.update(_types(value))
    for rtype, flag in _FLAGS.items():
        if rtype in types:
            flags |= flag
    return flags, pairs


def _set_apart(pairs: Pairs, at: int, hashed: Pairs) -> Pairs:
    """Move NSEC3 records and their signatures over; what else there is at such a name stays (RFC 5155 appendix A)."""
    kept: Pairs = []
    for key, value in pairs:
        if not value.startswith(_END):
            (hashed if value[:2] == _NSEC3 else kept).append((key, value))
            continue
        moved, rest = parted(name_of(key[at:]), value, NSEC3)
        if moved:
            hashed.append((key, moved))
        if rest:
            kept.append((key, rest))
    return kept


def _types(value: bytes) -> Iterator[bytes]:
    at = 2
    while at < len(value):
        yield value[at : at + 2]
        at += 8 + int.from_bytes(value[at + 4 : at + 8], "big")


def _many(key: bytes, group: list[bytes], owners: dict[int, bytes]) -> bytes:
    name = name_of(key)
    records: list[Stored] = [(owners.get(int.from_bytes(r[:4], "big"), name), r[4:]) for r in group]
    return pack(name, records)
