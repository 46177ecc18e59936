r"""Denials made for one question: an NSEC record at the very name, that claims almost every type ("black lies").

Every name exists that way, so no name beside the one that was asked for is disclosed and one signature does.
"""

from __future__ import annotations

from typing import Final

from shardns.worker.wire.codes import (
    AAAA,
    DNSKEY,
    DS,
    HINFO,
    MX,
    NS,
    NSEC,
    RRSIG,
    SOA,
    SRV,
    TXT,
    A,
)  # fmt: skip
from shardns.worker.wire.names import MAX_LABEL_BYTES, MAX_NAME_BYTES, ROOT
from shardns.worker.wire.records import RRset

_LOC, _CERT, _SSHFP, _TLSA, _HIP, _OPENPGPKEY, _SPF = 29, 37, 44, 52, 55, 61, 99
_USUAL: Final = (
    A, HINFO, TXT, AAAA, _LOC, SRV, _CERT, _SSHFP, RRSIG, NSEC, _TLSA, _HIP, _OPENPGPKEY, _SPF,
)  # fmt: skip
APEX: Final = frozenset((*_USUAL, NS, SOA, MX, DNSKEY))
NAME: Final = frozenset(_USUAL)
CUT: Final = frozenset((*_USUAL, NS))
_LEAST: Final = b"\1\0"  # the first label of the name that follows another one directly


def denial(owner: bytes, zone: bytes, qtype: int, ttl: int, delegation: bool) -> RRset:
    """Return the NSEC record for a question; `owner` is spelled as it was asked."""
    if owner.lower() == zone:
        types = APEX if delegation else APEX - ({qtype} - {NSEC})
    elif delegation or qtype == DS:
        types = CUT
    else:
        types = NAME - ({qtype} - {NSEC})
    following = after_below(owner) if delegation else after(owner)
    return RRset(owner, NSEC, ttl, (following + bitmap(types),))


def after(name: bytes) -> bytes:
    """Return the first name canonically behind a name; where that is too long, one behind it all the same."""
    if name == ROOT:
        return _LEAST + ROOT
    return _LEAST + name if len(name) + len(_LEAST) <= MAX_NAME_BYTES else after_below(name)


def after_below(name: bytes) -> bytes:
    """Return the first name behind a name and all names below it."""
    size = name[0]
    if size and size < MAX_LABEL_BYTES and len(name) < MAX_NAME_BYTES:
        return bytes((size + 1,)) + name[1 : size + 1] + b"\0" + name[size + 1 :]
    label = name[1 : size + 1].rstrip(b"\xff")
    if not label:
        return _LEAST + name[-min(len(name), MAX_NAME_BYTES - len(_LEAST)) :] if not size else name[size + 1 :]
    return bytes((len(label),)) + label[:-1] + bytes((label[-1] + 1,)) + name[size + 1 :]


def bitmap(types: frozenset[int]) -> bytes:
    """Encode types below 256 (RFC 4034 §4.1.2)."""
    octets = bytearray(32)
    for rtype in types:
        octets[rtype >> 3] |= 0x80 >> (rtype & 7)
    used = bytes(octets).rstrip(b"\0")
    return bytes((0, len(used))) + used
