"""Renewing entries: popular ones before they end, expired ones before or after they are served.

1. An entry is renewed by one process at a time, whoever that is: the claim is noted in the store.
2. What fails to renew an expired entry leaves it as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator

from shardns.worker import log
from shardns.worker.plugin import Steps, Timed
from shardns.worker.query import Query, Request
from shardns.worker.reply import Drop, Failure, Reply
from shardns.worker.wire.codes import AD

from . import counters
from .item import Item
from .options import Options
from .resolve import matches
from .shelf import PREFIX_BYTES, Shelf

Outcome = Reply | Drop | BaseException | None
Trial = Generator[Query | Timed | Reply | Drop, Reply | Drop, Reply | None]
Ask = Callable[[Query, Callable[[Reply | Drop | BaseException], None]], None]


class Renewal:
    """`ask` runs the chain below behind the reply; `answer` makes a reply of an entry."""

    def __init__(self, options: Options, shelf: Shelf, ask: Ask, answer: Callable[[Query, Item, int], Reply]) -> None:
        self.shelf = shelf
        self.store = shelf.store
        self.now = shelf.now
        self.ask = ask
        self.answer = answer
        self.stale = options.serve_stale
        self.recheck_s = 0.0 if self.stale is None else self.stale.recheck
        self.amount, self.gap_s, self.percent = options.popular
        self.keepttl = options.keepttl

    def window_s(self, item: Item) -> int:
        """Return how long before its end (s) an entry may be renewed by a hit; 0 without `prefetch`."""
        return math.ceil(self.percent / 100 * item.duration) if self.amount else 0

    def note_hit(self, query: Query, key: bytes, item: Item, remaining: int, now: float) -> None:
        """Count a hit, and renew the entry if it is popular and close to its end."""
        hits, gap_s = self.store.hits, self.gap_s
        count = hits.add(key, now, gap_s)
        request = query.request
        if remaining > self.window_s(item):
            clock = self.now

            def again(sender: bytes, ident: int) -> None:
                hits.add(key, clock(), gap_s)

            request.repeats = [*(request.repeats or ()), again]
            return
        request.once = True
        if count >= self.amount:
            self.renew(query, key, item, expired=False)

    def expired(self, query: Query, key: bytes, item: Item) -> Steps:
        """Serve an entry whose time is over, before or after trying to renew it."""
        stale = self.stale
        assert stale is not None
        if stale.verify:
            reply = yield from self.verify(query, key, item)
            if reply is not None:
                yield reply
                return
        else:
            self.renew(query, key, item, expired=True)
        counters.served_stale.inc(*self.shelf.labels(query))
        yield self.answer(query, item, stale.ttl or (item.duration if self.keepttl else 0))

    def verify(self, query: Query, key: bytes, item: Item) -> Trial:
        """Ask below first; return the reply that renews the entry, None where the old one has to do."""
        stale = self.stale
        assert stale is not None
        if self.recheck_s and not self.store.claim(key, item.stored, True):
            return None
        if stale.timeout:
            return (yield from self.verify_briefly(query, key, item))
        asked = authenticated(query)
        outcome: Outcome = None
        settled = False
        shown = None
        try:
            try:
                outcome = yield asked
            except Failure as failure:
                outcome = failure
            settled, shown, _ = self.renewed(query, outcome, key, behind=False)
        finally:
            if self.recheck_s:
                self.release(key, item, settled)
        return shown

    def verify_briefly(self, query: Query, key: bytes, item: Item) -> Trial:
        """The same, waiting no longer than told; what comes later renews the entry all the same."""
        stale = self.stale
        assert stale is not None

        def settle(outcome: Outcome) -> tuple[Reply | None, Item | None]:
            settled = False
            try:
                settled, shown, kept = self.renewed(query, outcome, key, behind=True)
            finally:
                if self.recheck_s:
                    self.release(key, item, settled)
            return shown, kept

        def late(outcome: Outcome) -> None:
            settle(outcome)
            complain(outcome)

        outcome: Outcome
        try:
            outcome = yield Timed(authenticated(query, private(query.request)), stale.timeout, late)
        except TimeoutError:
            return None
        except Failure as failure:
            outcome = failure
        shown, kept = settle(outcome)
        if shown is None or kept is None:
            return shown
        return self.answer(query, kept, kept.duration if self.keepttl else kept.remaining(self.now()))

    def renew(self, query: Query, key: bytes, item: Item, *, expired: bool) -> None:
        """Ask below behind the reply, unless somebody already does."""
        if not self.store.claim(key, item.stored, expired and self.recheck_s > 0):
            return
        counters.prefetches.inc(*self.shelf.labels(query))
        asked = authenticated(query)

        def done(outcome: Outcome) -> None:
            settled = False
            try:
                if expired:
                    settled, _, _ = self.renewed(asked, outcome, key, behind=True, hits_of=key)
                else:
                    settled = True
                    if isinstance(outcome, Reply):
                        self.shelf.take(asked, outcome, key[PREFIX_BYTES:], behind=True, hits_of=key)
            finally:
                self.release(key, item, settled or not expired)
            complain(outcome)

        self.ask(asked, done)

    def renewed(
        self, query: Query, outcome: Outcome, key: bytes, *, behind: bool, hits_of: bytes | None = None
    ) -> tuple[bool, Reply | None, Item | None]:
        """Judge what came of trying to renew an expired entry: did it, what the client gets, what was stored."""
        if not isinstance(outcome, Reply):
            return False, None, None
        rest = key[PREFIX_BYTES:]
        if self.shelf.prefer_positive:
            if not matches(query, outcome) or outcome.tc:
                return False, None, None
            if not self.shelf.judge.usable(query, outcome):
                self.shelf.take(query, outcome, rest, behind=True)
                return False, None, None
        elif not self.shelf.judge.refreshes(query, outcome):
            return False, None, None
        shown, kept = self.shelf.take(query, outcome, rest, behind=behind, hits_of=hits_of)
        return True, shown, kept

    def release(self, key: bytes, item: Item, settled: bool) -> None:
        """Let others renew an entry again, after a failure not before the recheck period is over."""
        failed = not settled and self.recheck_s > 0
        self.store.release(key, item.stored, self.now() + self.recheck_s if failed else 0.0)


def complain(outcome: Outcome) -> None:
    """Log a run behind a reply that ended with a fault of ours."""
    if isinstance(outcome, BaseException) and not isinstance(outcome, Failure):
        log.trace_once(outcome)


def authenticated(query: Query, request: Request | None = None) -> Query:
    """Return the query as it goes below: with AD, so that the upstream tells what it has verified."""
    if query.flags & AD and request is None:
        return query
    asked = Query(
        request or query.request,
        query.id,
        query.flags | AD,
        query.name,
        query.owner,
        query.qtype,
        query.qclass,
        query.edns,
    )
    asked.site, asked.zone = query.site, query.zone
    return asked


def private(request: Request) -> Request:
    """Return a copy of a request with metadata of its own, for a run that may outlast the reply."""
    own = copy.copy(request)
    own.metadata = None if request.metadata is None else dict(request.metadata)
    return own
