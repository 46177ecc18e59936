"""Signatures made on the fly, and the cache of them. Per worker: another worker's signature is as good.

1. A signature holds from 3 hours ago for 8 days and is used again while it will hold for 2 more days.
2. The cache knows a set of records by its octets, TTL included.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from shardns.worker.wire.codes import RRSIG
from shardns.worker.wire.records import RRset
from shardns.worker.zone.keys import KeyPair, Lifetime, rrsig

INCEPTION_S: Final = 3 * 3600  # before now
VALIDITY_S: Final = 8 * 86400
RESERVE_S: Final = 2 * 86400  # a kept signature holds at least that much longer
SWEEP_S: Final = 8 * 3600
ORIGINAL_TTL_S: Final = 3600
_SHARDS: Final = 256  # of the reference's cache, each of at least 4 entries
_LEAST: Final = 4

Mark = tuple[bytes, bytes]
Made = tuple[tuple[bytes, ...], int, int]


class Signatures:
    """Makes and keeps signatures. `clock` is in s since 1970; `hits` and `misses` count since they were last read."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self.capacity = max(capacity // _SHARDS, _LEAST) * _SHARDS
        self.clock = clock
        self.kept: OrderedDict[Mark, Made] = OrderedDict()  # whose first one is found at once, unlike a dict's
        self.next_sweep = clock() + SWEEP_S
        self.hits = 0
        self.misses = 0

    def sign(self, keys: Sequence[KeyPair], zone: bytes, rrset: RRset, ttl: int) -> tuple[RRset | None, float]:
        """Return the RRSIGs of a set by these keys, and until when they may be used; None where a key fails."""
        now = self.clock()
        mark = (zone, rrset.wire)
        made = self.kept.get(mark)
        if made is not None and made[1] <= now + RESERVE_S <= made[2]:
            self.hits += 1
        else:
            self.misses += 1
            made = self._make(keys, zone, rrset, int(now))
            if made is None:
                return None, now
            if made[0]:
                self._keep(mark, made, now)
        rdatas, _, expiration = made
        if not rdatas:
            return None, expiration - RESERVE_S
        return RRset(rrset.owner, RRSIG, ttl, rdatas, rrset.rclass), expiration - RESERVE_S

    def _make(self, keys: Sequence[KeyPair], zone: bytes, rrset: RRset, now: int) -> Made | None:
        life = Lifetime(now - INCEPTION_S, now + VALIDITY_S)
        owner, rtype, rclass, rdatas = rrset.owner, rrset.rtype, rrset.rclass, rrset.rdatas
        try:
            made = tuple(rrsig(key, zone, life, owner, rtype, rclass, ORIGINAL_TTL_S, rdatas) for key in keys)
        except ValueError:
            return None  # a partial set would be worse than none: a validator may ask for just that algorithm
        return made, life.inception, life.expiration

    def _keep(self, mark: Mark, made: Made, now: float) -> None:
        if now >= self.next_sweep:
            self.next_sweep = now + SWEEP_S
            for old in [m for m, m_made in self.kept.items() if not m_made[1] <= now + RESERVE_S <= m_made[2]]:
                del self.kept[old]
        if len(self.kept) >= self.capacity and mark not in self.kept:
            self.kept.popitem(last=False)
        self.kept[mark] = made
