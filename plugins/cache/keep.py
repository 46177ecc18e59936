"""What becomes of a reply from below: how long it may be kept, what the client sees of it, what is stored.

1. Every record of a reply gets one TTL, also when the reply is not stored.
2. OPT records belong to one hop and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from shardns.worker.classify import Kind, classify, minimal_ttl
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import AD, RA, SOA, TC, Rcode
from shardns.worker.wire.packed import template

from .item import AUTHENTIC, RECURSIVE, RESOLVES, Item
from .options import Options
from .resolve import matches, resolves

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

    def verdict(self, query: Query, reply: Reply) -> Verdict:
        """Classify a reply as the cache does."""
        kind = classify(query, reply, self.wall())
        right = resolves(query, reply)
        if reply.flags & TC or kind in _NEVER:
            return Verdict(kind, right, False)
        if kind is Kind.NXDOMAIN:
            return Verdict(kind, right, _has_soa(reply))
        if kind is Kind.NOERROR and reply.answer and not right:
            # RFC 2308 §2.2: an alias without an end is a denial; without an SOA record nothing says for how long.
            denied = _has_soa(reply)
            return Verdict(Kind.NODATA if denied else kind, right, denied)
        return Verdict(kind, right, True)

    def lifetime(self, reply: Reply, kind: Kind) -> float:
        """Return how long (s) a reply of a kind is kept; its whole seconds are what clients see."""
        if kind is Kind.SERVERERROR:
            return self.failure_s
        if kind in _DENIED:
            return min(max(minimal_ttl(reply, kind, self.most_denied), self.least_denied), self.most_denied)
        return min(max(minimal_ttl(reply, kind, self.most), self.least), self.most)

    def usable(self, query: Query, reply: Reply) -> bool:
        """Tell whether a reply is a complete answer to the question (`prefer_positive`)."""
        if reply.flags & TC:
            return False
        verdict = self.verdict(query, reply)
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
        verdict = self.verdict(query, reply)
        lifetime = self.lifetime(reply, verdict.kind)
        blank = template(reply.answer, reply.authority, reply.additional)
        flags = (
            (AUTHENTIC if reply.flags & AD else 0)
            | (RECURSIVE if reply.flags & RA else 0)
            | (RESOLVES if verdict.resolves else 0)
        )
        item = Item(now, int(lifetime), flags, reply.rcode, blank, wildcard)
        word = reply.flags if tells_ad else reply.flags & ~AD
        shown = Reply(reply.rcode, word, *blank.fill(int(lifetime)), None, reply.opcode, reply.compress)
        return shown, item, verdict if lifetime > 0 else verdict._replace(keepable=False)


def _has_soa(reply: Reply) -> bool:
    return any(rrset.rtype == SOA for rrset in reply.authority)
