"""The way of a question through the upstreams of one `forward` line, until an answer or the end of patience.

1. The reference's loop, turned inside out: `_advance` chooses the next upstream, connections call back.
2. A retry begins in a fresh turn of the event loop, so failures that come at once cannot starve other queries.
3. Clients that ask the same while it is under way get the same outcome: one question upstream (RFC 5452 §5).
4. What does not answer the question, or cannot be read, is no answer: the wait goes on until the time is over.
5. With `hedge` others are asked as well where the first takes long (`Hedge`); the first answer counts.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from shardns.worker.plugin import Outcome
from shardns.worker.promise import Promise
from shardns.worker.query import Query
from shardns.worker.reply import Failure, ServFail
from shardns.worker.wire.codes import TC, Rcode
from shardns.worker.wire.message import WireReply
from shardns.worker.wire.question import encode

from . import texts
from .answers import read
from .asker import FOREVER, Asker
from .counters import BROKEN
from .hedge import Hedge
from .pace import best

if TYPE_CHECKING:
    from .line import Key, Line
    from .upstream import Upstream

PATIENCE_S: Final = 5.0
NO_HEALTHY: Final = "no healthy proxies"
MOST_CLOSURES: Final = 8  # of connections under one query
PAUSE_S: Final = 0.01  # between uncapped retries that fail at once


class Errand(Asker):
    """One question in one line. `askers` is how many clients wait for `promise`; `key` is what they have in common."""

    # Defaults live on the class: an errand that goes well at once costs ten stores.
    askers = 1
    upstream: Upstream | None = None
    until = FOREVER
    _at = _fails = _attempts = _failovers = _strays = _closures = 0
    _error = ""
    _stream = _wrong = _exhausted = _over = False
    _following: Errand | None = None
    _hedges: dict[Hedge, None] = {}  # noqa: RUF012  never changed: those with `hedge` get one of their own
    _reply: WireReply
    _asked: Upstream

    def __init__(self, line: Line, query: Query, key: Key) -> None:
        self._line = line
        self._query = query
        self.key = key
        self.promise: Promise[Outcome] = Promise()
        self.limit = query.size_limit
        self.timeout_s = line.read_timeout_s
        self._order = line.order()
        self._started = monotonic()
        self._deadline = self._started + PATIENCE_S
        given = query.request.deadline
        if given is not None:
            self.until = given
            self._deadline = min(self._deadline, given)

    def label(self) -> str:
        """Return the upstream last tried."""
        if self._following is not None:
            return self._following.label()
        return "" if self.upstream is None else self.upstream.text

    def begin(self) -> None:
        """Choose the first upstream and ask it."""
        self._advance()
        if self._line.hedges and not self._over and self._query.request.tsig is None:
            self._hedges = {}
            self._hedge()

    def _hedge(self) -> None:
        """Ask somebody else as well, after a while."""
        self._hedges[Hedge(self, self._line.engine, self._line.hedge_delay_s())] = None

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
            self.upstream = self._asked = upstream
            self._stream = line.streams(self._query)
            self._exchange()
            return
        self._give_up(self._error or NO_HEALTHY)

    def _exchange(self) -> None:
        if self._over:
            return  # another query was quicker
        self._started = monotonic()
        self._wrong = False
        if self._query.request.tsig is not None:
            self.failed(texts.NO_SECRETS)  # it cannot be signed again under another ID
            return
        if self._asked.pace is not None:
            self._asked.pace.began(self)
        self._asked.ask(self, self._stream)

    def _give_up(self, text: str) -> None:
        """Fail, unless another query is still under way."""
        self._error = text
        if any(hedge.upstream is not None for hedge in self._hedges):
            self._exhausted = True
        else:
            self.fail(ServFail(text))

    # What connections say ---------------------------------------------------------------------------------------

    def message(self, ident: int) -> bytes:
        """Return the client's query under this ID."""
        return encode(self._query, ident)

    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        """Read the answer."""
        found = self.read(data, stream=stream)
        if isinstance(found, str):
            self._wrong = self._wrong or found == texts.WRONG_QUESTION
            return found
        self._reply = found
        return None

    def read(self, data: bytes, *, stream: bool) -> WireReply | str:
        """Return an answer, or what is wrong with it."""
        found = read(self._query, data, self.limit, stream=stream)
        if found is texts.WRONG_QUESTION:
            self._line.dump(self._query, data)
        return found

    def closed(self) -> None:
        """Use another connection: that one is no sign of a broken upstream, unless there is no end of them."""
        self._closures += 1
        if self._closures > MOST_CLOSURES:
            self.failed("EOF")
        else:
            self._line.engine.loop.call_soon(self._exchange)

    def failed(self, text: str) -> None:
        """Have the upstream probed, and go on with the next one while attempts are left."""
        self._asked.failed(self)
        if self._over:
            return
        line = self._line
        self._error = text
        if self._wrong:
            self._strays += 1
            if self._strays >= len(self._order):
                self.finish(self._query.reply(Rcode.FORMERR))
                return
        if line.max_attempts:
            self._attempts += 1
        if (line.max_attempts and self._attempts >= line.max_attempts) or self._fails >= len(self._order):
            self._give_up(text)
        elif line.max_attempts:
            line.engine.loop.call_soon(self._advance)
        else:
            line.engine.loop.call_later(PAUSE_S, self._advance)

    def proceed(self) -> None:
        """Judge the answer: retry, hand on, or be done."""
        line, reply = self._line, self._reply
        self._asked.answered(self, reply.rcode, monotonic() - self._started)
        if self._over:
            return
        self._error = ""
        if reply.flags & TC and line.prefer_udp and not self._stream:
            self._stream = True
            self._exchange()
            return
        if reply.rcode in line.failover:
            self._failovers += 1
            if self._failovers < len(self._order):
                line.engine.loop.call_soon(self._advance)
                return
        self._accept(reply)

    def _accept(self, reply: WireReply) -> None:
        query, line = self._query, self._line
        if line.next_line is not None and line.hands_on(reply):
            self._hand_on()
            return
        if query.wire:
            reply.keep_packed(query.end)
        self.finish(reply)

    # Queries beside the first ------------------------------------------------------------------------------------

    def another(self) -> tuple[Upstream, bool] | None:
        """Return who is up and looks best, to be asked as well, and whether over a stream; None for nobody."""
        busy = [other.upstream for other in self._hedges]
        left = [u for u in self._order if u is not self._asked and u not in busy and not u.down]
        if self._over or self._following is not None or not left:
            return None
        if len(left) > 1:
            self._hedge()
        return best(left), self._stream

    def other_arrived(self, hedge: Hedge, upstream: Upstream, reply: WireReply) -> None:
        """Take an answer from beside, unless it is one that would have the query asked again."""
        line = self._line
        again = reply.rcode in line.failover or (reply.flags & TC and line.prefer_udp and not self._stream)
        if again or self._over or self._following is not None:
            self.other_failed(hedge)
        else:
            del self._hedges[hedge]
            self.upstream = upstream
            self._accept(reply)

    def other_failed(self, hedge: Hedge) -> None:
        """Do without it."""
        del self._hedges[hedge]
        if self._exhausted and not self._over and not any(other.upstream is not None for other in self._hedges):
            self.fail(ServFail(self._error))

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
        self._leave()
        self._line.engine.settle(self.promise, outcome)

    def fail(self, failure: Failure) -> None:
        """Give the places up and hand a failure over."""
        self._leave()
        self.promise.fail(failure)

    def _leave(self) -> None:
        self._over = True
        if self._hedges:
            for hedge in [hedge for hedge in self._hedges if hedge.upstream is None]:
                hedge.withdraw()
                del self._hedges[hedge]
        self._line.leave(self)
