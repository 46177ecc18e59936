"""Puts a deadline on each query, for plugins that wait: they begin nothing after it."""

from __future__ import annotations

import time
from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.schema import Arg, Draft, Schema
from shardns.config.values import DURATION
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query


class Timeout(DURATION):
    """A duration above 0; complaints repeat the word as it was written."""

    def __init__(self) -> None:
        super().__init__(located=False, invalid="invalid duration: {q}")

    def parse(self, word: str, draft: Draft) -> float:
        """Return the seconds."""
        timeout_s = super().parse(word, draft)
        if timeout_s <= 0:
            raise Refuse(f"invalid negative duration: {quote(word)}", located=False)
        return timeout_s


class Options(Schema, repeat="last", block=False):
    """Puts a deadline on each query."""

    timeout: Annotated[float, Arg(Timeout)] = 5.001
    "How long a query may run; the default is just over the usual patience of clients."


class Cancel(Source[Options]):
    """The deadline is there to be seen: nothing is interrupted, and a late reply is sent all the same."""

    directive = "cancel"
    repeatable = True
    transparent = True
    clock = staticmethod(time.monotonic)

    def answer(self, query: Query) -> Outcome:
        """Note the deadline, counted from here, unless a lookup around this one has an earlier one."""
        request = query.request
        deadline = self.clock() + self.options.timeout
        if request.deadline is None or deadline < request.deadline:
            request.deadline = deadline
        return None


PLUGIN = Cancel
