"""Marks a server block as being debugged: debug lines appear, and a panic ends the server instead of being caught."""

from __future__ import annotations

from shardns.config.schema import Draft, Schema
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="last"):
    """Log debug lines, and let a panic while answering end the server with its trace."""

    def shape(self, draft: Draft) -> None:
        """Mark the block, with all its keys."""
        draft.debug = True


class Debug(Plugin[Options]):
    """Only carries the mark; it has no place in the chain."""

    directive = "debug"
    repeatable = True


PLUGIN = Debug
