"""How many pairs of sockets each listening address of the block has."""

from __future__ import annotations

from typing import Annotated

from shardns.config.cores import usable_cores
from shardns.config.schema import Arg, Draft, Schema
from shardns.config.values import INTEGER
from shardns.worker.plugin import Plugin

MOST = 1024
COUNT = INTEGER(
    1,
    MOST,
    located=False,
    below="num sockets can not be zero or negative: {}",
    above=f"num sockets exceeds maximum ({MOST}): {{}}",
    invalid="invalid num sockets: {error}",
)


class Options(Schema, repeat="count", block=False):
    """Opens several sockets on each listening address."""

    count: Annotated[int | None, Arg(COUNT)] = None
    "How many (default: one a core)."

    def shape(self, draft: Draft) -> None:
        """Give the block its number of sockets."""
        draft.sockets = self.count or usable_cores()


class Multisocket(Plugin[Options]):
    """Only set-up; the master opens the sockets."""

    directive = "multisocket"


PLUGIN = Multisocket
