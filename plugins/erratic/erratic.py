"""Gives fixed answers and drops, delays or truncates some of them on a schedule: a misbehaving server for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import ClassVar

from shardns.worker.plugin import Outcome, Ready, Source
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Reply, ServFail
from shardns.worker.wire.codes import AAAA, AXFR, NS, SOA, TC, A
from shardns.worker.wire.names import MAX_NAME_BYTES, ROOT, from_text
from shardns.worker.wire.records import RRset, Section

from .options import Options, Schedule

ADDRESS_4 = bytes((192, 0, 2, 53))
ADDRESS_6 = bytes.fromhex("20010db8000000000000000000000053")
LARGE_RECORDS = 30
SEARCH_PATH = (from_text("a.example.org."), from_text("b.example.org."), ROOT)

_MAILBOX = from_text("sns.dns.icann.org.") + from_text("noc.dns.icann.org.")
_SOA = _MAILBOX + b"".join(n.to_bytes(4, "big") for n in (2018050825, 7200, 3600, 1209600, 3600))
_GLUE_A = bytes.fromhex("20010bd8000000000000000000000053")
_GLUE_B = bytes.fromhex("20010500000000000000000000000054")


class Erratic(Source[Options], Ready):
    """Every process counts on one cell, so the schedule is the same with any number of workers."""

    directive = "erratic"
    mutable: ClassVar[dict[str, str]] = {"seen": "shared"}

    def prepare(self) -> None:
        """Take the counter of this server block."""
        self.schedule: Schedule = self.options.schedule
        self.seen = self.site.shared("counter", self.directive)

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Count the query, then drop it, or answer it at once or after the delay."""
        number = self.seen.add(1)
        schedule = self.schedule
        if hits(number, schedule.drop):
            return DROP
        truncated = schedule.truncate > 0 and number & schedule.truncate == 0
        if hits(number, schedule.delay) and schedule.delay_s > 0:
            return self.late(query, truncated)
        return self.reply(query, truncated)

    async def late(self, query: Query, truncated: bool) -> Outcome:
        """Wait, then answer."""
        await asyncio.sleep(self.schedule.delay_s)
        return self.reply(query, truncated)

    def reply(self, query: Query, truncated: bool) -> Reply:
        """Answer A, AAAA and AXFR; other types fail."""
        flags = TC if truncated else 0
        if query.qtype == A:
            copies = LARGE_RECORDS if self.schedule.large else 1
            answer = Section([RRset(query.owner, A, 0, (ADDRESS_4,) * copies)])
            return query.reply(answer=answer, aa=True, flags=flags)
        if query.qtype == AAAA:
            return query.reply(answer=Section([RRset(query.owner, AAAA, 0, (ADDRESS_6,))]), aa=True, flags=flags)
        if query.qtype == AXFR and len(query.owner) <= MAX_NAME_BYTES - 2:  # room for the labels of the name servers
            return query.reply(answer=zone(query.owner, closed=not truncated), aa=True)
        raise ServFail

    def is_ready(self) -> bool:
        """Ready while three or four queries have been seen: flapping is the purpose."""
        return 3 <= self.seen.get() < 5

    def search_path(self, query: Query) -> tuple[bytes, ...]:
        """Return what `autopath @erratic` searches."""
        return SEARCH_PATH


def hits(number: int, every: int) -> bool:
    """Tell whether an effect that strikes every n-th query strikes this one; 0 switches it off."""
    return every > 0 and number % every == 0


def zone(owner: bytes, *, closed: bool) -> Section:
    """Return the records of the transfer, without the closing SOA where it shall look cut off."""
    a, b = b"\x01a" + owner, b"\x01b" + owner
    rrsets = [
        RRset(owner, SOA, 0, (_SOA,)),
        RRset(owner, NS, 0, (b, a)),
        RRset(a, AAAA, 0, (_GLUE_A,)),
        RRset(b, AAAA, 0, (_GLUE_B,)),
    ]
    return Section([*rrsets, rrsets[0]] if closed else rrsets)


PLUGIN = Erratic
