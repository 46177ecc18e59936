"""Keys and values of the zones environment; everything else in this folder asks here.

| key | value |
|---|---|
| `C` | the last zone id given |
| `D` digest | zone id whose content has that digest |
| `O` | the server whose tables these are |
| `M` id | flags, digest, records at the apex: the zone is complete |
| `S` id | generation that is writing it |
| `T` generation owner `\0` origin | zone id, state |
| `n` id key | a node |
| `n` id 1 hash | the NSEC3 record with that hash, and its signatures; keys of names begin with 0 |

Nodes sort last, so that a load, which writes in order under the highest id, appends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

COUNTER: Final = b"C"
DIGEST: Final = b"D"
META: Final = b"M"
SERVER: Final = b"O"
STAGED: Final = b"S"
TABLE: Final = b"T"
NODE: Final = b"n"

# What a zone holds anywhere below its apex; the look-up skips the steps that a zone does not need.
WILDCARDS: Final = 1
CUTS: Final = 2
DNAMES: Final = 4
DENIALS: Final = 8  # NSEC records
HASHED: Final = 16  # a complete chain of NSEC3 records, kept apart from the names
PROOFS: Final = 32  # with NSEC, also the proofs that the reference leaves out
DEEP: Final = 0x80  # names more than one label below the apex: only then can there be empty non-terminals

EXPIRED: Final = 1  # state of a table entry: the zone is known, its data may no longer be used (RFC 1035 §3.3.13)

_META = struct.Struct("!HHI")
_ENTRY = struct.Struct("!IB")
_WORD = struct.Struct("!I")
_GENERATION = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a complete zone: flags, digest, number of nodes, and the node kept apart for the apex."""

    flags: int
    digest: bytes
    nodes: int
    apex: bytes

    def encode(self) -> bytes:
        """Return the stored form."""
        return _META.pack(self.flags, len(self.digest), self.nodes) + self.digest + self.apex

    @classmethod
    def decode(cls, value: bytes) -> Meta:
        """Read the stored form."""
        flags, size, nodes = _META.unpack_from(value)
        return cls(flags, value[8 : 8 + size], nodes, value[8 + size :])


def meta_key(zone_id: int) -> bytes:
    """Key of a zone's meta record."""
    return META + _WORD.pack(zone_id)


def staged_key(zone_id: int) -> bytes:
    """Key of the note that a zone is being written."""
    return STAGED + _WORD.pack(zone_id)


def node_prefix(zone_id: int) -> bytes:
    """What the keys of all nodes of a zone begin with."""
    return NODE + _WORD.pack(zone_id)


def hashed_prefix(zone_id: int) -> bytes:
    """What the keys of a zone's NSEC3 records begin with."""
    return NODE + _WORD.pack(zone_id) + b"\1"


def zone_id(value: bytes) -> int:
    """Read a zone id from a value, or from the part of a key behind its first octet."""
    return int(_WORD.unpack_from(value)[0])


def id_value(number: int) -> bytes:
    """Encode a zone id."""
    return _WORD.pack(number)


def table_prefix(generation: int, owner: str | None = None) -> bytes:
    """What the keys of a generation's table begin with, or of one publisher's part of it."""
    prefix = TABLE + _GENERATION.pack(generation)
    return prefix if owner is None else prefix + owner.encode() + b"\0"


def table_generation(key: bytes) -> int:
    """Return the generation that a table key or the value of a staged note belongs to."""
    return int(_GENERATION.unpack_from(key, 1)[0])


def generation_value(generation: int) -> bytes:
    """Encode a generation as the value of a staged note."""
    return STAGED + _GENERATION.pack(generation)


def entry(number: int, state: int) -> bytes:
    """Encode a table entry."""
    return _ENTRY.pack(number, state)


def read_entry(value: bytes) -> tuple[int, int]:
    """Return zone id and state of a table entry."""
    number, state = _ENTRY.unpack(value)
    return number, state
