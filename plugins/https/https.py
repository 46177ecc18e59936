"""How many connections clients of DNS over HTTPS may have."""

from __future__ import annotations

from typing import Annotated

from shardns.config.limits import limit
from shardns.config.schema import Schema
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="first"):
    """Bounds the connections of clients of DNS over HTTPS."""

    max_connections: Annotated[int, limit("max_connections")] = 200
    "Connections of the listening address at a time; 0 is no bound."


class Https(Plugin[Options]):
    """Only set-up; the listener applies the limit."""

    directive = "https"


PLUGIN = Https
