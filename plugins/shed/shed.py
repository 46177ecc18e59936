"""Keeps an overload from piling up: answers that cannot be sent wait in a short ring, and past it queries are dropped.

A server block with `shed` gives its listeners a ring for each UDP socket; queries are dropped in such blocks only.
"""

from __future__ import annotations

from typing import ClassVar, Final

from shardns.config.golang import quote
from shardns.config.model import listeners
from shardns.config.schema import Draft, Schema
from shardns.config.values import Refuse
from shardns.worker.burst import Burst
from shardns.worker.listener import Listener
from shardns.worker.metrics import Counter
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.reply import DROP

from .ring import Ring

dropped: Final = Counter(
    "shed_dropped_total",
    "Counter of queries and responses dropped, per server, by reason.",
    ("server", "reason"),
)


class Options(Schema, repeat="once", block=True, unknown="shed takes no options"):
    """Drops queries, and the oldest answers, where a UDP socket cannot keep up."""

    def shape(self, draft: Draft) -> None:
        """Refuse transports whose answers do not go out over UDP."""
        for key in draft.keys:
            if key.transport != "dns":
                text = f"only plain DNS server blocks are supported; {quote(str(key))} uses transport "
                raise Refuse(text + quote(key.transport), located=True)


class Shed(Source[Options]):
    """TCP is never touched."""

    directive = "shed"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"rings": "worker"}

    def prepare(self) -> None:
        """Have a ring made for each socket of the block's listeners, and show its counters."""
        self.rings: dict[str, list[Ring]] = {}
        generation = self.site.generation
        for listener, listening in zip(generation.listeners, listeners(generation.model), strict=True):
            if any(block == self.site.block.index for _, block in listening.zones):
                self.watch(listener)

    def watch(self, listener: Listener) -> None:
        """Give the listener's sockets rings; a block that comes later gets the same ones."""
        for reason in ("query", "response"):
            dropped.cell(listener.label, reason)
        label = listener.label
        known = self.site.generation.table.setdefault("shed", {})
        rings = self.rings[label] = known.setdefault(listener.index, [])
        if listener.overflow is None:

            def ring(burst: Burst) -> Ring:
                made = Ring(burst, lambda count: dropped.inc(label, "response", by=count))
                rings.append(made)
                return made

            listener.overflow = ring

    def answer(self, query: Query) -> Outcome:
        """Drop a query that came over UDP while its socket's answers wait; let all others pass."""
        request = query.request
        if request.via == "udp":
            label = request.listener.label
            if any(ring.full for ring in self.rings.get(label, ())):
                dropped.inc(label, "query")
                return DROP
        return None


PLUGIN = Shed
