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
    mutable = {"_started": "worker"}  # noqa: RUF012  a declaration, not state

    def prepare(self) -> None:
        """Build the lines; sockets come with the first query, in the worker's running loop."""
        self.lines = [Line(options, self.site, index) for index, options in enumerate(self.options)]
        for line, following in zip(self.lines, self.lines[1:], strict=False):
            line.next_line = following
        self._started = False

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Return a promise of the upstream's answer. Raises Refused above `max_concurrent`."""
        for line in self.lines:
            if line.all_names or line.takes(query.name):
                if not self._started:
                    self._start()
                return line.forward(query).promise
        return None

    async def tend(self, scope: Scope) -> None:
        """Sweep idle connections every ten seconds, and close them when the worker ends."""
        scope.every(SWEEP_S, self._sweep)
        scope.defer(self._stop)

    def _start(self) -> None:
        self._started = True
        engine = Engine(asyncio.get_running_loop())
        for line in self.lines:
            line.start(engine)

    def _sweep(self) -> None:
        for line in self.lines:
            for upstream in line.upstreams:
                upstream.sweep()

    def _stop(self) -> None:
        for line in self.lines:
            line.stop()


PLUGIN = Forward
