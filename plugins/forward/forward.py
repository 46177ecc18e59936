"""Sends queries to upstream resolvers: pooled sockets, in-band health checks, several lines in a block as one chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.scope import Scope

from .engine import Engine
from .line import Line
from .options import Options
from .upstream import SWEEP_S


class Forward(Source[tuple[Options, ...]]):
    """All `forward` lines of a server block. Names that no line takes go on to the next plugin."""

    directive = "forward"
    opens_classes = True
    mutable = {"_loop": "worker"}  # noqa: RUF012  a declaration, not state

    def prepare(self) -> None:
        """Build the lines; sockets come with the first query, in the worker's running loop."""
        self.lines = [Line(options, self.site, index) for index, options in enumerate(self.options)]
        for line, following in zip(self.lines, self.lines[1:], strict=False):
            line.next_line = following
        self._loop: asyncio.AbstractEventLoop | None = None

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Return a future of the upstream's answer. Raises Refused above `max_concurrent`."""
        for line in self.lines:
            if line.takes(query.name):
                loop = self._loop or self._start()
                future: asyncio.Future[Outcome] = loop.create_future()
                line.forward(query, future)
                return future
        return None

    async def tend(self, scope: Scope) -> None:
        """Sweep idle connections every ten seconds, and close them when the worker ends."""
        scope.every(SWEEP_S, self._sweep)
        scope.defer(self._stop)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.get_running_loop()
        engine = Engine(loop)
        for line in self.lines:
            line.start(engine)
        return loop

    def _sweep(self) -> None:
        for line in self.lines:
            for upstream in line.upstreams:
                upstream.sweep()

    def _stop(self) -> None:
        for line in self.lines:
            line.stop()


PLUGIN = Forward
