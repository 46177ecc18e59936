"""Finds out at start whether the server's queries come back to it, and ends it before they multiply.

1. The keeper sends one query for a random name to the server itself; workers count how often they see that name.
2. The name is drawn in the checker, so that all processes of a generation know it; models that differ only in it are
   equal.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from typing import Annotated, Self

from shardns.config.errors import WrongCount
from shardns.config.golang import quote
from shardns.config.names import to_text
from shardns.config.schema import Arg, Draft, Schema
from shardns.config.tokens import Token
from shardns.config.values import Words
from shardns.worker.address import Address
from shardns.worker.log import PluginLog
from shardns.worker.plugin import Layer, Service, Steps
from shardns.worker.query import Query
from shardns.worker.reply import DROP, ServFail
from shardns.worker.scope import Scope
from shardns.worker.wire.codes import HINFO
from shardns.worker.wire.names import ROOT, within

from .probe import watch

TOLERATED = 2  # sightings; the probe itself is the first
RANDOM_BITS = 64  # of each of the two labels: nobody guesses 128 bits (CVE-2026-26018)
CONTAINED = (0, "forwarding loop detected")  # RFC 8914: Other Error
URL = "https://coredns.io/plugins/loop#troubleshooting"


def probe_name(zone: bytes) -> bytes:
    """Return two random numbers as labels in front of the zone."""
    labels = [str(secrets.randbits(RANDOM_BITS)).encode() for _ in range(2)]
    return b"".join(bytes((len(label),)) + label for label in labels) + zone


def _contain(words: Sequence[Token], draft: Draft) -> bool:
    for word in words:
        if word.text != "contain":
            raise WrongCount(at=word)
    return bool(words)


class Options(Schema):
    """Detects forwarding loops at start."""

    contain: Annotated[bool, Arg(Words(_contain, "[contain]"))] = False
    "`contain`: do not end the server, answer SERVFAIL in the looping zone until the next reload."

    zone: bytes = ROOT
    probe: bytes = dataclasses.field(default=b"", compare=False)

    def settle(self, draft: Draft) -> Self:
        """Take the first zone of the block and draw the name of its probe."""
        zone = draft.zones[0] if draft.zones else ROOT
        return dataclasses.replace(self, zone=zone, probe=probe_name(zone))


class Loop(Layer[Options], Service[Options]):
    """Counts the probe in workers; sends it from the keeper. Never answers, unless it contains a loop."""

    directive = "loop"
    repeatable = True
    mutable = {"seen": "shared", "off": "shared", "looping": "shared"}  # noqa: RUF012  a declaration, not state

    def prepare(self) -> None:
        """Take the shared numbers: sightings, whether detection is over, whether a loop is contained."""
        self.seen = self.site.shared("seen", "loop")
        self.off = self.site.shared("off", "loop")
        self.looping = self.site.shared("looping", "loop")
        self.log = PluginLog("loop")
        block = self.site.block
        self.target = Address(block.hosts[0] if block.hosts else "", block.keys[0].port if block.keys else 53)

    def around(self, query: Query) -> Steps:
        """Count the probe; the third sighting of it is a loop."""
        if self.looping.get() and within(query.name, self.options.zone):
            raise ServFail(ede=CONTAINED)
        if query.qtype == HINFO and not self.off.get() and within(query.name, self.options.zone):
            query.once()
            query.request.alone = True  # each round must come by
            if query.name == self.options.probe:
                self.seen.add(1)
            if self.seen.get() > TOLERATED:
                self._found(query)
                if self.options.contain:
                    raise ServFail(ede=CONTAINED)
                yield DROP
        yield (yield query)

    def _found(self, query: Query) -> None:
        """End the server, or the loop."""
        options = self.options
        text = (
            f"Loop ({query.request.peer} -> {self.target}) detected for zone {quote(to_text(options.zone))}, "
            f'see {URL}. Query: "HINFO {to_text(options.probe)}"'
        )
        if not options.contain:
            self.site.fatal(f"plugin/loop: {text}")
            return
        self.off.set(1)
        self.looping.set(1)
        back = query.request.peer.ip
        self.log.error(f"{text}. The query came back from {back}; the zone answers SERVFAIL until the next reload")

    async def start(self, scope: Scope) -> None:
        """Send the probe until it is answered, for half a minute at most; then detection is over."""
        scope.spawn(watch(self.options.probe, self.target, self.seen, self.off))


PLUGIN = Loop
