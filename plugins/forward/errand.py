"""The way of a question through the upstreams of one `forward` line, until an answer or the end of patience.

1. The reference's loop, turned inside out: `_advance` chooses the next upstream, connections call back.
2. A retry begins in a fresh turn of the event loop, so failures that come at once cannot starve other queries.
3. Clients that ask the same while it is under way get the same outcome: one question upstream (RFC 5452 §5).
4. What does not answer the question, or cannot be read, is no answer: the wait goes on until the time is over.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from shardns.worker.plugin import Outcome
from shardns.worker.promise import Promise
from shardns.worker.query import Query
from shardns.worker.reply import Failure, ServFail
from shardns.worker.wire.codes import TC, Rcode
from shardns.worker.wire.layouts import Cut
from shardns.worker.wire.message import WireReply, asks, decode, truncated
from shardns.worker.wire.question import encode
from shardns.worker.wire.read import Malformed

from . import texts
from .asker import Asker
from .counters import BROKEN

if TYPE_CHECKING:
    from .line import Key, Line
    from .upstream import Upstream

PATIENCE_S: Final = 5.0
NO_HEALTHY: Final = "no healthy proxies"
MOST_CLOSURES: Final = 8  # of connections under one query
PAUSE_S: Final = 0.01  # between uncapped retries that fail at once


class Errand(Asker):
    """One question in one line. `askers` is how many clients wait for `promise`; `key` is what they have in common."""

    __slots__ = (
        "_at", "_attempts", "_closures", "_deadline", "_error", "_failovers", "_fails", "_following", "_line", "_order",
        "_query", "_reply", "_started", "_strays", "_stream", "_upstream", "_wrong", "askers", "key", "promise",
    )  # fmt: skip
    _reply: WireReply
    _upstream: Upstream

    def __init__(self, line: Line, query: Query, key: Key) -> None:
        self._line = line
        self._query = query
        self.key = key
        self.askers = 1
        self.promise: Promise[Outcome] = Promise()
        self.limit = query.size_limit
        self.timeout_s = line.read_timeout_s
        self._order = line.order()
        self._at = self._fails = self._attempts = self._failovers = self._strays = self._closures = 0
        self._error = ""
        self._stream = line.streams(query)
        self._wrong = False
        self._following: Errand | None = None
        self._started = monotonic()
        deadline = self._started + PATIENCE_S
        given = query.request.deadline
        self._deadline = deadline if given is None or given > deadline else given

    def label(self) -> str:
        """Return the upstream last tried."""
        following = self._following
        return self._upstream.label() if following is None else following.label()

    def begin(self) -> None:
        """Choose the first upstream and ask it."""
        self._advance()

    def _advance(self) -> None:
        line, order = self._line, self._order
        cap = line.max_attempts
        while monotonic() < self._deadline and (not cap or self._attempts < cap):
            if self._at >= len(order):
                self._at = 0
                self._fails = 0
            upstream = order[self._at]
            self._at += 1
            if upstream.down:
                self._fails += 1
                if self._fails < len(order):
                    continue
                BROKEN.inc()
                if line.failfast:
                    break
                # The probes may be what is broken: try any.
                upstream = line.any_upstream()
            self._upstream = upstream
            self._exchange()
            return
        self.fail(ServFail(self._error or NO_HEALTHY))

    def _exchange(self) -> None:
        self._started = monotonic()
        self._wrong = False
        if self._query.request.tsig is not None:
            self.failed(texts.NO_SECRETS)  # it cannot be signed again under another ID
        else:
            self._upstream.ask(self, self._stream)

    # What connections say ---------------------------------------------------------------------------------------

    def message(self, ident: int) -> bytes:
        """Return the client's query under this ID."""
        return encode(self._query, ident)

    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        """Read the answer; a datagram that was cut off becomes an empty answer with TC."""
        query = self._query
        if not asks(data, query.owner, query.qtype, query.qclass):
            if stream and not _is_sound(data):
                return texts.BAD_RDATA
            self._wrong = True
            self._line.dump(query, data)
            return texts.WRONG_QUESTION
        try:
            self._reply = decode(data)
        except Cut:
            if stream or len(data) < self.limit:
                return texts.OVERFLOW
            self._reply = truncated(data)
        except Malformed:
            return texts.BAD_RDATA
        return None

    def closed(self) -> None:
        """Use another connection: that one is no sign of a broken upstream, unless there is no end of them."""
        self._closures += 1
        if self._closures > MOST_CLOSURES:
            self.failed("EOF")
        else:
            self._line.engine.loop.call_soon(self._exchange)

    def failed(self, text: str) -> None:
        """Have the upstream probed, and go on with the next one while attempts are left."""
        line = self._line
        self._error = text
        self._upstream.health.start()
        if self._wrong:
            self._strays += 1
            if self._strays >= len(self._order):
                self.finish(self._query.reply(Rcode.FORMERR))
                return
        if line.max_attempts:
            self._attempts += 1
            if self._attempts >= line.max_attempts:
                self.fail(ServFail(text))
                return
        if self._fails >= len(self._order):
            self.fail(ServFail(text))
        elif line.max_attempts:
            line.engine.loop.call_soon(self._advance)
        else:
            line.engine.loop.call_later(PAUSE_S, self._advance)

    def proceed(self) -> None:
        """Judge the answer: retry, hand on, or be done."""
        line, query, reply = self._line, self._query, self._reply
        rcode = reply.rcode
        self._upstream.observe(rcode, monotonic() - self._started)
        self._error = ""
        if reply.flags & TC and line.prefer_udp and not self._stream:
            self._stream = True
            self._exchange()
            return
        if rcode in line.failover:
            self._failovers += 1
            if self._failovers < len(self._order):
                self._stream = line.streams(query)
                line.engine.loop.call_soon(self._advance)
                return
        if line.hands_on(reply):
            self._hand_on()
            return
        if query.wire:
            reply.keep_packed(query.end)
        self.finish(reply)

    def _hand_on(self) -> None:
        """Give the question to the next line that is about its name, or back to the chain."""
        line = self._line.following(self._query.name)
        if line is None:
            self.finish(None)
            return
        try:
            self._following = following = line.forward(self._query)
        except Failure as failure:
            self.fail(failure)
        else:
            following.promise.then(self._handed_back)

    def _handed_back(self, promise: Promise[Outcome]) -> None:
        try:
            outcome = promise.result()
        except Failure as failure:
            self.fail(failure)
        else:
            self.finish(outcome)

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self, outcome: Outcome) -> None:
        """Give the places up and hand the outcome over."""
        self._line.leave(self)
        self.promise.settle(outcome)

    def fail(self, failure: Failure) -> None:
        """Give the places up and hand a failure over."""
        self._line.leave(self)
        self.promise.fail(failure)


def _is_sound(data: bytes) -> bool:
    try:
        decode(data)
    except (Cut, Malformed):
        return False
    return True
