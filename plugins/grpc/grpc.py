"""Sends queries to upstreams that speak CoreDNS's DNS over gRPC: each is tried once, in the order of a policy."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Sequence
from time import monotonic
from typing import Final

from shardns.worker.grpc.wire import MAX_MESSAGE_BYTES, CallError, Status
from shardns.worker.hexdump import dump
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.scope import Scope
from shardns.worker.wire.codes import Rcode
from shardns.worker.wire.layouts import Cut
from shardns.worker.wire.message import asks, decode
from shardns.worker.wire.names import to_text, within
from shardns.worker.wire.question import encode
from shardns.worker.wire.read import Malformed

from .options import Options
from .upstream import Upstream

PATIENCE_S: Final = 5.0
NOBODY: Final = "no healthy gRPC proxies"


class Grpc(Source[Options]):
    """The `grpc` line of a server block."""

    directive = "grpc"
    mutable = {"_ends": "worker", "_turn": "shared"}  # noqa: RUF012  a declaration, not state

    def prepare(self) -> None:
        """Build the upstreams; connections come with the first query."""
        self.upstreams = [Upstream(target, self.options) for target in self.options.targets]
        self._turn = self.site.shared("turn", self.directive)
        self._random = random.Random()
        self._ends: bool | None = None

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Return the upstream's answer, once it is there. Raises ServFail where nobody is left to ask."""
        if self.takes(query.name):
            return self._ask(query)
        if self.is_last:
            raise ServFail
        return None

    def takes(self, name: bytes) -> bool:
        """Tell whether the line is about this name."""
        zone = self.options.zone
        if name == zone:
            return True
        return within(name, zone) and not any(within(name, one) for one in self.options.except_zones)

    @property
    def is_last(self) -> bool:
        """Whether there is no plugin below."""
        if self._ends is None:
            self._ends = not self.site.plugins or self.site.plugins[-1] is self
        return self._ends

    def hands_on(self, name: bytes) -> bool:
        """Tell whether names like this go on to the next plugin."""
        zones = self.options.fallthrough
        return zones is not None and not self.is_last and any(within(name, zone) for zone in zones)

    def order(self) -> Sequence[Upstream]:
        """Return the upstreams in the order of the policy."""
        upstreams = self.upstreams
        match self.options.policy:
            case "sequential":
                return upstreams
            case "round_robin" if upstreams:
                first = (self._turn.add(1) + 1) % len(upstreams)
                return [upstreams[first], *upstreams[:first], *upstreams[first + 1 :]]
        return self._random.sample(upstreams, len(upstreams))

    async def _ask(self, query: Query) -> Outcome:
        until = monotonic() + PATIENCE_S
        if query.request.deadline is not None:
            until = min(until, query.request.deadline)
        message = encode(query, query.id)
        error = NOBODY
        for upstream in self.order():
            if monotonic() >= until:
                break
            try:
                reply = await self._exchange(upstream, query, message, until)
            except CallError as failure:
                error = str(failure)
                continue
            if reply.rcode == Rcode.NXDOMAIN and self.hands_on(query.name):
                return None
            return reply
        if self.hands_on(query.name):
            return None
        raise ServFail(error)

    async def _exchange(self, upstream: Upstream, query: Query, message: bytes, until: float) -> Reply:
        """Return what an upstream says. Raises CallError where that is no answer."""
        size = len(message)
        if size > MAX_MESSAGE_BYTES:
            raise PlainError(f"dns message exceeds size limit: {size} bytes (limit {MAX_MESSAGE_BYTES})")
        began = monotonic()
        try:
            answer = await upstream.call(message, until)
        except CallError as failure:
            if failure.status == Status.NOT_FOUND:
                return query.reply(Rcode.NXDOMAIN)
            raise
        try:
            reply = decode(answer)
        except Cut:
            raise PlainError("dns: overflow unpacking") from None
        except Malformed:
            raise PlainError("dns: bad rdata") from None
        upstream.count(reply.rcode, monotonic() - began)
        if not asks(reply.raw, query.owner, query.qtype, query.qclass):
            dump(f"Wrong reply for id: {query.id}, {to_text(query.owner)} {query.qtype}", reply.raw)
            return query.reply(Rcode.FORMERR)
        if query.wire:
            reply.keep_packed(query.end)
        return reply

    async def tend(self, scope: Scope) -> None:
        """Close the connections when the worker ends."""
        for upstream in self.upstreams:
            scope.defer(upstream.close)


class PlainError(CallError):
    """An error that is not the library's: its text stands alone."""

    def __init__(self, text: str) -> None:
        super().__init__(Status.UNKNOWN, text)

    def __str__(self) -> str:
        return self.text


PLUGIN = Grpc
