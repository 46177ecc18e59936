"""What becomes of a reply from below: how long it may be kept, what the client sees of it, what is stored.

1. Every record of a reply gets one TTL, also when the reply is not stored.
2. OPT records belong to one hop and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from shardns.worker.classify import DELEGATION, NODATA, NOERROR, NXDOMAIN, OTHERERROR, SERVERERROR, Kind, classify
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import AD, RA, TC, Rcode
from shardns.worker.wire.filled import FilledReply

from .item import AUTHENTIC, RECURSIVE, RESOLVES, Item
from .options import Options
from .resolve import matches
from .survey import Survey, survey

# Tuples, since looking an Enum member up by identity takes a fifth of hashing it.
_NEVER = (OTHERERROR, Kind.META, Kind.UPDATE)
POSITIVE = (NOERROR, DELEGATION)
_DENIED = (NXDOMAIN, NODATA)


class Judge:
    """The rules of one cache. `wall` is the time of day, which signatures are compared with."""

    def __init__(self, options: Options, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        _, self.most, self.least = options.positive
        _, self.most_denied, self.least_denied = options.negative
        self.failure_s = options.servfail

    def kept_as(self, reply: Reply, found: Survey) -> tuple[Kind, bool]:
        """Return the kind that a reply counts as, and whether it may be kept at all."""
        kind, _, right, has_soa, blank = found
        if kind is NOERROR and (right or not blank.counts[0]):  # hot: what most are
            return kind, not reply.flags & TC
        if reply.flags & TC or kind in _NEVER:
            return kind, False
        if kind is NXDOMAIN:
            return kind, has_soa
        if kind is NOERROR:
            # RFC 2308 §2.2: an alias without an end is a denial; without an SOA record nothing says for how long.
            return (NODATA if has_soa else kind), has_soa
        return kind, True

    def lifetime(self, kind: Kind, ttl_s: int) -> float:
        """Return how long (s) a reply of a kind is kept; its whole seconds are what clients see."""
        if kind is SERVERERROR:
            return self.failure_s
        most, least = (self.most_denied, self.least_denied) if kind in _DENIED else (self.most, self.least)
        if ttl_s < least:
            ttl_s = least
        return ttl_s if ttl_s < most else most

    def usable(self, query: Query, reply: Reply) -> bool:
        """Tell whether a reply is a complete answer to the question (`prefer_positive`)."""
        if reply.flags & TC:
            return False
        found = survey(query, reply, self.wall())
        return self.kept_as(reply, found)[0] is NOERROR and found[2]

    def refreshes(self, query: Query, reply: Reply) -> bool:
        """Tell whether a reply may take the place of an expired one (RFC 8767 §4)."""
        if reply.flags & TC or not matches(query, reply):
            return False
        return reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) and classify(query, reply, self.wall()) not in _NEVER

    def keep(
        self, query: Query, reply: Reply, now: float, wildcard: str = "", *, tells_ad: bool
    ) -> tuple[Reply, Item | None, Kind]:
        """Return the reply with its one TTL, the item to be stored (None where none may be), and what it counts as."""
        found = survey(query, reply, self.wall())
        _, ttl_s, right, _, blank = found
        kind, keepable = self.kept_as(reply, found)
        lifetime = self.lifetime(kind, ttl_s)
        seconds = int(lifetime)
        asked = reply.flags
        word = asked if tells_ad else asked & ~AD
        shown = FilledReply(reply.rcode, word, blank, seconds, reply.opcode, reply.compress)
        if not keepable or lifetime <= 0:
            return shown, None, kind
        flags = (AUTHENTIC if asked & AD else 0) | (RECURSIVE if asked & RA else 0) | (RESOLVES if right else 0)
        return shown, Item(now, seconds, flags, reply.rcode, blank, wildcard), kind
