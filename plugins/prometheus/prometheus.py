"""Counts queries and serves everything that is counted on /metrics.

1. A layer in the workers, an endpoint in the keeper; a scrape first has the workers write out what they still hold.
2. The `plugin` label is the name of the plugin directly below, as the reference has it, and empty where nothing was
   written.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from time import monotonic
from typing import Annotated, ClassVar

from shardns.config.errors import Refuse
from shardns.config.schema import Arg, Draft, Flag, Prop, Schema
from shardns.config.values import FILE
from shardns.worker import core_metrics, endpoints, log, metrics
from shardns.worker.hostport import HOSTPORT
from shardns.worker.metrics import Gauge
from shardns.worker.plugin import Layer, Service, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Failure, Reply
from shardns.worker.scope import Scope
from shardns.worker.stream import Stream
from shardns.worker.wire.codes import Rcode
from shardns.worker.wire.names import ROOT, to_text
from shardns.worker.wire.write import uncompressed_size

from .page import Page
from .webconfig import WebConfig

COREDNS = "1.14.7"
UNSERVED = "Failed to start metrics handler"

build_info = Gauge(
    "build_info",
    "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
    labels=("version", "revision", "goversion"),
    merge="own",
)
plugin_enabled = Gauge(
    "plugin_enabled",
    "A metric that indicates whether a plugin is enabled on per server and zone basis.",
    labels=("server", "zone", "view", "name"),
    merge="own",
)


class Options(Schema, repeat="once", unknown="unknown option: {}"):
    """Count queries, and serve all metrics of the server on /metrics of an HTTP endpoint."""

    address: Annotated[str, Arg(HOSTPORT())] = "localhost:9153"
    "Where to listen, HOST:PORT."

    runtime_metrics: Annotated[bool, Flag()] = False
    "Also show the garbage collector of the keeper's interpreter."

    tls: Annotated[
        str,
        Prop(FILE(root=False, label="CONFIGFILE"), repeat="once", twice=Refuse("tls block already specified", True)),
    ] = ""
    "A Prometheus web configuration (YAML) with the certificate, client authentication and users; an empty one means "
    "plain HTTP."

    def shape(self, draft: Draft) -> None:
        """Ask for the socket; the server starts without it."""
        draft.serve(self.address, required=False, complaint=UNSERVED)


class Prometheus(Layer[Options], Service[Options]):
    """Counts around the plugins below it."""

    directive = "prometheus"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"release": "keeper", "below": "worker"}

    def prepare(self) -> None:
        """Know the block's zones."""
        self.zones = frozenset(self.site.zones)
        self.single = self.site.zones[0] if len(self.zones) == 1 else None
        self.extra = core_metrics.runtime_zones.setdefault(self.site.block.index, set())
        self.below: str | None = None
        self.release: endpoints.Release | None = None

    # In a worker ---------------------------------------------------------------------------------------------------

    def around(self, query: Query) -> Steps:
        """Pass everything on; count what came of it."""
        started = monotonic()
        try:
            outcome = yield query
        except Failure as failure:
            self.count(query, int(failure.rcode), "", 0, started)
            raise
        if isinstance(outcome, Stream):
            outcome = Stream(outcome, self.followed(query, outcome, started))
        elif isinstance(outcome, Reply):
            self.count(query, outcome.rcode, self.next_name(), uncompressed_size(query, outcome), started)
        else:
            self.count(query, Rcode.NOERROR, "", 0, started)
        yield outcome

    def followed(self, query: Query, stream: Stream, started: float) -> Iterator[Reply | None]:
        """Give the messages of a stream on; count the query behind the last one, or where nobody takes any more."""
        rcode, size = stream.rcode, uncompressed_size(query, stream)
        try:
            for part in stream.parts:
                if part is not None:
                    rcode = part.rcode
                    size += uncompressed_size(query, part)
                yield part
        finally:
            self.count(query, rcode, self.next_name(), size, started)

    def count(self, query: Query, rcode: int, plugin: str, size: int, started: float) -> None:
        """Count one query."""
        request = query.request
        zone = self.single if self.single is not None and not self.extra else self.zone(query.name)
        qtype = (request.rewritten or query).qtype
        server = request.listener.label
        core_metrics.report(query, server, zone, request.view, qtype, rcode, plugin, size, monotonic() - started)

    def zone(self, name: bytes) -> bytes:
        """Return the longest zone of the block, or of `auto` in it, that a name is in; the root if there is none."""
        while name != ROOT:
            if name in self.zones or name in self.extra:
                return name
            name = name[1 + name[0] :]
        return ROOT

    def next_name(self) -> str:
        """Return the directive of the plugin directly below."""
        if self.below is None:
            chain = self.site.plugins
            at = chain.index(self) + 1
            self.below = chain[at].directive if at < len(chain) else ""
        return self.below

    # In the keeper -------------------------------------------------------------------------------------------------

    async def start(self, scope: Scope) -> None:
        """Say what is enabled, and open the endpoint; that nobody can listen there was logged before, no more."""
        version = f"python{platform.python_version()}"
        build_info.set(1, COREDNS, "", version)
        self.enable()
        web = WebConfig()
        if self.options.tls:
            if not os.path.exists(self.options.tls):
                log.error(f"TLS config file does not exist: {self.options.tls}")
                return
            try:
                web = WebConfig.read(self.options.tls)
            except (OSError, ValueError) as error:
                log.error(f"Failed to start HTTPS metrics server: {error}")
                return
        page = Page.shared(scope, metrics.seat_number, self.options.runtime_metrics)
        self.release = await endpoints.serve(
            scope, self.options.address, "/metrics", page.answer,
            tls=web.context, guard=web.guard, headers=web.headers,
        )  # fmt: skip
        if self.release is not None and self.options.tls:
            log.info("Server is ready and accepting connections")

    async def stopping(self) -> None:
        """Close the endpoint, after everybody else could still be watched ending."""
        if self.release is not None:
            await self.release(for_good=True)

    def enable(self) -> None:
        """Show the chain's plugins for the block's first zone on each of its addresses."""
        block = self.site.block
        key = block.keys[0]
        for host in block.hosts:
            server = f"{key.transport}://{f'[{host}]' if ':' in host else host}:{key.port}"
            for plugin in self.site.plugins:
                plugin_enabled.set(1, server, to_text(key.zone), self.site.view, plugin.directive)


PLUGIN = Prometheus
