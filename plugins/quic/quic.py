"""How much clients of DNS over QUIC may do at a time."""

from __future__ import annotations

from typing import Annotated

from shardns.config.limits import limit
from shardns.config.schema import Schema
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="first"):
    """Bounds what clients of DNS over QUIC may do at a time."""

    max_streams: Annotated[int, limit("max_streams", 1)] = 256
    "Streams that a connection may have open."

    worker_pool_size: Annotated[int, limit("worker_pool_size", 1)] = 1024
    "Queries of all connections together that may wait for their answers; more wait for their turn."


class Quic(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "quic"


PLUGIN = Quic
