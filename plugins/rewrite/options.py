"""The options of `rewrite`: one rule a line, or a block."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from shardns.config.schema import Args, Draft, Rest, Schema
from shardns.config.values import STRING, Refuse

from .parse import rule_of
from .rules import Rule


class Options(Schema, repeat="each"):
    """Changes queries before the plugins below see them, and their answers afterwards."""

    line: Annotated[tuple[str, ...], Args(STRING("[continue|stop] FIELD ARGS..."))] = ()
    "A rule. FIELD is name, type, class, edns0, ttl, rcode or cname; the README tells what stands behind each. After a "
    "rule that matches, the walk over the rules ends (stop, the default) or goes on."

    more: Annotated[tuple[tuple[str, ...], ...], Rest(STRING("FIELD ARGS..."))] = ()
    "The same rule over several lines: all their words count as one line."

    rule: Rule | None = None

    def settle(self, draft: Draft) -> Options:
        """Read the rule."""
        words = list(self.line)
        try:
            if len(words) < 2:
                words += [word for line in self.more for word in line]
            rule = rule_of(words)
            if self.more and len(self.line) >= 2:
                rule_of([])  # the reference takes such a block for a line of its own
            return dataclasses.replace(self, rule=rule)
        except ValueError as error:
            raise Refuse(str(error), located=False) from None
