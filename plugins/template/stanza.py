"""One `template` line: whether it takes a query, and what its templates see of it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from shardns.config import regex
from shardns.config.expression import ExpressionError
from shardns.worker.environment import environment
from shardns.worker.query import Query
from shardns.worker.reply import ServFail
from shardns.worker.wire.codes import ANY, ANY_CLASS
from shardns.worker.wire.names import within

from .data import class_shown, data, groups, type_shown
from .go import Struct, Template
from .options import Options

ANYTHING = regex.compile(".*")
# What is not in the memo's key (DESIGN §4): the client, its port and message id, metadata, the clock, the letter case
# of the question. A bare dot or dollar may print all of them.
_VARYING_DATA = re.compile(r"Remote|Meta|Message|Question|\$(?!\w)|(?<![\w.)\]])\.(?!\w)")
_VARYING_EXPRESSION = re.compile(r"\b(?:client_ip|port|id|metadata|server_ip|now)\b|\$env")


class Match(NamedTuple):
    """A query that the stanza takes: the zone, class and type as shown, and the data of the templates."""

    zone: str
    qclass: str
    qtype: str
    data: Struct


class Stanza:
    """Prepared once for each line."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.patterns = options.match or (ANYTHING,)
        sections = (options.answer, options.additional, options.authority)
        self.answer, self.additional, self.authority = (tuple(t for line in lines for t in line) for lines in sections)
        texts = [template.source for template in (*self.answer, *self.additional, *self.authority)]
        programs = [variable.program for variable in options.variables] + list(options.conditions)
        self.repeatable = not any(map(_VARYING_DATA.search, texts)) and not any(
            _VARYING_EXPRESSION.search(program.source) for program in programs
        )

    def zone(self, name: bytes) -> bytes | None:
        """Return the longest of its zones that a name lies in."""
        return max((zone for zone in self.options.zones if within(name, zone)), key=len, default=None)

    def match(self, query: Query) -> Match | None:
        """Return what the templates see, None to go on to the next stanza; raises ServFail where it must not."""
        options = self.options
        zone = self.zone(query.name)
        if zone is None:
            return None
        if options.qclass != ANY_CLASS and query.qclass not in (ANY_CLASS, options.qclass):
            return None
        if options.qtype != ANY and query.qtype not in (ANY, options.qtype):
            return None
        name = query.name_text
        for pattern in self.patterns:
            found = pattern.search(name)
            if found is not None:
                match, group = groups(pattern, found)
                shown = class_shown(query, options.qclass), type_shown(query, options.qtype)
                fields = data(query, zone, pattern, match, group, shown)
                if not self.holds(query, fields):
                    break
                made = Struct("*template.templateData", fields, {"Meta": lambda label: query.metadata(label) or ""})
                return Match(fields["Zone"], *shown, made)
        self.falls_through(query)
        return None

    def falls_through(self, query: Query) -> None:
        """Raise ServFail unless `fallthrough` covers the name."""
        zones = self.options.fallthrough
        if zones is None or not any(within(query.name, zone) for zone in zones):
            raise ServFail

    def holds(self, query: Query, fields: dict[str, Any]) -> bool:
        """Set the variables and tell whether all conditions are true; raises ServFail where one cannot be told."""
        options = self.options
        if not options.variables and not options.conditions:
            return True
        known: dict[str, Any] = environment(query)
        known["group"] = lambda key: fields["Group"].get(str(key), "") if type(key) in (int, str) else ""
        try:
            for variable in options.variables:
                fields["Var"][variable.name] = known[variable.name] = variable.program.run(known)
            return all(program.run(known) is True for program in options.conditions)
        except ExpressionError:
            raise ServFail from None

    def sections(self) -> tuple[tuple[str, tuple[Template, ...]], ...]:
        """Return the sections behind the answer, in the order in which they are rendered."""
        return (("additional", self.additional), ("authority", self.authority))
