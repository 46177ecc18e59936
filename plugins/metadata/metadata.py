"""Gives each query of the block a table of labels; the mux fills it before views and the chain see the query."""

from __future__ import annotations

from typing import Annotated

from shardns.config.schema import Args, Schema
from shardns.config.values import ZONES
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.wire.names import within


class Options(Schema, repeat="count", block="empty"):
    """Lets plugins attach labels to a query, for others to use."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Where plugins are asked for labels beforehand (default: the block's zones)."


class Metadata(Source[Options]):
    """Has a place in the chain and passes every query on."""

    directive = "metadata"
    repeatable = True

    def answer(self, query: Query) -> Outcome:
        """Leave every query to the plugins below."""
        return None

    def covers(self, name: bytes) -> bool:
        """Tell whether plugins are asked for labels of a name; others still get an empty table."""
        return any(within(name, zone) for zone in self.options.zones)


PLUGIN = Metadata
