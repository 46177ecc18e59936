"""Proofs of NSEC3 zones (RFC 5155 §7.2).

The NSEC3 records of a zone's chain stand apart from its names, under `prefix 1 hash`: predecessor and wrap-around are
cursor steps, and no query can find their owner names (RFC 5155 §7.2.8).
"""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import sha1
from typing import Final, NamedTuple

from ..wire.codes import NSEC3, NSEC3PARAM
from ..wire.packed import packed
from ..wire.records import EMPTY, Section
from .layout import hashed_prefix
from .lineage import lineage
from .nodes import MANY, picked
from .reader import Zone

STAR: Final = b"\1*"
HASH_BYTES: Final = 20  # SHA-1, the only algorithm there is (RFC 5155 §11)
MAX_ITERATIONS: Final = 2500  # RFC 5155 §10.3: more is not to be validated by anybody
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
_PAIRS: Final = tuple(bytes((high, low)) for high in _DIGITS for low in _DIGITS)
_SHIFTS: Final = tuple(range(8 * HASH_BYTES - 10, -1, -10))
_FROM_HEX32: Final = bytes.maketrans(_DIGITS, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


class Chain(NamedTuple):
    """How a chain hashes (RFC 5155 §4.1)."""

    iterations: int
    salt: bytes


def chain(rdata: bytes) -> Chain | None:
    """Read the rdata of an NSEC3PARAM or NSEC3 record; None for a hash or an effort that is not to be used."""
    found = Chain(int.from_bytes(rdata[2:4], "big"), rdata[5 : 5 + rdata[4]])
    return found if rdata[0] == 1 and found.iterations <= MAX_ITERATIONS else None


def digest(name: bytes, by: Chain) -> bytes:
    """Hash a lower-case name (RFC 5155 §5)."""
    salt = by.salt
    value = sha1(name + salt).digest()
    for _ in range(by.iterations):
        value = sha1(value + salt).digest()
    return value


_kept_digest = lru_cache(maxsize=4096)(digest)


def label(value: bytes) -> bytes:
    """Return a hash as the label of an owner name: lower-case base32hex (RFC 4648 §7)."""
    # Hot: once for each proof that nobody has asked for yet. 1.6 µs; base64.b32encode takes twice as long.
    number = int.from_bytes(value, "big")
    return b"\x20" + b"".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def hash_of(owner: bytes) -> bytes | None:
    """Return the hash that a lower-case owner's first label stands for; None where it is none."""
    if owner[0] != 32:
        return None
    try:
        return base64.b32decode(owner[1:33].translate(_FROM_HEX32))
    except ValueError:
        return None


# Proofs ---------------------------------------------------------------------------------------------------------------


def span(zone: Zone, name: bytes) -> bytes:
    """Return the store key of the NSEC3 record whose span a missing name's hash lies in; empty where there is none."""
    by = zone.chain or _chain(zone)
    return _span(zone, zone.hashes + digest(name, by)) if by is not None else b""


def around(zone: Zone, encloser: bytes) -> tuple[list[Section], list[Section]]:
    """RFC 5155 §7.2.2: what stands before and behind the record that covers the next closer name.

    Before it the closest encloser's own record, behind it what covers the wildcard. Where an encloser has no record,
    below an opt-out span, the front has the whole proof of one further up.
    """
    own = _matching(zone, encloser)
    front = [own]
    if not own:
        encloser, front = _encloser(zone, encloser)
    return front, [_covering(zone, STAR + encloser)]


def of_type(zone: Zone, name: bytes) -> list[Section]:
    """RFC 5155 §7.2.3 and §7.2.4; a name without a record of its own is proved to be below an opt-out span."""
    own = _matching(zone, name)
    return [own] if own else distinct(_encloser(zone, name)[1])


def of_closer(zone: Zone, name: bytes, wildcard: bytes) -> list[Section]:
    """RFC 5155 §7.2.6: the name one label below the wildcard's parent does not exist."""
    return [_covering(zone, _next_closer(name, wildcard[2:]))]


def of_type_at_wildcard(zone: Zone, name: bytes, wildcard: bytes) -> list[Section]:
    """RFC 5155 §7.2.5."""
    parent = wildcard[2:]
    return distinct([
        _matching(zone, parent), _covering(zone, _next_closer(name, parent)), _matching(zone, wildcard),
    ])  # fmt: skip


def _encloser(zone: Zone, name: bytes) -> tuple[bytes, list[Section]]:
    """Return the closest provable encloser, and the proof of it (RFC 5155 §7.2.1)."""
    names = [zone.origin]
    for below in lineage(name, zone.size):
        names.append(below)
        if below == name or (zone.node(below) is None and not zone.has_below(below)):
            break
    closer = names.pop()
    while names:
        own = _matching(zone, names[-1])
        if own:
            return names[-1], [own, _covering(zone, closer)]
        closer = names.pop()
    return zone.origin, []


def _next_closer(name: bytes, parent: bytes) -> bytes:
    while len(name) - name[0] - 1 > len(parent):
        name = name[1 + name[0] :]
    return name


def distinct(sections: list[Section]) -> list[Section]:
    """Return the sections without empty ones and repetitions; octets are compared, records stay undecoded."""
    found: list[Section] = []
    for section in sections:
        if section and not any(section is known or section.wire == known.wire for known in found):
            found.append(section)
    return found


# Records --------------------------------------------------------------------------------------------------------------


def chain_of(zone: Zone) -> Chain | None:
    """Return the parameters of the zone's chain: those whose NSEC3 of the apex is stored."""
    apex = zone.node(zone.origin)
    for rrset in apex.get(NSEC3PARAM) if apex is not None else EMPTY:
        for rdata in rrset.rdatas:
            found = chain(rdata)
            if found and zone.store.txn.get(hashed_prefix(zone.number) + digest(zone.origin, found)) is not None:
                return found
    return None


def _chain(zone: Zone) -> Chain | None:
    if zone.chain is None:
        zone.chain = chain_of(zone)
    found: Chain | None = zone.chain
    return found


def _hashed(zone: Zone, name: bytes) -> bytes:
    by = _chain(zone)
    return zone.hashes + (_kept_digest(name, by) if by is not None else b"")


def _matching(zone: Zone, name: bytes) -> Section:
    """Return the NSEC3 record of a name that exists, with its signatures."""
    return _section(zone, _hashed(zone, name))


def _covering(zone: Zone, name: bytes) -> Section:
    """Return the NSEC3 record whose span a name's hash lies in; a name that exists has its own."""
    return _section(zone, _span(zone, _hashed(zone, name)))


def _span(zone: Zone, wanted: bytes) -> bytes:
    """Return the greatest key of the chain up to one; the chain is a ring, so before the first one comes the last."""
    cursor = zone.store.cursor
    prefix = zone.hashes
    found = cursor.set_range(wanted)
    if found and cursor.key() == wanted:
        return wanted
    if (cursor.prev() if found else cursor.last()) and cursor.key().startswith(prefix):
        at: bytes = cursor.key()
        return at
    behind = cursor.set_range(prefix + b"\xff" * (HASH_BYTES + 1))
    at = cursor.key() if (cursor.prev() if behind else cursor.last()) else b""
    return at if at.startswith(prefix) else b""


def _section(zone: Zone, at: bytes) -> Section:
    """Return the NSEC3 record at a store key, with its signatures; empty where there is none."""
    found = zone.proofs.get(at)
    if found is None:
        found = packed(*octets(zone, at))
        if found:
            zone.proofs[at] = found
            zone.store.count_proof()
    return found


def octets(zone: Zone, at: bytes) -> tuple[bytes, int]:
    """Return the octets of what `_section` returns, and how many records they are; it is not remembered."""
    value = zone.store.txn.get(at) if at else None
    if value is None:
        return b"", 0
    owner = label(at[-HASH_BYTES:]) + zone.origin
    if not value.startswith(MANY):  # unsigned
        return owner + value, 1
    return picked(owner, value, NSEC3)
