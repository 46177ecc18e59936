"""Walks the client's search list on the server: one round trip instead of one for each name of the list.

1. Each name that is tried is a query of its own for everything below, so it is judged and cached as such.
2. The client's question is answered: a CNAME record leads from its name to the one that was found.
"""

from __future__ import annotations

from typing import Any

from shardns.worker import metrics
from shardns.worker.metrics import Counter
from shardns.worker.plugin import Layer, Service, SetupError, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Failure, Reply, ServFail
from shardns.worker.store.publish import Staging
from shardns.worker.wire.codes import CNAME, Rcode
from shardns.worker.wire.names import MAX_NAME_BYTES, to_text, within
from shardns.worker.wire.records import RRset, Section

from .options import Options

success = Counter("autopath_success_total", "Counter of requests that did autopath.", ("server",))


class Autopath(Layer[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """A list from a file is fixed; a plugin (`search_path`) is asked for each query."""

    directive = "autopath"
    repeatable = True

    def prepare(self) -> None:
        """Bring the lines together: the last zones count, the last file, the last plugin."""
        self.zones = self.options[-1].zones
        sources = [line.source for line in self.options]
        lists = [found for found in sources if isinstance(found, tuple)]
        plugins = [found[1:] for found in sources if isinstance(found, str)]
        self.search = lists[-1] if lists else ()
        self.plugin = plugins[-1] if plugins else ""

    async def load(self, staging: Staging) -> None:
        """Refuse a plugin that has no search lists to give; one that is not there means nothing."""
        found = self.site.find(self.plugin) if self.plugin else None
        if found is not None and not hasattr(found, "search_path"):
            raise SetupError(f"plugin/autopath: {self.plugin} does not implement the AutoPather interface")

    def path(self, query: Query) -> tuple[bytes, ...]:
        """Return the search list for a query, the root at its end."""
        found: Any = self.site.find(self.plugin) if self.plugin else None
        return self.search if found is None else tuple(found.search_path(query))

    def around(self, query: Query) -> Steps:
        """Try the names of the list until one exists."""
        name = query.name
        path = self.path(query) if any(within(name, zone) for zone in self.zones) else ()
        if not path or not within(name, path[0]):
            yield (yield query)
            return
        base = query.owner[: len(name) - len(path[0])]
        if not base:
            raise ServFail(f"trimzone: overshot qname: {to_text(query.owner)}for zone {to_text(path[0])}")
        query.show()
        first: Reply | Failure | None = None
        for element in path:
            if len(base) + len(element) > MAX_NAME_BYTES:
                outcome: Reply | Failure = ServFail()
            else:
                outcome = yield from self.tried(query, query.ask(owner=base + element))
            if first is None:
                first = outcome
            if isinstance(outcome, Reply) and outcome.rcode != Rcode.NXDOMAIN:
                self.count(query)
                yield led(query, outcome)
                return
        if not isinstance(first, Reply):
            raise first or ServFail()
        yield first

    def tried(self, query: Query, asked: Query) -> Any:
        """Return what comes of a name: a reply, or a failure that has nothing to say; raise other failures."""
        try:
            outcome = yield asked
        except Failure as failure:
            if failure.text:
                raise
            query.once()  # a failure passes
            return failure
        if not isinstance(outcome, Reply):
            raise ServFail  # nothing was answered, so nothing can be led to
        return outcome

    def count(self, query: Query) -> None:
        """Count a query that was completed, and each repetition of its answer."""
        request = query.request
        cell = success.cell(request.listener.label)
        metrics.values[cell] += 1
        request.series.append(cell)


def led(query: Query, reply: Reply) -> Reply:
    """Return a reply with a CNAME record in front, from the client's name to the first other owner."""
    target = next((rrset for rrset in reply.answer if rrset.owner.lower() != query.name), None)
    if target is None:
        return reply
    alias = RRset(query.owner, CNAME, target.ttl, (target.owner,))
    return reply.replace(answer=Section([alias, *reply.answer]))


PLUGIN = Autopath
