"""Telling which NSEC3 records of a zone make its chain (RFC 5155 §7.1), when the zone is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..wire.codes import NSEC3
from . import layout
from .hashed import HASH_BYTES, Chain, chain, digest, hash_of
from .nodes import name_of, pick
from .sorting import Pairs

_PREFIX_BYTES: Final = len(layout.node_prefix(0))


class BrokenChain(Exception):
    """NSEC3 records that prove nothing: `name` is the first of them."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self.name = name


def chain_nodes(number: int, origin: bytes, parameters: Iterable[bytes], nodes: Pairs) -> tuple[Pairs, Pairs]:
    """Return the nodes of the first complete chain under their keys by hash, and all others as they are."""
    by_chain: dict[Chain | None, dict[bytes, tuple[bytes, bytes, bytes]]] = {}
    for key, value in nodes:
        owner = name_of(key[_PREFIX_BYTES:])
        own = hash_of(owner) if owner[33:] == origin else None
        rdatas = [rdata for rrset in pick(owner, value, NSEC3) if rrset.rtype == NSEC3 for rdata in rrset.rdatas]
        by = chain(rdatas[0]) if own is not None and len(rdatas) == 1 else None
        if own is not None:
            by_chain.setdefault(by, {})[own] = (_next(rdatas[0]), key, value)
    for parameter in parameters:
        by = chain(parameter) if not parameter[1] else None  # RFC 5155 §4.1.2: unknown flags, an unusable chain
        ring = by_chain.get(by) if by is not None else None
        if by is not None and ring and digest(origin, by) in ring and _closed(ring):
            prefix = layout.hashed_prefix(number)
            taken = {key for _, key, _ in ring.values()}
            chosen = sorted((prefix + own, value) for own, (_, _, value) in ring.items())
            return chosen, [pair for pair in nodes if pair[0] not in taken]
    return [], nodes


def _next(rdata: bytes) -> bytes:
    """Return the next hashed owner name (RFC 5155 §3.2)."""
    at = 5 + rdata[4]
    return rdata[at + 1 : at + 1 + HASH_BYTES]


def _closed(ring: dict[bytes, tuple[bytes, bytes, bytes]]) -> bool:
    owners = sorted(ring)
    return all(
        ring[own][0] == after for own, after in zip(owners, [*owners[1:], owners[0]], strict=True)
    )  # fmt: skip
