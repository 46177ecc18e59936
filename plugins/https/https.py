"""How many connections clients of DNS over HTTPS may have."""

from __future__ import annotations

from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.schema import Prop, Schema
from shardns.config.values import INTEGER
from shardns.worker.plugin import Plugin

_COUNT = INTEGER(
    0,
    located=True,
    below="max_connections must be a non-negative integer: {}",
    invalid="invalid max_connections value '{}': {error}",
)
_TWICE = Refuse("max_connections already defined for this server block", located=True)


class Options(Schema, repeat="first"):
    """Bounds the connections of clients of DNS over HTTPS."""

    max_connections: Annotated[int, Prop(_COUNT, repeat="once", twice=_TWICE)] = 200
    "Connections of the listening address at a time; 0 is no bound."


class Https(Plugin[Options]):
    """Only set-up; the listener applies the limit."""

    directive = "https"


PLUGIN = Https
