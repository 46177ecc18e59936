"""The way of one query through the upstreams of one `forward` line, until an answer or the end of patience.

1. The reference's loop, turned inside out: `_advance` chooses the next upstream, connections call back.
2. A retry begins in a fresh turn of the event loop, so failures that come at once cannot starve other queries.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from shardns.worker.plugin import Outcome
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
    from .line import Line

PATIENCE_S: Final = 5.0
NO_HEALTHY: Final = "no healthy proxies"
PAUSE_S: Final = 0.01  # between uncapped retries that fail at once


class Errand(Asker):
    """One query in one line. `outer` is the errand that handed the query on, if one did."""

    __slots__ = (
        "_at", "_attempts", "_deadline", "_error", "_failovers", "_fails", "_line", "_order", "_outer", "_query",
        "_reply", "_started", "_stream", "_upstream", "future",
    )  # fmt: skip

    def __init__(self, line: Line, query: Query, future: asyncio.Future[Outcome], outer: Errand | None) -> None:
        self._line = line
        self._query = query
        self._outer = outer
        self.future = future
        self.limit = query.size_limit
        self.timeout_s = line.read_timeout_s
        self._order = line.order()
        self._at = self._fails = self._attempts = self._failovers = 0
        self._error = ""
        self._stream = False
        deadline = monotonic() + PATIENCE_S
        given = query.request.deadline
        self._deadline = deadline if given is None or given > deadline else given

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
            self._query.note("forward/upstream", upstream.label)
            self._stream = line.streams(self._query)
            self._exchange()
            return
        self._give_up(ServFail(self._error or NO_HEALTHY))

    def _exchange(self) -> None:
        self._started = monotonic()
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
        try:
            self._reply: WireReply = decode(data)
        except Cut:
            if stream:
                return texts.OVERFLOW
            try:
                self._reply = truncated(data)
            except Malformed:
                return texts.BAD_RDATA
        except Malformed:
            return texts.BAD_RDATA
        return None

    def closed(self) -> None:
        """Use another connection: that one is no sign of a broken upstream."""
        self._line.engine.loop.call_soon(self._exchange)

    def failed(self, text: str) -> None:
        """Have the upstream probed, and go on with the next one while attempts are left."""
        line = self._line
        self._error = text
        self._upstream.health.start()
        if line.max_attempts:
            self._attempts += 1
            if self._attempts >= line.max_attempts:
                self._give_up(ServFail(text))
                return
        if self._fails >= len(self._order):
            self._give_up(ServFail(text))
        elif line.max_attempts:
            line.engine.loop.call_soon(self._advance)
        else:
            line.engine.loop.call_later(PAUSE_S, self._advance)

    def proceed(self) -> None:
        """Judge the answer: retry, hand on, or be done."""
        line, query, reply = self._line, self._query, self._reply
        self._upstream.observe(reply.rcode, monotonic() - self._started)
        self._error = ""
        if reply.flags & TC and line.prefer_udp and not self._stream:
            self._stream = True
            self._exchange()
            return
        if not asks(reply.raw, query.owner, query.qtype, query.qclass):
            line.dump(query, reply)
            self.finish(query.reply(Rcode.FORMERR))
            return
        rcode = reply.rcode
        if rcode in line.failover:
            self._failovers += 1
            if self._failovers < len(self._order):
                line.engine.loop.call_soon(self._advance)
                return
        if line.hands_on(reply):
            line.hand_on(query, self)
        else:
            if query.wire:
                reply.keep_packed(query.end)
            self.finish(reply)

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self, outcome: Outcome) -> None:
        """Give the place up and hand the outcome over."""
        self._leave()
        if not self.future.done():
            self.future.set_result(outcome)

    def _give_up(self, failure: Failure) -> None:
        self._leave()
        if not self.future.done():
            self.future.set_exception(failure)

    def _leave(self) -> None:
        """Free the places of this line and of those that handed the query on."""
        errand: Errand | None = self
        while errand is not None:
            errand._line.leave()
            errand = errand._outer

    def reject(self, failure: Failure) -> None:
        """End where a line further down refuses the query that was handed on."""
        self._give_up(failure)
