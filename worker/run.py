"""A worker: reads its slot's sockets, answers, drains.

`Ready` comes before the first read; `Read` starts reading, `Drain` stops it. Until then the sockets are only held.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from . import log
from .chain import pending
from .channel import Any as AnyMessage
from .channel import Drain, Drained, Flush, Flushed, Forget, Read, Relay, Spawn, send
from .crowd import Crowd
from .handshakes import Handshakes
from .memo import Budget
from .priority import PREPARING
from .process import Child, run
from .promise import carry
from .scope import Scope
from .store.environment import Sequence, open_zones
from .store.reader import Store
from .transports import Seat, seats
from .turn import turn

T = TypeVar("T")
MEMO_BYTES = 64 << 20  # a worker's share for memorised answers
GARBAGE = (10_000, 20, 50)  # objects, and rounds: what a query makes is freed without a collection, hardly any of it is
COUNT_EVERY_S = 1.0  # how long a memo hit may stay out of the shared counters


class Worker(Child):
    """One worker process."""

    def __init__(self, spawn: Spawn) -> None:
        super().__init__(spawn)
        if not spawn.urgent:
            self.priority.give_way_for_now(PREPARING)
        self.budget = Budget(MEMO_BYTES) if os.environ.get("SHARDNS_MEMO", "on") != "off" else None
        self.sockets: list[Seat] = []
        self.crowd = Crowd()
        self.handshakes = Handshakes()
        self.scopes: list[Scope] = []
        self.running: set[object] = set()
        self.draining = False
        self.store: Store

    async def prepare(self) -> None:
        """Open the store and wrap the sockets."""
        generation = self.generation
        self.store = Store(open_zones(generation.folder), Sequence(generation.folder), generation.number)
        self.store.on_stale = self._forget
        generation.store = self.store
        for lent in self.spawned.lent:
            dispatch = generation.dispatches[lent.index]
            self.sockets += seats(self, lent, dispatch)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE)

    def told(self, message: AnyMessage) -> None:
        """Do what the master says."""
        match message:
            case Read():
                self._read()
            case Drain(deadline_s=deadline_s):
                if not self.draining:
                    self.draining = True
                    self.spawn(self._drain(deadline_s))
            case Flush(token=token):
                self.count()
                send(self.channel, Flushed(token))
            case Forget(token=token):
                if self.budget is not None:
                    self.budget.clear()
                send(self.channel, Flushed(token))
            case Relay():
                self.generation.relayed(message)
            case _:
                pass

    def _read(self) -> None:
        self.priority.return_()
        for sock in self.sockets:
            sock.start()
        for site in self.generation.sites:
            for member in site.members:
                tend = getattr(member, "tend", None)
                if tend is not None:
                    scope = Scope(self.generation)
                    self.scopes.append(scope)
                    scope.spawn(tend(scope))
        self._count_on(asyncio.get_running_loop())

    def _count_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count()
        loop.call_later(COUNT_EVERY_S, self._count_on, loop)

    def count(self) -> None:
        """Write memo hits into the shared counters."""
        if self.budget is not None:
            self.budget.flush()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that belongs to a query or a connection."""
        task = asyncio.get_running_loop().create_task(work)
        self.running.add(task)
        task.add_done_callback(self._done)

    def carry(self, work: Coroutine[Any, Any, T], done: Callable[[T], object]) -> None:
        """Run a coroutine that belongs to a query without a task: `done` gets its outcome and ends the burst."""
        carry(work, done, self.running)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError):
            log.trace_once(error)
        self.end_burst()

    def begin_burst(self) -> None:
        """Before the queries of a burst: notice new zones."""
        turn.begin()
        self.store.begin()

    def end_burst(self) -> None:
        """After them: let go of the snapshot, write what was collected."""
        self.store.end()
        cache = self.generation.table.get("cache")
        if cache is not None:
            cache.flush()
        log.flush()
        turn.end()

    def _forget(self, zone: Any) -> None:
        """A zone was published anew: its memorised answers are history."""
        if self.budget is not None:
            for memo in self.budget.memos:
                memo.forget(zone)

    async def _drain(self, deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        for sock in self.sockets:
            sock.stop()
        me = asyncio.current_task()
        while time.monotonic() < deadline:
            busy = {task for task in self.running if task is not me}
            if not busy and not self.crowd and not pending():
                break
            self.crowd.sweep(time.monotonic())
            await asyncio.sleep(0.005)
        for scope in self.scopes:
            await scope.close()
        await asyncio.sleep(0)
        self.count()
        log.flush()
        send(self.channel, Drained())
        self.ended.set()


def run_worker(spawn: Spawn) -> NoReturn:
    """Live as a worker; never returns."""
    run(lambda: Worker(spawn))
