"""Answers A, AAAA and PTR from a hosts file and from lines in the configuration.

1. The keeper reads the file and publishes it as one zone; workers never open it and share one copy of it.
2. The lines of the configuration are few: every worker has them in memory. Their data come after the file's.
3. There is never an SOA record, so a name that does not exist is SERVFAIL.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from pathlib import Path
from typing import ClassVar

from shardns.worker.metrics import Gauge
from shardns.worker.plugin import Outcome, Service, Source
from shardns.worker.query import Query
from shardns.worker.reply import ServFail
from shardns.worker.scope import Scope
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Store, Table, Zone
from shardns.worker.wire.codes import AAAA, PTR, A
from shardns.worker.wire.names import ROOT, within
from shardns.worker.wire.records import EMPTY, RRset, Section

from .entries import pointer_owner, records, reversed_address, wildcard_of
from .options import Options

entries = Gauge("hosts_entries", "The combined number of entries in hosts and Corefile.", ("hostsfile",))
reloaded = Gauge("hosts_reload_timestamp_seconds", "The timestamp of the last reload of hosts file.")
_SLICE = 10_000  # records read before the keeper does something else


class Hosts(Source[Options], Service[Options]):
    """The source in the workers, the reader of the file in the keeper."""

    directive = "hosts"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"store": "store", "table": "store", "staging": "keeper", "seen": "keeper"}

    def prepare(self) -> None:
        """Read the lines of the configuration."""
        options, site = self.options, self.site
        self.zones = options.zones or site.zones
        self.owner = f"{self.directive}/{site.block.index}"
        self.log = site.logger(self.directive)
        self.inline: dict[tuple[bytes, int], tuple[bytes, ...]] = {}
        for owner, rtype, rdata in records(
            (" ".join(line).encode("utf-8", "surrogateescape") for line in options.inline),
            self.zones,
            not options.no_reverse,
        ):
            self.inline[owner, rtype] = (*self.inline.get((owner, rtype), ()), rdata)
        self.store: Store | None = None
        self.table: Table = {}
        self.staging: Staging | None = None
        self.seen: tuple[int, int] | None = None

    # In a worker ---------------------------------------------------------------------------------------------------

    def answer(self, query: Query) -> Outcome:
        """Answer names of the zones, and addresses wherever they are asked for."""
        name, qtype = query.name, query.qtype
        if qtype != PTR and not any(within(name, zone) for zone in self.zones):
            return None
        zone = self.zone(query)
        answer = EMPTY
        if qtype == PTR:
            address = reversed_address(name)
            answer = EMPTY if address is None else self.pointers(zone, name, address)
            if not answer:
                return None
        elif qtype in (A, AAAA):
            answer = self.addresses(zone, name, qtype)
        elif self.options.fallthrough_unsupported and self.falls(name):
            return None
        if not answer and not self.addresses(zone, name, A) and not self.addresses(zone, name, AAAA):
            if self.falls(name):
                return None
            # A denial would need an SOA record, which hosts(5) has not.
            raise ServFail
        return query.reply(answer=answer, aa=True)

    def zone(self, query: Query) -> Zone | None:
        """Return the published file, and note that the answer depends on it."""
        store = self.store
        if store is None:
            store = self.store = self.site.generation.store
            self.table = store.zones(self.owner)
        if not store.open:
            store.begin()
        zone = self.table.get(ROOT)
        request = query.request
        if zone is None:
            request.once = True
        else:
            request.zones = [*(request.zones or ()), zone]
        return zone

    def falls(self, name: bytes) -> bool:
        """Tell whether `fallthrough` covers a name."""
        return self.options.fallthrough is not None and any(within(name, zone) for zone in self.options.fallthrough)

    def addresses(self, zone: Zone | None, name: bytes, rtype: int) -> Section:
        """Return the addresses of a name; in each set of data an exact name beats a wildcard."""
        wildcard = wildcard_of(name)
        found = _stored(zone, name, rtype)
        if not found and wildcard is not None:
            found = _stored(zone, wildcard, rtype)
        inline = self.inline.get((name, rtype)) or (
            self.inline.get((wildcard, rtype)) if wildcard is not None else None
        )
        return self._answer(name, rtype, found, inline)

    def pointers(self, zone: Zone | None, name: bytes, address: bytes) -> Section:
        """Return the names of an address."""
        owner = pointer_owner(address)
        return self._answer(name, PTR, _stored(zone, owner, PTR), self.inline.get((owner, PTR)))

    def _answer(self, name: bytes, rtype: int, found: Section, inline: tuple[bytes, ...] | None) -> Section:
        if inline is None and (not found or found[0].owner == name):
            return found
        rdatas = tuple(rdata for rrset in found for rdata in rrset.rdatas) + (inline or ())
        return Section((RRset(name, rtype, self.options.ttl, rdatas),))

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Read the file; without one, publish that there is nothing."""
        self.staging = staging
        if not await self.read():
            staging.zone(ROOT, self.owner).publish()

    async def start(self, scope: Scope) -> None:
        """Look at the file from time to time."""
        if self.options.reload:
            scope.every(self.options.reload, self.reread)

    async def reread(self) -> None:
        """Read the file if it has changed; one that has gone changes nothing."""
        await self.read()

    async def read(self) -> bool:
        """Publish the file if it is not the one seen last; False where it cannot be read."""
        try:
            status = os.stat(self.options.path)
            if self.seen == (status.st_mtime_ns, status.st_size):
                return True
            text = Path(self.options.path).read_bytes()
        except OSError:
            return False
        self.seen = (status.st_mtime_ns, status.st_size)
        await self.publish(text, status.st_mtime_ns)
        return True

    async def publish(self, text: bytes, mtime_ns: int) -> None:
        """Publish the text of a file; what is still in the store of the same is only counted anew."""
        assert self.staging is not None
        options = self.options
        digest = hashlib.blake2b(text, digest_size=16)
        digest.update(repr(("hosts", options.path, self.zones, options.ttl, options.no_reverse)).encode())
        known = self.staging.reuse(ROOT, self.owner, digest.digest()) is not None
        writer = None if known else self.staging.zone(ROOT, self.owner, digest.digest())
        count = 0
        for owner, rtype, rdata in records(io.BytesIO(text), self.zones, not options.no_reverse):
            count += 1
            if writer is not None:
                writer.add(owner, rtype, options.ttl, (rdata,))
            if not count % _SLICE:
                await asyncio.sleep(0)
        self.log.debug(f"Parsed hosts file into {count} entries")
        for _ in writer.write() if writer is not None else ():
            await asyncio.sleep(0)
        entries.set(count + sum(map(len, self.inline.values())), options.path)
        reloaded.set(mtime_ns / 1e9)


def _stored(zone: Zone | None, name: bytes, rtype: int) -> Section:
    node = None if zone is None else zone.node(name)
    return EMPTY if node is None else node.get(rtype)


PLUGIN = Hosts
