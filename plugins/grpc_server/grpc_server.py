"""How many connections and streams clients of DNS over gRPC may have."""

from __future__ import annotations

from typing import Annotated

from shardns.config.limits import limit
from shardns.config.schema import Schema
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="first"):
    """Bounds the connections and streams of clients of DNS over gRPC."""

    max_streams: Annotated[int, limit("max_streams")] = 256
    "Calls that a connection may have under way; 0 is no bound."

    max_connections: Annotated[int, limit("max_connections")] = 200
    "Connections of the listening address at a time; 0 is no bound."


class GrpcServer(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "grpc_server"


PLUGIN = GrpcServer
