"""A server of zone files without processes: keeper, store and worker of the `file` plugin in one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from shardns.config.load import load
from shardns.config.model import Model, ServerBlock
from shardns.config.source import Source
from shardns.plugins import order, schema
from shardns.plugins.file.file import File
from shardns.worker.address import to_sockaddr
from shardns.worker.query import Query, Request
from shardns.worker.reply import DROP, Drop, Failure, Reply
from shardns.worker.site import fitted
from shardns.worker.store.environment import Sequence, open_zones
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Store
from shardns.worker.wire.names import ROOT
from shardns.worker.wire.read import read
from shardns.worker.wire.write import write
from tests.worker.fakes import FakeSite, listener

MAP_BYTES = 1 << 28


class Lines:
    """Takes the lines that a plugin logs."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Any:
        return lambda text: self.lines.append(f"[{level.upper()}] {text}")


class Stores:
    """The zones environment of a folder, from both sides."""

    def __init__(self, folder: Path, generation: int = 1) -> None:
        self.environment = open_zones(folder, map_size=MAP_BYTES)
        self.sequence = Sequence(folder)
        self.staging = Staging(self.environment, self.sequence, generation)
        self.store = Store(self.environment, self.sequence, generation)

    def close(self) -> None:
        """Close the environment."""
        self.store.close()
        self.sequence.close()
        self.environment.close()


class Server:
    """Answers from the `file` directives of a Corefile."""

    def __init__(self, corefile: str, folder: Path) -> None:
        registry = {name: schema(name) if name in ("file", "root") else None for name in order()}
        self.model: Model = load(Source("Corefile", corefile), registry, order(), environ={})
        self.stores = Stores(folder)
        self.log = Lines()
        self.by_zone: dict[bytes, File] = {}
        self.files = [self._file(block) for block in self.model.blocks]

    def _file(self, block: ServerBlock) -> File:
        options = next(d.options for d in block.directives if d.name == "file")
        chain: list[File] = []
        site = FakeSite(
            block=block,
            zones=tuple(key.zone for key in block.keys),
            find=lambda directive: None,
            logger=lambda directive: self.log,
            generation=SimpleNamespace(store=self.stores.store),
            lookup=self.lookup,
            plugins=chain,
        )
        plugin = File(options, cast(Any, site))
        chain.append(plugin)
        for key in block.keys:
            self.by_zone[key.zone] = plugin
        return plugin

    def load(self) -> None:
        """Do what the keeper does before it is ready."""
        for plugin in self.files:
            asyncio.run(plugin.load(self.stores.staging))

    def lookup(self, query: Query, name: bytes, qtype: int) -> Reply | Drop:
        """The self look-up."""
        outer = query.request
        inner = Request(outer.listener, outer.sender, outer.family, outer.via, outer.started, outer.size_bytes)
        inner.depth = outer.depth + 1
        asked = query.ask(name=name, qtype=qtype, qclass=1, request=inner)
        return fitted(asked, self.resolve(asked))

    def resolve(self, query: Query) -> Reply | Drop:
        """Return the reply to a query, as the whole server would."""
        zone = query.name
        while zone not in self.by_zone and zone != ROOT:
            zone = zone[1 + zone[0] :]
        plugin = self.by_zone.get(zone)
        if plugin is None:
            return query.reply(5)
        try:
            outcome = plugin.answer(query)
        except Failure as failure:
            return query.reply(failure.rcode)
        assert outcome is None or isinstance(outcome, (Reply, Drop))
        return query.reply(2) if outcome is None else outcome

    def exchange(self, wire: bytes, via: str = "udp") -> bytes | None:
        """Return the answer to a message."""
        query = read(wire, Request(listener(), to_sockaddr("127.0.0.1", 40000), 1, via, 0.0, len(wire)))
        assert isinstance(query, Query)
        self.stores.store.begin()
        try:
            outcome = self.resolve(query)
        finally:
            self.stores.store.end()
        if outcome is DROP:
            return None
        assert isinstance(outcome, Reply)
        answer = write(query, outcome)
        assert answer is not None
        return wire[:2] + answer
