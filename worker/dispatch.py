"""The way of one query: read it, choose the site, run its chain, write the answer, and keep the answer if it may be.

1. A failure raised by the chain is answered here with its rcode and nothing else.
2. Anything else raised is ours: SERVFAIL for that query, a log line, a counter; with `debug` the server ends.
3. Answers are handed on without the message ID, which the transport puts in front.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from . import core_metrics, log
from .chain import Result, Settled
from .listener import Listener
from .memo import Memo, folded, respelt
from .mux import route
from .plain import Plain
from .query import Query, Request
from .reply import Drop, Failure, Reply
from .stream import Stream, sealed
from .wire.codes import IN, Rcode
from .wire.edns import Edns
from .wire.names import labels
from .wire.read import read
from .wire.write import write

Answer = bytes | None
Later = Coroutine[Any, Any, Answer]
_BADVERS = Edns(size=0)
_NOT_MULTIPLE = 2


class Dispatch:
    """Answers the messages of one listener. `end` is called with a text where a panic must end the server."""

    def __init__(self, listener: Listener, end: Callable[[str], None]) -> None:
        self.listener = listener
        self.end = end

    def plain(self, plain: Plain, key: bytes, family: int, memo: Memo | None) -> Answer:
        """Answer a query, both without ID, on the plain way; None where it has to be handled."""
        try:
            return plain.answer(key, family, memo)
        except Exception as error:  # noqa: BLE001  panic containment: the whole way may still answer
            log.trace_once(error)
            return None

    def handle(self, wire: bytes, request: Request, memo: Memo | None) -> Answer | Later:
        """Answer one message. The result (without ID) may have to be awaited; None means silence."""
        query = read(wire, request)
        if not isinstance(query, Query):
            return query[2:] if query is not None else None
        return self.answer(query, wire, request, memo)

    def answer(self, query: Query, wire: bytes, request: Request, memo: Memo | None) -> Answer | Later:
        """Answer a message that has been read already, as `handle` does."""
        if memo is not None and query.owner != query.name and _plain(query, wire):
            out = memo.get(folded(wire[2:], query.name, query.end - 2), request.started, request.sender, query.id)
            if out is not None:
                return respelt(out, query.owner)
        try:
            result = self.resolve(query)
            if isinstance(result, Reply):
                if request.once and (request.signer is not None or isinstance(result, Stream)):
                    return sealed(request.shown or query, result)
                out = write(request.shown or query, result)
                if memo is not None and not request.once and (query.end == len(wire) or _plain(query, wire)):
                    remember(memo, query, wire, out)
                return out
            if isinstance(result, Drop):
                return None
            return self._await(query, result, wire, memo)
        except Failure as failure:
            return _write_failure(query, failure)
        except Exception as error:  # noqa: BLE001  panic containment, once for every query
            return self._panic(query, error)

    async def _await(self, query: Query, result: Awaitable[Settled], wire: bytes, memo: Memo | None) -> Answer:
        try:
            settled = await result
            if isinstance(settled, Drop):
                return None
            if query.request.signer is not None or isinstance(settled, Stream):
                return sealed(query.request.shown or query, settled)
            out = write(query.request.shown or query, settled)
            if memo is not None and not query.request.once and _plain(query, wire):
                remember(memo, query, wire, out)
            return out
        except Failure as failure:
            return _write_failure(query, failure)
        except Exception as error:  # noqa: BLE001  panic containment, once for every query
            return self._panic(query, error)

    def resolve(self, query: Query) -> Result:
        """Return the outcome of a query from the mux on: what the core says itself, or the chain's result."""
        listener = self.listener
        if not query.owner:
            return self._dropped(query, Rcode.SERVFAIL)
        if query.qclass != IN and not listener.any_class:
            return self._dropped(query, Rcode.REFUSED)
        if query.edns is not None and query.edns.version:
            return query.reply(Rcode.BADVERS).replace(edns=_BADVERS)
        site = route(listener, query)
        if site is None:
            return self._dropped(query, Rcode.REFUSED)
        return site.step(query)

    def _dropped(self, query: Query, rcode: Rcode) -> Reply:
        """What the core answers without a chain, counted under the zone `dropped`."""
        reply = query.reply(rcode)
        core_metrics.count_dropped(query, reply)
        return reply

    def _panic(self, query: Query, error: BaseException) -> Answer:
        listener = self.listener
        if listener.debug:
            self.end("panic: " + "".join(traceback.format_exception(error)))
            return None
        text = f'Recovered from panic in server: "{listener.label}" {type(error).__name__}: {error}'
        if listener.stacktrace:
            text += "\n" + "".join(traceback.format_exception(error))
        else:
            log.trace_once(error)
        log.error(text)
        core_metrics.count_panic()
        reply = query.reply(Rcode.SERVFAIL)
        core_metrics.count_dropped(query, reply)
        return write(query, reply)


def _write_failure(query: Query, failure: Failure) -> bytes:
    shown = query.request.shown or query
    return write(shown, failed(shown, failure))


def failed(query: Query, failure: Failure) -> Reply:
    """Return the bare answer for a failure; its extended error goes along where the client speaks EDNS."""
    reply = query.reply(failure.rcode)
    if failure.ede is None or query.edns is None:
        return reply
    code, text = failure.ede
    return reply.replace(edns=Edns(query.edns.size, options=((15, code.to_bytes(2, "big") + text.encode()),)))


def remember(memo: Memo, query: Query, wire: bytes, out: bytes) -> None:
    """Offer an answer to the memo.

    A query in mixed case (RFC 4343; resolvers that draw the case by lot) is kept for all its spellings where the answer
    repeats no label as it was typed and is too short to have been compressed against the question.
    """
    if query.owner != query.name and len(out) <= 510 and _is_case_blind(query.owner, out):
        memo.admit(folded(wire[2:], query.name, query.end - 2), query.request, out)
    else:
        memo.admit(wire[2:], query.request, out)


def _is_case_blind(owner: bytes, out: bytes) -> bool:
    rest = out[10 + len(owner) :]
    return not any(label != label.lower() and bytes((len(label),)) + label in rest for label in labels(owner))


def _plain(query: Query, wire: bytes) -> bool:
    """Whether the memo may stand in for this query: no EDNS option, nothing behind the last record."""
    edns = query.edns
    if edns is None:
        return query.end == len(wire)
    return not edns.options and query.end + 11 == len(wire)
