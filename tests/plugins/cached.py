"""A bench for `cache`: a fake clock, a fake chain below, a store in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dns.rdataclass
import dns.rdatatype
import dns.zonefile

from shardns.config.draft import Draft
from shardns.config.model import Directive, ServerBlock
from shardns.plugins.cache.cache import Cache
from shardns.plugins.cache.options import Options
from shardns.worker import metrics
from shardns.worker.listener import Listener
from shardns.worker.plugin import Timed
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Failure, Reply, ServFail
from shardns.worker.site import Site
from shardns.worker.store.cache import CacheStore
from shardns.worker.wire.codes import QR, Rcode
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section
from tests.worker.fakes import query as make_query

LATE = "late"
SOA = "{} {} IN SOA ns. admin. 1 7200 3600 1209600 300"
Upstream = Callable[[Query], Reply | Drop | Failure]


def records(*lines: str) -> Section:
    """Return records of zone text, one RRset each."""
    found = []
    for line in lines:
        owner, ttl, rclass, rtype, rdata = line.split(None, 4)
        code = dns.rdatatype.from_text(rtype)
        kind = dns.rdataclass.from_text(rclass)
        wire = dns.rdata.from_text(kind, code, rdata).to_wire()
        assert wire is not None
        found.append(RRset(from_text(owner), code, int(ttl), (wire,), kind))
    return Section(found)


def reply(
    *answer: str, rcode: int = 0, flags: int = 0x0180, soa: str = "", edns: Edns | None = None, **more: Section
) -> Upstream:
    """Return an upstream that always says the same. `soa` is the owner and TTL of the record in authority."""
    authority = records(SOA.format(*soa.split())) if soa else more.get("authority", Section())
    made = Reply(rcode, QR | flags, records(*answer), authority, more.get("additional", Section()), edns)
    return lambda query: made


def failing(query: Query) -> Reply:
    """An upstream that is dead."""
    raise ServFail("no upstream")


class Lab:
    """One cache. `ask` is a client; `seen` are the queries that reached the chain below."""

    def __init__(
        self, folder: Path, corefile: str = "cache", upstream: Upstream = failing, beside: Lab | None = None
    ) -> None:
        self.clock = 1000.0
        self.upstream = upstream
        self.late: list[tuple[Timed, Query]] = []
        self.seen: list[Query] = []
        self.waiting: list[tuple[Query, Callable[[Any], None]]] = []
        self.options: Options = Options.read(corefile, Draft())
        self.slow = False
        table: dict[str, Any] = {}
        if beside is not None:  # another worker: one process opens an environment only once
            shared = beside.store
            table["cache"] = CacheStore(shared.environment, shared.hits, lambda: self.clock)
        self.generation = SimpleNamespace(table=table, folder=folder, now=lambda: self.clock, dispatches=[])
        block = ServerBlock(0, (), (Directive("cache", self.options),))
        site = SimpleNamespace(
            block=block, generation=self.generation, zones=(b"\0",), view="", background=self.background
        )
        self.listener = Listener(0, f"dns://{folder.name}:53", "dns", "", 53)
        self.plugin = Cache(self.options, cast(Site, site))
        self.plugin.shelf.judge.wall = lambda: 1_700_000_000.0

    @property
    def store(self) -> CacheStore:
        return self.plugin.shelf.store

    def background(self, plugin: Cache, query: Query, done: Callable[[Any], None]) -> None:
        assert plugin is self.plugin
        self.waiting.append((query, done))

    def settle(self) -> int:
        """Run what was asked for in the background; returns how many queries that were."""
        waiting, self.waiting = self.waiting, []
        for query, done in waiting:
            try:
                done(self.below(query))
            except Failure as failure:
                done(failure)
        self.store.flush()
        return len(waiting)

    def below(self, query: Query) -> Any:
        self.seen.append(query)
        return self.upstream(query)

    def query(self, name: str, rtype: str, *, do: bool = False, cd: bool = False, ad: bool = False) -> Query:
        flags = 0x0100 | (0x10 if cd else 0) | (0x20 if ad else 0)
        made = make_query(name, dns.rdatatype.from_text(rtype), opt=Edns(1232, flags=DO) if do else None, flags=flags)
        made.request.listener = self.listener
        return made

    def raw(self, query: Query) -> Any:
        """Return the outcome of a query; the burst ends behind it."""
        try:
            return self.run(query)
        finally:
            self.store.flush()

    def run(self, query: Query) -> Any:
        steps = self.plugin.around(query)
        item = next(steps)
        while not isinstance(item, (Reply, Drop)):
            try:
                if isinstance(item, Timed):
                    if self.slow:
                        self.late.append((item, item.query))
                        item = steps.throw(TimeoutError())
                        continue
                    found = self.below(item.query)
                else:
                    assert isinstance(item, Query)
                    found = self.below(item)
            except Failure as failure:
                item = steps.throw(failure)
                continue
            item = steps.send(found)
        steps.close()
        return item

    def ask(self, name: str = "example.org.", /, rtype: str = "A", **bits: bool) -> Reply:
        found = self.raw(self.query(name, rtype, **bits))
        assert isinstance(found, Reply)
        return found

    def ttl(self, name: str = "example.org.", rtype: str = "A", **bits: bool) -> int:
        """Return the TTL that all records of an answer have."""
        found = self.ask(name, rtype, **bits)
        ttls = {rrset.ttl for part in (found.answer, found.authority, found.additional) for rrset in part}
        (one,) = ttls
        return one

    def arrive(self) -> None:
        """Let the replies come in that were waited for in vain."""
        late, self.late = self.late, []
        for timed, query in late:
            try:
                timed.late(self.below(query))
            except Failure as failure:
                timed.late(failure)
        self.store.flush()

    def calls(self) -> int:
        """Return how many queries reached the chain below since the last call."""
        count = len(self.seen)
        self.seen.clear()
        return count

    def entries(self) -> tuple[int, int]:
        """Return the entries of the success and the denial side."""
        self.store.flush()
        return self.plugin.sweeper.entries()

    def counted(self, metric: metrics.Metric, side: str | None = None) -> float:
        """Return the value of one of this cache's series."""
        labels = (self.listener.label, *([side] if side else []), ".", "")
        return metrics.values[metric.cell(*labels)]


NXDOMAIN = Rcode.NXDOMAIN
