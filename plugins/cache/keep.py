"""What becomes of a reply from below: how long it may be kept, what the client sees of it, what is stored.

1. Every record of a reply gets one TTL, also when the reply is not stored.
2. OPT records belong to one hop and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from shardns.worker.classify import Kind, classify
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import AD, RA, TC, Rcode
from shardns.worker.wire.filled import FilledReply

from .item import AUTHENTIC, RECURSIVE, RESOLVES, Item
from .options import Options
from .resolve import matches
from .survey import Survey, survey

# Tuples, since looking an Enum member up by identity takes a fifth of hashing it.
_NEVER = (Kind.OTHERERROR, Kind.META, Kind.UPDATE)
POSITIVE = (Kind.NOERROR, Kind.DELEGATION)
_DENIED = (Kind.NXDOMAIN, Kind.NODATA)


class Verdict(NamedTuple):
    """What a reply is: its kind, whether it resolves the question, and whether it may be kept at all."""

    kind: Kind
    resolves: bool
    keepable: bool


class Judge:
    """The rules of one cache. `wall` is the time of day, which signatures are compared with."""

    def __init__(self, options: Options, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        _, self.most, self.least = options.positive
        _, self.most_denied, self.least_denied = options.negative
        self.failure_s = options.servfail

    def verdict(self, reply: Reply, found: Survey) -> Verdict:
        """Judge a reply as the cache does."""
        kind, right = found.kind, found.resolves
        if reply.flags & TC or kind in _NEVER:
            return Verdict(kind, right, False)
        if kind is Kind.NXDOMAIN:
            return Verdict(kind, right, found.has_soa)
        if kind is Kind.NOERROR and not right and found.blank.counts[0]:
            # RFC 2308 §2.2: an alias without an end is a denial; without an SOA record nothing says for how long.
            return Verdict(Kind.NODATA if found.has_soa else kind, right, found.has_soa)
        return Verdict(kind, right, True)

    def lifetime(self, kind: Kind, ttl_s: int) -> float:
        """Return how long (s) a reply of a kind is kept; its whole seconds are what clients see."""
        if kind is Kind.SERVERERROR:
            return self.failure_s
        most, least = (self.most_denied, self.least_denied) if kind in _DENIED else (self.most, self.least)
        return min(max(min(ttl_s, most), least), most)

    def usable(self, query: Query, reply: Reply) -> bool:
        """Tell whether a reply is a complete answer to the question (`prefer_positive`)."""
        if reply.flags & TC:
            return False
        verdict = self.verdict(reply, survey(query, reply, self.wall()))
        return verdict.kind is Kind.NOERROR and verdict.resolves

    def refreshes(self, query: Query, reply: Reply) -> bool:
        """Tell whether a reply may take the place of an expired one (RFC 8767 §4)."""
        if reply.flags & TC or not matches(query, reply):
            return False
        return reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) and classify(query, reply, self.wall()) not in _NEVER

    def keep(
        self, query: Query, reply: Reply, now: float, wildcard: str = "", *, tells_ad: bool
    ) -> tuple[Reply, Item, Verdict]:
        """Return the reply with its one TTL, the item to be stored, and whether that may be done."""
        found = survey(query, reply, self.wall())
        verdict = self.verdict(reply, found)
        lifetime = self.lifetime(verdict.kind, found.ttl_s)
        seconds = int(lifetime)
        asked = reply.flags
        flags = (
            (AUTHENTIC if asked & AD else 0) | (RECURSIVE if asked & RA else 0) | (RESOLVES if verdict.resolves else 0)
        )
        item = Item(now, seconds, flags, reply.rcode, found.blank, wildcard)
        word = asked if tells_ad else asked & ~AD
        shown = FilledReply(reply.rcode, word, found.blank, seconds, reply.opcode, reply.compress)
        return shown, item, verdict if lifetime > 0 else verdict._replace(keepable=False)
