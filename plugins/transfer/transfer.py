"""Zone transfers out, in the workers; NOTIFY out, in the keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Final

from shardns.config.golang import quote
from shardns.worker.plugin import Outcome, Plugin, Source
from shardns.worker.query import Query
from shardns.worker.reply import FormErr, Refused, Reply, ServFail
from shardns.worker.store.reader import Zone
from shardns.worker.stream import Stream
from shardns.worker.tsig import Key
from shardns.worker.wire.codes import AXFR, IXFR, SOA, Rcode
from shardns.worker.wire.message import decode
from shardns.worker.wire.names import ROOT, to_text
from shardns.worker.wire.read import Malformed
from shardns.worker.zone.journal import Delta, journal_of
from shardns.worker.zone.notify import notify
from shardns.worker.zone.outgoing import Batches, differences, whole
from shardns.worker.zone.peers import peer_text
from shardns.worker.zone.state import state_folder

from .options import ANYONE, Options

_TRANSFERS: Final = (AXFR, IXFR)
Provider = Callable[[bytes], Zone | None]


class Transfer(Source[tuple[Options, ...]]):
    """All `transfer` lines of a server block. Providers are the plugins of the block with a `transferable`."""

    directive = "transfer"
    repeatable = True
    transparent = True

    def prepare(self) -> None:
        """Know the rule of each zone; of several lines for one zone the first counts."""
        self.rules: dict[bytes, Options] = {}
        for line in self.options:
            for zone in line.zones:
                self.rules.setdefault(zone, line)
        self.log = self.site.logger(self.directive)

    # In a worker ---------------------------------------------------------------------------------------------------

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer AXFR and IXFR; pass on whatever else is asked, and zones that are not ours to give."""
        if query.qtype not in _TRANSFERS:
            return None
        request = query.request
        request.once = True
        if request.via != "tcp":
            raise Refused
        rule = self.rule(query.name)
        if rule is None:
            return None
        if ANYONE not in rule.to and all(host != request.peer.ip for host, _ in rule.to):
            return query.reply(Rcode.REFUSED)
        serial = serial_of(query) if query.qtype == IXFR else 0
        for member in self.site.plugins:
            provider = getattr(member, "transferable", None)
            zone = provider(query.name) if provider is not None else None
            if zone is not None:
                return self._send(query, zone, member, serial)
        return None

    def rule(self, name: bytes) -> Options | None:
        """Return the rule with the longest zone that holds a name."""
        while (found := self.rules.get(name)) is None and name != ROOT:
            name = name[1 + name[0] :]
        return found

    def _send(self, query: Query, zone: Zone, provider: Plugin[object], serial: int) -> Reply | Awaitable[Reply]:
        if not zone.soa or zone.expired:
            raise ServFail("no SOA" if not zone.soa else f"zone {to_text(zone.origin)} is expired")
        where = f"zone {quote(to_text(query.owner))} to {query.request.peer.ip} for {zone.serial} SOA serial"
        if serial and serial == zone.serial:
            self.log.info(f"Outgoing noop, incremental transfer for up to date {where}")
            return query.reply(answer=zone.soa)
        folder = self.site.generation.folder
        deltas = self._deltas(zone, provider, serial) if serial else None
        batches = whole(zone, folder) if deltas is None else differences(zone, iter(deltas))
        return self._stream(self._replies(query, batches, where), query.request.flows)

    async def _stream(self, parts: Generator[Reply | None], flows: bool) -> Reply:
        """Make the first message, a step at a time; HTTPS and gRPC have no room for a second one."""
        only: Reply | None = None
        for part in parts:
            if part is None:
                self.site.generation.store.end()
                await asyncio.sleep(0)
            elif flows:
                return Stream(part, parts)
            elif only is not None:
                parts.close()
                raise Refused
            else:
                only = part
        assert only is not None, "a transfer without a message"
        return only

    def _deltas(self, zone: Zone, provider: Plugin[object], serial: int) -> list[Delta] | None:
        """Return the journal's steps to the zone as it is, None where they are not known or longer than the zone."""
        owner = getattr(provider, "journal_owner", "")
        folder = state_folder(self.site.generation.folder)
        deltas = journal_of(folder, owner, zone.origin).since(serial, zone.serial)
        if deltas is None or sum(len(d.removed) + len(d.added) for d in deltas) > max(zone.nodes, 100):
            return None
        return deltas

    def _replies(self, query: Query, batches: Batches, where: str) -> Generator[Reply | None]:
        total = 0
        for batch in batches:
            if batch is None:
                yield None
                continue
            total += batch.count
            yield query.reply(answer=batch, aa=True)
        self.log.info(f"Outgoing transfer of {total} records of {where}")

    # In the keeper -------------------------------------------------------------------------------------------------

    async def notify(self, origin: bytes) -> None:
        """Tell the servers of a zone's rule that it has changed; raises NotifyError (an OSError)."""
        rule = self.rule(origin)
        if rule is None:
            return
        peers = [peer for peer in rule.to if peer != ANYONE]
        try:
            await notify(origin, peers, rule.source, self._key(rule))
        finally:
            names = " ".join("*" if peer == ANYONE else peer_text(peer) for peer in rule.to)
            self.log.debug(f"Sent notifies for zone {quote(to_text(origin))} to [{names}]")

    def _key(self, rule: Options) -> Key | None:
        keys = getattr(self.site.find("tsig"), "key", None)
        found: Key | None = keys(rule.key) if keys is not None and rule.key is not None else None
        return found


def serial_of(query: Query) -> int:
    """Return the serial of an IXFR query; raises ServFail where there is not just a SOA record (RFC 1995 §3)."""
    try:
        message = decode(query.request.wire)
    except Malformed:
        if query.request.wire:
            raise FormErr from None
        raise ServFail from None
    records = message.authority
    if records.count != 1 or records[0].rtype != SOA or len(records[0].rdatas[0]) < 22:
        raise ServFail
    return int.from_bytes(records[0].rdatas[0][-20:-16], "big")


PLUGIN = Transfer
__all__ = ["PLUGIN", "Options", "Transfer"]
