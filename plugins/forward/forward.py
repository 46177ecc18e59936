"""Sends queries to upstream resolvers: pooled sockets, in-band health checks, several lines in a block as one chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from shardns.worker.log import PluginLog
from shardns.worker.plugin import Outcome, Service, Source
from shardns.worker.query import Query
from shardns.worker.scope import Scope

from .engine import Engine
from .line import Line
from .options import Options
from .upstream import SWEEP_S
from .watched import LOOK_S, Watched


class Forward(Source[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """All `forward` lines of a server block. Names that no line takes go on to the next plugin."""

    directive = "forward"
    opens_classes = True
    mutable = {"_started": "worker", "watched": "keeper"}  # noqa: RUF012  a declaration, not state

    def prepare(self) -> None:
        """Build the lines; sockets come with the first query, in the worker's running loop."""
        self.lines = [Line(options, self.site, index) for index, options in enumerate(self.options)]
        for line, following in zip(self.lines, self.lines[1:], strict=False):
            line.next_line = following
        self._started = False
        self.log = PluginLog(self.directive)
        self.watched = Watched({path for options in self.options for path in options.files})

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

    async def start(self, scope: Scope) -> None:
        """In the keeper: have the configuration loaded anew when a file that names upstreams changes."""
        if self.watched.files:
            scope.every(LOOK_S, lambda: self._look(scope))

    async def _look(self, scope: Scope) -> None:
        path = self.watched.changed()
        if path is None:
            return
        self.log.info(f"{path} has changed, reloading")
        done, reason = await scope.reload()
        if not done:
            self.log.error(f"Reload failed, the upstreams of {path} stay as they were: {reason}")

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
