"""Scopes: what a plugin starts, it need not remember to stop.

A scope owns tasks, timers and cleanups of one plugin object in one process and releases them in reverse order. The only
place outside dispatch where an unexpected exception is caught: a timer's failure is logged and the timer goes on.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import log

if TYPE_CHECKING:
    from .generation import Generation


class Scope:
    """Owns what was started for one plugin. `first` is true at the start of the server, false after a reload."""

    def __init__(self, generation: Generation, first: bool = False) -> None:
        self.generation = generation
        self.first = first
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cleanups: list[Callable[[], Awaitable[None] | None]] = []
        self.closed = False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine until it ends or the scope closes."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def every(self, interval_s: float, work: Callable[[], Awaitable[None] | None], jitter_s: float = 0.0) -> None:
        """Call `work` every `interval_s`, first after one interval; the clock does not drift with the work's length."""
        self.spawn(self._every(interval_s, work, jitter_s))

    def after(self, delay_s: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        """Call a function once; cancelled when the scope closes."""

        def fire() -> None:
            self._cleanups.remove(handle.cancel)  # a plugin may start timers for ever
            work()

        handle = asyncio.get_running_loop().call_later(delay_s, fire)
        self._cleanups.append(handle.cancel)
        return handle

    def defer(self, cleanup: Callable[[], Awaitable[None] | None]) -> None:
        """Run `cleanup` when the scope closes; the last one deferred runs first."""
        self._cleanups.append(cleanup)

    def endpoint(self, address: str) -> socket.socket | None:
        """Return the listening socket that the master opened for an HTTP address; None where it could not."""
        return self.generation.endpoints.get(address)

    async def reload(self) -> tuple[bool, str]:
        """Ask the master for a reload; returns whether it came about, and the reason where it did not."""
        return await self.generation.request_reload()

    def renew(self) -> None:
        """Ask the master for a generation of the same model."""
        self.generation.request_renewal()

    async def flush(self) -> None:
        """Have all workers write out their counters."""
        await self.generation.request_flush()

    async def close(self) -> None:
        """Cancel the tasks, then run the cleanups in reverse order."""
        if self.closed:
            return
        self.closed = True
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        while self._cleanups:
            cleanup = self._cleanups.pop()
            try:
                waiting = cleanup()
                if waiting is not None:
                    await waiting
            except Exception as error:  # noqa: BLE001  a cleanup must not keep the others from running
                log.trace_once(error)

    async def _every(self, interval_s: float, work: Callable[[], Awaitable[None] | None], jitter_s: float) -> None:
        due = time.monotonic()
        while True:
            due = max(due + interval_s + random.uniform(0, jitter_s), time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            try:
                waiting = work()
                if waiting is not None:
                    await waiting
            except Exception as error:  # noqa: BLE001  a timer's failure is logged, the timer goes on
                log.trace_once(error)

    async def _guard(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  a task's failure is logged, the process goes on
            log.trace_once(error)
