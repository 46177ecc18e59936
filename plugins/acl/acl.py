"""Allows, blocks, empties or drops queries by the client's address and the type asked for.

1. A query is judged by the name it has here: rewritten or completed from a search list by what stands above, and
   before anything that stands below could answer it from a cache.
2. An answer is memorised for the clients that get the same verdict, and for no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from shardns.worker import metrics
from shardns.worker.address import Address
from shardns.worker.metrics import Counter
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.reply import DROP
from shardns.worker.wire.codes import Rcode
from shardns.worker.wire.edns import DO, EDE, Edns
from shardns.worker.wire.names import to_text

from .options import Options
from .table import Rules, Tables, verdict

_LABELS = ("server", "zone", "view")
blocked = Counter("acl_blocked_requests_total", "Counter of DNS requests being blocked.", _LABELS)
filtered = Counter("acl_filtered_requests_total", "Counter of DNS requests being filtered.", _LABELS)
dropped = Counter("acl_dropped_requests_total", "Counter of DNS requests being dropped.", _LABELS)
allowed = Counter("acl_allowed_requests_total", "Counter of DNS requests being allowed.", ("server", "view"))
COUNTERS: Final = {"block": blocked, "filter": filtered, "drop": dropped}
ANSWERS: Final = {"block": (Rcode.REFUSED, 15), "filter": (Rcode.NOERROR, 17)}  # RFC 8914 §4.16, §4.18
SIZE: Final = 4096  # octets; the reference's

Verdict = tuple[str, bytes]  # action (empty: none), zone of the rule
Steps = list[tuple[Tables, bytes]]


class Acl(Source[tuple[Options, ...]]):
    """Look-ups by name find the rules, look-ups by address the verdict; both do not depend on their number."""

    directive = "acl"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"cells": "worker"}

    def prepare(self) -> None:
        """Sort the rules."""
        self.rules = Rules(self.options)
        self.rules.warm()
        self.log = self.site.logger(self.directive)
        self.cells: dict[tuple[str, str, Verdict], int] = {}
        metrics.caches.append(self.cells)
        self.replies = {
            action: (rcode, Edns(SIZE, flags=DO, options=((EDE, code.to_bytes(2, "big")),)))
            for action, (rcode, code) in ANSWERS.items()
        }

    def end_name(self, query: Query) -> str:
        """Return the name that was asked for, as the reference has it."""
        return query.name_text

    def answer(self, query: Query) -> Outcome:
        """Let the query pass, or answer it in the rule's way."""
        decided = self.decide(query)
        self.count(query, decided)
        action = decided[0]
        if action in ("", "allow"):
            return None
        if action == "drop":
            return DROP
        rcode, edns = self.replies[action]
        return query.reply(rcode, edns=edns)

    def decide(self, query: Query) -> Verdict:
        """Return the verdict; where another client could get another one, see that the memo knows."""
        steps: Steps = []
        request = query.request
        family = request.family if request._peer is None else request._peer.family
        varies = False
        for run, zone in self.rules.runs(query.name):
            tables = run.table(query.qtype)
            steps.append((tables, zone))
            starts, verdicts = tables[family]
            if len(starts) > 1:
                varies = True
            elif verdicts[0]:
                if not varies:
                    return verdicts[0], zone
                break
        if not varies:
            return "", b""
        judge = judgement(steps)
        try:
            decided = judge(request.peer)
        except (OSError, ValueError):
            query.once()
            self.log.error(f"Blocking request. Unable to parse source address: {request.peer.ip}")
            return "block", steps[0][1]
        request.guards = [*(request.guards or ()), (judge, decided)]
        return decided

    def count(self, query: Query, decided: Verdict) -> None:
        """Count the query, and each repetition of its answer."""
        request = query.request
        key = (request.listener.label, request.view, decided)
        cell = self.cells.get(key)
        if cell is None:
            action, zone = decided
            counter = COUNTERS.get(action)
            labels = (key[0], key[1]) if counter is None else (key[0], to_text(zone), key[1])
            cell = self.cells[key] = (counter or allowed).cell(*labels)
        metrics.values[cell] += 1
        request.series.append(cell)


def judgement(steps: Steps) -> Callable[[Address], Verdict]:
    """Return the function from a client to its verdict."""

    def judge(peer: Address) -> Verdict:
        address = int.from_bytes(peer.packed, "big")
        family = peer.family
        for tables, zone in steps:
            action = verdict(tables, family, address)
            if action:
                return ("allow", b"") if action == "allow" else (action, zone)
        return "", b""

    return judge


PLUGIN = Acl
