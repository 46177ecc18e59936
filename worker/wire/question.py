"""Queries to bytes, for those that do not go out as they came in: follow-ups, rewritten names, probes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .edns import Edns

if TYPE_CHECKING:
    from ..query import Query

_HEADER = struct.Struct("!HHHHHH")
_TAIL = struct.Struct("!HH")


def question(ident: int, flags: int, owner: bytes, qtype: int, qclass: int = 1, edns: Edns | None = None) -> bytes:
    """Return a message with one question and at most an OPT; `flags` is the header's second word."""
    head = _HEADER.pack(ident, flags, 1, 0, 0, 0 if edns is None else 1)
    return head + owner + _TAIL.pack(qtype, qclass) + (b"" if edns is None else edns.wire)


def encode(query: Query, ident: int) -> bytes:
    """Return a query under another ID: the client's own octets where it is unchanged, else made from its parts."""
    if query.wire:
        return ident.to_bytes(2, "big") + query.wire[2:]
    return question(ident, query.flags, query.owner, query.qtype, query.qclass, query.edns)
