"""How many connections and streams clients of DNS over HTTP/3 may have."""

from __future__ import annotations

from typing import Annotated

from shardns.config.limits import limit
from shardns.config.schema import Schema
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="first"):
    """Bounds the connections and streams of clients of DNS over HTTP/3."""

    max_streams: Annotated[int, limit("max_streams")] = 256
    "Streams that a connection may have open; 0 leaves it to the QUIC library (128)."

    max_connections: Annotated[int, limit("max_connections")] = 200
    "Connections of the listening address at a time; 0 is no bound."


class Https3(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "https3"


PLUGIN = Https3
