"""The keeper: loads what a generation serves, publishes it, and runs the services once it is committed."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  asyncio.to_thread would import it when the keeper may have no right to read it
import os
import time
from functools import partial
from typing import Any, NoReturn

from .channel import Any as AnyMessage
from .channel import (
    Drain,
    Flushed,
    Quiesce,
    Quiesced,
    Refused,
    Relay,
    Reloaded,
    Spawn,
    Start,
    Started,
    Stopped,
    Stopping,
    send,
)
from .plugin import Plugin, Service
from .priority import KEEPING
from .process import Child, run
from .scope import Scope
from .store.environment import Sequence, open_zones, reader_check
from .store.pins import held
from .store.publish import Staging
from .store.purge import adopt, purge

HOUSE_S = 1.0
PURGE_AFTER_S = 10.0  # longer than a drain: until then workers of the former generation may read
PURGE_PAUSE_S = 0.002  # between two slices, so that publishers get the writer lock


class Keeper(Child):
    """The keeper process of one generation."""

    def __init__(self, spawn: Spawn) -> None:
        super().__init__(spawn)
        if not spawn.urgent:
            self.priority.give_way(KEEPING)
        self.scopes: list[Scope] = []
        self.services: list[Service[Any]] = []
        self.environment: Any = None
        self.sequence: Sequence
        self._work: asyncio.Task[None] | None = None
        self._housekeeping: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Load everything into the generation's staging."""
        generation = self.generation
        model = generation.model
        for lent, endpoint in zip(self.spawned.endpoints, model.endpoints, strict=False):
            if lent.tcp:
                generation.endpoints[endpoint.address] = lent.tcp[0]
        self.environment = open_zones(generation.folder)
        adopt(self.environment, server())
        self.sequence = Sequence(generation.folder)
        staging = generation.store = Staging(self.environment, self.sequence, generation.number)
        self.services = in_setup_order(generation.sites, tuple(generation.classes))
        for service in self.services:
            await service.load(staging)

    def told(self, message: AnyMessage) -> None:
        """Do what the master says, one thing after the other."""
        match message:
            case Start(first=first):
                self.priority.give_way(KEEPING)
                self._next(self._start(first))
            case Quiesce():
                self._next(self._quiesce())
            case Stopping():
                self._next(self._stopping())
            case Drain():
                self._next(self._drain())
            case Refused():
                self._next(self._refused())
            case Reloaded(ok=ok, text=text):
                self.generation.reloaded(ok, text)
            case Flushed(token=token):
                self.generation.flushed(token)
            case Relay():
                self.generation.relayed(message)
            case _:
                pass

    def _next(self, work: Any) -> None:
        previous = self._work

        async def in_turn() -> None:
            if previous is not None:
                await asyncio.wait({previous})
            await work

        self._work = asyncio.get_running_loop().create_task(in_turn())

    async def _start(self, first: bool) -> None:
        for service in sorted(self.services, key=lambda service: service.on_events):
            scope = Scope(self.generation, first)
            self.scopes.append(scope)
            await service.start(scope)
        self._housekeeping = asyncio.get_running_loop().create_task(self._keep_house())
        send(self.channel, Started())

    async def _keep_house(self) -> None:
        """Free what dead readers pin, and delete what nobody serves any more, some time after each publication."""
        published, due = -1, 0.0
        live = range(self.generation.number, 1 << 62)  # a younger generation may be in preparation
        while True:
            reader_check(self.environment)
            now = time.monotonic()
            if self.sequence.value != published:
                published, due = self.sequence.value, now + PURGE_AFTER_S
            elif due and now >= due:
                due = 0.0
                for _ in purge(self.environment, live, partial(held, self.generation.folder)):
                    await asyncio.sleep(PURGE_PAUSE_S)
            await asyncio.sleep(HOUSE_S)

    def _stop_house(self) -> None:
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            self._housekeeping = None

    async def _quiesce(self) -> None:
        self._stop_house()
        while self.scopes:
            await self.scopes.pop().close()
        send(self.channel, Quiesced())

    async def _refused(self) -> None:
        for service in self.services:
            await service.refused()

    async def _stopping(self) -> None:
        for service in sorted(self.services, key=lambda service: not service.on_events):
            await service.leaving()
        for service in self.services:
            await service.stopping()
        send(self.channel, Stopped())

    async def _drain(self) -> None:
        self._stop_house()
        while self.scopes:
            await self.scopes.pop().close()
        self.ended.set()


def server() -> bytes:
    """Name the running server: its master's process, and when that began."""
    master = os.getppid()
    with open(f"/proc/{master}/stat", "rb") as stat:
        return b"%d %s" % (master, stat.read().rpartition(b")")[2].split()[19])


def in_setup_order(sites: list[Any], order: tuple[str, ...]) -> list[Service[Any]]:
    """Return the services in the reference's order: directives outside, blocks inside (spec core §3.1)."""
    found: list[Plugin[Any]] = []
    for directive in order:
        for site in sites:
            found += [m for m in site.members if m.directive == directive]
    return [m for m in found if isinstance(m, Service)]


def run_keeper(spawn: Spawn) -> NoReturn:
    """Live as a keeper; never returns."""
    run(lambda: Keeper(spawn))
