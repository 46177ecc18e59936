"""One configuration at work in one process: its listeners, its sites, and the ways to the other processes.

Built the same in the keeper and in every worker, from the same model in the same order, so that shared numbers mean
the same everywhere.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shardns.config.model import Listening, Model, Timeouts, listeners

from .channel import Fatal, Flush, Relay, Reload, Renew, Spawn, send
from .dispatch import Dispatch
from .listener import Listener
from .plugin import Plugin
from .shared import Cells
from .site import Site

FLUSH_TIMEOUT_S = 0.5
RELOAD_TIMEOUT_S = 120.0
DEFAULT_TIMEOUTS = Timeouts(read=3.0, write=5.0, idle=10.0, maxtcpqueries=-1)  # spec core §5.1


class Generation:
    """`dispatches` and `listeners` have the order of `listeners(model)`, `sites` that of the model's blocks.

    `endpoints` are the lent HTTP sockets by address (keeper); `table` is for what blocks of one process share (one HTTP
    server for several blocks); `now` is the clock, monotonic seconds.
    """

    def __init__(self, spawn: Spawn) -> None:
        self.role = spawn.role
        self.number = spawn.generation
        self.slot = spawn.slot
        self.slots = spawn.slots
        self.model: Model = spawn.model
        self.folder = Path(spawn.folder)
        self.channel = spawn.channel
        self.cells = Cells(spawn.cells, spawn.slots, spawn.slot)
        self.now: Callable[[], float] = time.monotonic
        self.table: dict[Any, Any] = {}
        self.endpoints: dict[str, socket.socket] = {}
        self.store: Any = None
        self._reloading: asyncio.Future[tuple[bool, str]] | None = None
        self._flushing: dict[int, asyncio.Future[None]] = {}
        self._token = 0
        self.sites = [Site(block, self) for block in self.model.blocks]
        self.listeners = [_listener(i, listening) for i, listening in enumerate(listeners(self.model))]
        self.dispatches = [Dispatch(listener, self.panic) for listener in self.listeners]
        self.classes: dict[str, type[Plugin[Any]]] = spawn.classes

    def build(self) -> None:
        """Make all plugin objects and chains, and hang the sites on their listeners."""
        for site in self.sites:
            members = []
            for directive in site.block.directives:
                members.append(self.classes[directive.name](directive.options, site))
            site.assemble(members)
            site.view = next((m.view_name for m in members if hasattr(m, "view_name")), "")
        for listener, listening in zip(self.listeners, listeners(self.model), strict=True):
            for zone, block in listening.zones:
                listener.add(zone, self.sites[block])
            if listener.transport != "dns":
                listener.connections = self.cells.total(listener.index, "listener", "connections")

    # Towards the other processes -----------------------------------------------------------------------------------

    def relay(self, block: int, directive: str, body: bytes) -> None:
        """Send octets to the plugin objects of a block on the other side (keeper or workers)."""
        send(self.channel, Relay(f"{block} {directive}", body))

    def relayed(self, message: Relay) -> None:
        """Hand arrived octets to the plugin object they are for."""
        block, _, directive = message.topic.partition(" ")
        plugin = self.sites[int(block)].find(directive) if block.isdigit() and int(block) < len(self.sites) else None
        receive = getattr(plugin, "relayed", None)
        if receive is not None:
            receive(message.body)

    def fatal(self, text: str, status: int = 1) -> None:
        """End the whole server."""
        send(self.channel, Fatal(text, status))

    def panic(self, text: str) -> None:
        """End the whole server as an uncaught panic does (`debug`)."""
        self.fatal(text, 2)

    async def request_reload(self) -> tuple[bool, str]:
        """Ask the master to reload; returns how it ended."""
        self._reloading = asyncio.get_running_loop().create_future()
        send(self.channel, Reload())
        try:
            return await asyncio.wait_for(self._reloading, RELOAD_TIMEOUT_S)
        except TimeoutError:
            return False, "the reload did not end in time"
        finally:
            self._reloading = None

    def reloaded(self, ok: bool, text: str) -> None:
        """The master's answer to `request_reload`."""
        if self._reloading is not None and not self._reloading.done():
            self._reloading.set_result((ok, text))

    def request_renewal(self) -> None:
        """Ask the master for a generation of the same model: files that it is made of have changed."""
        send(self.channel, Renew())

    async def request_flush(self) -> None:
        """Have all workers write out their counters; returns when they did, or after half a second."""
        self._token += 1
        token = self._token
        done = self._flushing[token] = asyncio.get_running_loop().create_future()
        try:
            if send(self.channel, Flush(token)):
                await asyncio.wait_for(done, FLUSH_TIMEOUT_S)
        except TimeoutError:
            return
        finally:
            del self._flushing[token]

    def flushed(self, token: int) -> None:
        """The master's answer to `request_flush`."""
        done = self._flushing.get(token)
        if done is not None and not done.done():
            done.set_result(None)


def _listener(index: int, listening: Listening) -> Listener:
    listener = Listener(index, listening.label, listening.transport, listening.host, listening.port)
    listener.debug = listening.debug
    listener.encrypted = listening.transport != "dns" and listening.encryption is not None
    listener.stacktrace = listening.stacktrace
    limits = listening.timeouts.over(DEFAULT_TIMEOUTS)
    listener.read_s = limits.read or 0.0
    listener.write_s = limits.write or 0.0
    listener.idle_s = limits.idle or 0.0
    listener.max_tcp_queries = limits.maxtcpqueries or -1
    return listener
