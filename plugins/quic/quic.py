"""How much clients of DNS over QUIC may do at a time."""

from __future__ import annotations

from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.schema import Prop, Schema
from shardns.config.values import INTEGER
from shardns.worker.plugin import Plugin


def _count(name: str) -> INTEGER:
    return INTEGER(
        1,
        located=True,
        below=f"{name} must be a positive integer: {{}}",
        invalid=f"invalid {name} value '{{}}': {{error}}",
    )


def _twice(name: str) -> Refuse:
    return Refuse(f"{name} already defined for this server block", located=True)


class Options(Schema, repeat="first"):
    """Bounds what clients of DNS over QUIC may do at a time."""

    max_streams: Annotated[int, Prop(_count("max_streams"), repeat="once", twice=_twice("max_streams"))] = 256
    "Streams that a connection may have open."

    worker_pool_size: Annotated[
        int, Prop(_count("worker_pool_size"), repeat="once", twice=_twice("worker_pool_size"))
    ] = 1024
    "Queries of all connections together that may wait for their answers; more wait for their turn."


class Quic(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "quic"


PLUGIN = Quic
