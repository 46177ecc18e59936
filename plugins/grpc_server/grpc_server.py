"""How many connections and streams clients of DNS over gRPC may have."""

from __future__ import annotations

from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.schema import Prop, Schema
from shardns.config.values import INTEGER
from shardns.worker.plugin import Plugin


def _count(name: str) -> INTEGER:
    return INTEGER(
        0,
        located=True,
        below=f"{name} must be a non-negative integer: {{}}",
        invalid=f"invalid {name} value '{{}}': {{error}}",
    )


def _twice(name: str) -> Refuse:
    return Refuse(f"{name} already defined for this server block", located=True)


class Options(Schema, repeat="first"):
    """Bounds the connections and streams of clients of DNS over gRPC."""

    max_streams: Annotated[int, Prop(_count("max_streams"), repeat="once", twice=_twice("max_streams"))] = 256
    "Calls that a connection may have under way; 0 is no bound."

    max_connections: Annotated[int, Prop(_count("max_connections"), repeat="once", twice=_twice("max_connections"))] = (
        200
    )
    "Connections of the listening address at a time; 0 is no bound."


class GrpcServer(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "grpc_server"


PLUGIN = GrpcServer
