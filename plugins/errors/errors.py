"""Logs the errors of the plugins below, one by one or counted by pattern.

1. Workers see the errors, the keeper counts those that a pattern takes: a window is one for all workers.
2. What an answer is does not change here: failures pass on as they came.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import re2

from shardns.config.golang import duration_text
from shardns.worker import log
from shardns.worker.plugin import Layer, Service, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Failure
from shardns.worker.scope import Scope

from .options import Consolidate, Options


class Window:
    """The errors that one pattern has taken in the current period."""

    def __init__(self, rule: Consolidate) -> None:
        self.rule = rule
        self.count = 0

    def summary(self) -> str:
        """Return the line that ends a period, empty where there is none; start over."""
        count, self.count = self.count, 0
        rule = self.rule
        if not count or (rule.show_first and count == 1):
            return ""
        return f"{count} errors like '{rule.pattern}' occurred in last {duration_text(rule.period_s)}"


class Errors(Layer[Options], Service[Options]):
    """A layer in the workers, the counting windows in the keeper."""

    directive = "errors"
    repeatable = True
    transparent = True
    mutable: ClassVar[dict[str, str]] = {"windows": "keeper", "scope": "keeper"}

    def prepare(self) -> None:
        """Compile the patterns, once each."""
        quiet = re2.Options()
        quiet.log_errors = False
        self.patterns = [re2.compile(rule.pattern, quiet) for rule in self.options.consolidate]
        self.windows = [Window(rule) for rule in self.options.consolidate]
        self.scope: Scope | None = None
        self.log = self.site.logger(self.directive)

    # In a worker ---------------------------------------------------------------------------------------------------

    def around(self, query: Query) -> Steps:
        """Pass everything on; note failures that carry a text."""
        try:
            outcome = yield query
        except Failure as failure:
            if failure.text:
                self.note(query, failure, int(failure.rcode))
            raise
        fault = query.request.fault
        if fault is not None and fault.text:
            self.note(query, fault, 0)  # whoever wrote the answer reports success, and the error beside it
        yield outcome

    def note(self, query: Query, failure: Failure, rcode: int) -> None:
        """Log an error, or have the keeper count it."""
        query.once()  # asked again it is logged again
        shown = query.request.rewritten or query
        line = f"{rcode} {shown.name_text} {shown.type_text}: {failure.text}"
        for index, pattern in enumerate(self.patterns):
            if pattern.search(failure.text):
                log.flush()  # the query's own line comes before what the keeper may say of it
                self.site.relay(self, msgspec.msgpack.encode((index, line)))
                return
        self.log.error(line)

    # In the keeper -------------------------------------------------------------------------------------------------

    async def start(self, scope: Scope) -> None:
        """Begin to count; what is open when the scope closes is reported then."""
        self.scope = scope
        scope.defer(self.stop)

    def relayed(self, body: bytes) -> None:
        """Take an error that a worker's pattern matched."""
        index, line = msgspec.msgpack.decode(body, type=tuple[int, str])
        window = self.windows[index]
        rule = window.rule
        if self.scope is None:  # stopping: no window would ever report it
            self.log.at(rule.level, line)
            return
        window.count += 1
        if window.count > 1:
            return
        if rule.show_first:
            self.log.at(rule.level, line)
        self.scope.after(max(rule.period_s, 0.0), lambda: self.report(window))

    def report(self, window: Window) -> None:
        """End a period."""
        text = window.summary()
        if text:
            self.log.at(window.rule.level, text)

    async def leaving(self) -> None:
        """Report before `health` begins its wait."""
        self.stop()

    def stop(self) -> None:
        """Report what is open; errors that still arrive are logged one by one."""
        self.scope = None
        for window in self.windows:
            self.report(window)


PLUGIN = Errors
