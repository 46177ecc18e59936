"""What keeper and worker have in common: the channel to the master, the heartbeat, and how the process ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from shardns.config.errors import ConfigError

from . import log, metrics
from .channel import Any as AnyMessage
from .channel import Failed, Heartbeat, Ready, Spawn, receive, send
from .generation import Generation
from .plugin import SetupError
from .priority import Priority

HEARTBEAT_S = 1.0


class Child:
    """A child process. Subclasses answer the master's messages in `told`."""

    def __init__(self, spawn: Spawn) -> None:
        self.spawned = spawn
        self.channel = spawn.channel
        self.born = time.monotonic()
        self.ended = asyncio.Event()
        self.priority = Priority()
        self._spent = time.process_time()
        self.generation: Generation

    def told(self, message: AnyMessage) -> None:
        """Do what the master says."""

    async def prepare(self) -> None:
        """Do what is needed before `Ready`; raise SetupError or ConfigError to refuse the configuration."""

    async def finish(self) -> None:
        """Put away what is left; the process ends afterwards."""

    async def live(self) -> None:
        """Prepare, then serve until told to end or the master is gone."""
        loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        metrics.open(self.spawned.folder, self.spawned.seat)
        log.configure(debug=any(block.debug for block in self.spawned.model.blocks))
        try:
            self.generation = Generation(self.spawned)
            self.generation.build()
            loop.add_reader(self.channel.fileno(), self._hear)
            await self.prepare()
        except (SetupError, ConfigError) as error:
            send(self.channel, Failed(str(error)))
            return
        send(self.channel, Ready(time.monotonic() - self.born))
        self._beat(loop)
        await self.ended.wait()
        await self.finish()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        spent = time.process_time()
        send(self.channel, Heartbeat((spent - self._spent) / HEARTBEAT_S))
        self._spent = spent
        loop.call_later(HEARTBEAT_S, self._beat, loop)

    def _hear(self) -> None:
        while True:
            try:
                message = receive(self.channel)
            except BlockingIOError:
                return
            if message is None:
                self.ended.set()
                asyncio.get_running_loop().remove_reader(self.channel.fileno())
                return
            self.told(message)


def run(make: Callable[[], Child]) -> NoReturn:
    """Live as a child and leave without the parent's exit handlers."""
    status = 0
    try:
        asyncio.run(make().live())
    except Exception as error:  # noqa: BLE001  the top of a process logs what it dies of
        log.trace_once(error)
        status = 70
    log.flush()
    sys.stderr.flush()
    os._exit(status)
