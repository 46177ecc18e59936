"""Reorders the A, AAAA and MX records of replies: at random, by network, or by weight.

1. Sections are never changed in place; a reply goes on with new ones.
2. Every worker reads the file of weights itself; the keeper reads it, too, and is the one that logs.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
from math import prod
from typing import TYPE_CHECKING, ClassVar

from shardns.config.golang import duration_text
from shardns.worker.plugin import Layer, Service, SetupError, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Reply
from shardns.worker.scope import Scope
from shardns.worker.wire.codes import AAAA, AXFR, IXFR, SRV, A

from .options import Options
from .order import network, orders, preferred, round_robin, weighted
from .weights import BadWeights, Table, Unopened, parse, read

if TYPE_CHECKING:
    from shardns.worker.store.publish import Staging

MAX_VARIANTS = 24  # different orders of one answer that the memo may keep: all of four addresses
VARIANTS_S = 2.0  # how long it may keep some of more
_TRANSFERS = frozenset((AXFR, IXFR))
_WEIGHED = frozenset((A, AAAA, SRV))


class LoadBalance(Layer[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """The lines of a server block count together: the last policy, and all networks since the last `weighted`."""

    directive = "loadbalance"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"weights": "worker", "digest": "worker"}

    def prepare(self) -> None:
        """Put the lines together; read the file, if there is one, without complaint."""
        networks: list[str] = []
        for options in self.options:
            if options.policy.name == "weighted":
                networks.clear()
            networks += options.prefer
        self.networks = [network(ipaddress.ip_network(text)) for text in networks]
        self.path = self.options[-1].policy.path
        self.reload_s = self.options[-1].reload_s if self.path else 0.0
        self.log = self.site.logger(self.directive)
        self.draw = random.Random()
        self.weights: Table = {}
        self.digest = b""
        if self.path:
            try:
                self.renew()
            except BadWeights:
                self.digest = b""  # the keeper says so

    # In a worker ---------------------------------------------------------------------------------------------------

    def around(self, query: Query) -> Steps:
        """Order what comes back from below."""
        reply = yield query
        if isinstance(reply, Drop) or reply.rcode or query.qtype in _TRANSFERS:
            yield reply
        else:
            yield self.weigh(query, reply) if self.path else self.shuffle(query, reply)

    def shuffle(self, query: Query, reply: Reply) -> Reply:
        """Apply round_robin to the sections that have something to order."""
        answer, authority, additional = reply.answer, reply.authority, reply.additional
        mixed = [section.count > 1 for section in (answer, authority, additional)]
        if not any(mixed):
            return reply
        answer = round_robin(answer) if mixed[0] else answer
        additional = round_robin(additional) if mixed[2] else additional
        if self.networks:
            answer, additional = preferred(answer, self.networks), preferred(additional, self.networks)
        self.vary(query, reply)
        return reply.replace(
            answer=answer, authority=round_robin(authority) if mixed[1] else authority, additional=additional
        )

    def vary(self, query: Query, reply: Reply) -> None:
        """Let the memo keep all orders there are, or, of too many, some for a short time."""
        request = query.request
        count = prod(orders(section) for section in (reply.answer, reply.authority, reply.additional))
        request.variants = max(request.variants, min(count, MAX_VARIANTS))
        if count > MAX_VARIANTS:
            until = request.started + VARIANTS_S
            request.hold(until, until)

    def weigh(self, query: Query, reply: Reply) -> Reply:
        """Draw the first address of answer and additional section."""
        if query.qtype not in _WEIGHED:
            return reply
        query.once()  # a few memorised draws would not have the weights' distribution
        return reply.replace(
            answer=weighted(reply.answer, self.weights, self.draw),
            additional=weighted(reply.additional, self.weights, self.draw),
        )

    async def tend(self, scope: Scope) -> None:
        """Look at the file now and then."""
        if self.reload_s:
            scope.every(self.reload_s, self.follow)

    def follow(self) -> None:
        """Take the file's new weights; what cannot be used is left to the keeper's log."""
        try:
            self.renew()
        except BadWeights:
            return

    def renew(self) -> bool:
        """Read the file; tell whether it has new weights. Raises BadWeights, once for each broken content."""
        content = read(self.path)
        digest = hashlib.sha256(content).digest()
        if digest == self.digest:
            return False
        self.digest = digest
        self.weights = parse(content, self.path)
        return True

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Refuse a file that cannot be used; one that is missing may come later."""
        if not self.path:
            return
        self.digest = b""
        try:
            if self.renew():
                self.log.info(f"Successfully reloaded weight file {self.path}")
        except Unopened as error:
            if not self.reload_s:
                raise SetupError(f"plugin/loadbalance: {error}") from None
            later = duration_text(self.reload_s)
            self.log.warning(f"Failed to open weight file:{error}. Will try again in {later}")
        except BadWeights as error:
            raise SetupError(f"plugin/loadbalance: {error}") from None

    async def start(self, scope: Scope) -> None:
        """Log what becomes of the file."""
        if self.reload_s:
            scope.every(self.reload_s, self.report)

    def report(self) -> None:
        """Read the file and say what came of it."""
        try:
            if self.renew():
                self.log.info(f"Successfully reloaded weight file {self.path}")
        except BadWeights as error:
            self.log.error(str(error))


PLUGIN = LoadBalance
