"""A liveness endpoint for the whole server, which probes itself, and the wait before a final stop."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Annotated, ClassVar

from shardns.config.golang import duration_text
from shardns.config.schema import Arg, Draft, Prop, Schema
from shardns.config.values import DURATION
from shardns.worker import endpoints
from shardns.worker.hostport import HOSTPORT
from shardns.worker.http import Request, Response
from shardns.worker.metrics import SLIM, Counter, Histogram
from shardns.worker.plugin import Service
from shardns.worker.scope import Scope

from .probe import probe

PROBE_EVERY_S = 1.0
SLOW_S = 1.0
LAMEDUCK = DURATION(invalid="unable to parse lameduck duration value: '{}' : {error}", located=False)

duration = Histogram(
    "health_request_duration_seconds", "Histogram of the time (in seconds) each request took.", buckets=SLIM
)
failures = Counter("health_request_failures_total", "The number of times the health check failed.")


class Options(Schema, repeat="merge"):
    """Answer `OK` on /health of an HTTP endpoint for as long as the server lives."""

    address: Annotated[str, Arg(HOSTPORT())] = ":8080"
    "Where to listen, HOST:PORT."

    lameduck: Annotated[float, Prop(LAMEDUCK)] = 0.0
    "Before a final stop, go on answering for this long."

    def shape(self, draft: Draft) -> None:
        """Ask for the socket; the server does not start without it."""
        draft.serve(self.address)


class Health(Service[Options]):
    """Runs in the keeper: if it answers, so does the process that owns the configuration."""

    directive = "health"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"release": "keeper", "probing": "keeper"}

    def prepare(self) -> None:
        """Nothing is open yet."""
        self.release: endpoints.Release | None = None
        self.probing: asyncio.Task[None] | None = None
        self.log = self.site.logger(self.directive)

    async def start(self, scope: Scope) -> None:
        """Open the endpoint and probe it every second."""
        self.release = await endpoints.serve(scope, self.options.address, "/health", healthy)
        self.probing = scope.spawn(self.watch())

    async def stopping(self) -> None:
        """Let load balancers notice: sleep with everything still answering, then close."""
        lameduck_s = self.options.lameduck
        if lameduck_s > 0:
            self.log.info(f"Going into lameduck mode for {duration_text(lameduck_s)}")
            await asyncio.sleep(lameduck_s)
        if self.probing is not None:
            self.probing.cancel()
        if self.release is not None:
            await self.release(for_good=True)

    async def watch(self) -> None:
        """Probe for ever, at the pace of a clock."""
        due = monotonic()
        while True:
            due = max(due + PROBE_EVERY_S, monotonic())
            await asyncio.sleep(due - monotonic())
            await self.check()

    async def check(self) -> None:
        """Ask our own endpoint once, and count how long it took."""
        address = self.options.address
        started = monotonic()
        failed = await probe(address, "/health")
        took_s = monotonic() - started
        duration.observe(took_s)
        if failed:
            failures.inc()
            self.log.warning(f'Local health request to "http://{address}/health" failed: {failed}')
        elif took_s > SLOW_S:
            text = f'Local health request to "http://{address}/health" took more than 1s: {duration_text(took_s)}'
            self.log.warning(text)


def healthy(_request: Request) -> Response:
    """Answer: we always are."""
    return Response(200, b"OK")


PLUGIN = Health
