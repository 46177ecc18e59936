"""Whole configurations in this process: queries as octets in, answers as octets out, with and without the memo."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import Awaitable
from typing import Any, cast

import dns.edns
import dns.message
import dns.name
import dns.rdatatype

from shardns.config.load import load
from shardns.config.source import Source
from shardns.plugins import order, plugin_class, schema
from shardns.worker import metrics
from shardns.worker.address import to_sockaddr
from shardns.worker.channel import Spawn
from shardns.worker.generation import Generation
from shardns.worker.memo import Budget, Memo
from shardns.worker.query import Request

Message = dns.message.Message
TIMES = 4  # a query is seen, admitted, repeated, and repeated again


class Whole:
    """One configuration. Every query is asked several times with the memo, and must get the answer it gets without."""

    def __init__(self, corefile: str) -> None:
        names = order()
        model = load(Source("Corefile", corefile), {name: schema(name) for name in names}, names)
        classes = {d.name: plugin_class(d.name) for block in model.blocks for d in block.directives}
        ordered = {name: classes[name] for name in names if name in classes}
        cells = mmap.mmap(-1, 1 << 16)
        self.generation = Generation(Spawn("worker", 0, 1, 0, 1, model, cast(Any, None), cells, "", classes=ordered))
        self.generation.build()
        self.budget = Budget(1 << 20)
        self.memos: dict[tuple[int, str, int], Memo] = {}

    def send(self, wire: bytes, ip: str, via: str, index: int, *, memo: bool) -> bytes | None:
        """Return the answer to a message, silence as None."""
        dispatch = self.generation.dispatches[index]
        family = 2 if ":" in ip else 1
        now = self.generation.now()
        sender = to_sockaddr(ip, 40212)
        kept = self.memos.setdefault((index, via, family), Memo(self.budget)) if memo else None
        if kept is not None:
            found = kept.get(wire[2:], now, sender, int.from_bytes(wire[:2], "big"))
            if found is not None:
                return wire[:2] + found
        answer = dispatch.handle(wire, Request(dispatch.listener, sender, family, via, now, len(wire)), kept)
        if answer is not None and not isinstance(answer, bytes):
            answer = asyncio.run(_wait(answer))
        return None if answer is None else wire[:2] + answer

    def ask(
        self, name: str, qtype: str = "A", *, ip: str = "10.240.0.1", via: str = "udp", index: int = 0, **more: Any
    ) -> Message | None:
        """Return the answer to a query, the same with and without the memo."""
        wire = question(name, qtype, **more)
        plain = self.send(wire, ip, via, index, memo=False)
        for _ in range(TIMES):
            assert self.send(wire, ip, via, index, memo=True) == plain
        return None if plain is None else dns.message.from_wire(plain, one_rr_per_rrset=True)

    def answered(self, name: str, qtype: str = "A", **more: Any) -> Message:
        """Return an answer that must come."""
        found = self.ask(name, qtype, **more)
        assert found is not None
        return found

    def is_memorised(self) -> int:
        """Return how many answers the memos hold."""
        return sum(len(memo.young) for memo in self.memos.values())


def question(
    name: str,
    qtype: str = "A",
    *,
    size: int | None = None,
    do: bool = False,
    options: tuple[tuple[int, bytes], ...] = (),
    rd: bool = True,
    rdclass: str = "IN",
) -> bytes:
    """Return a query's octets; `size` is that of its OPT record, which it has if one of its things is asked for."""
    query = dns.message.make_query(name, qtype, rdclass)
    query.id = 0x1234
    query.flags = 0x0100 if rd else 0
    if size is not None or do or options:
        sent = [dns.edns.GenericOption(dns.edns.OptionType.make(code), value) for code, value in options]
        query.use_edns(0, 0x8000 if do else 0, size or 1232, options=list(sent))
    return query.to_wire()


def texts(section: list[Any]) -> list[str]:
    """Return the records of a section as text."""
    return [rrset.to_text() for rrset in section]


def options_of(message: Message) -> list[tuple[int, bytes]]:
    """Return the EDNS options of an answer."""
    return [(int(option.otype), option.to_wire()) for option in message.options]


def counted(name: str, *labels: str) -> float:
    """Return the value of a counter."""
    return float(metrics.values[metrics.declared[name].cell(*labels)])


async def _wait(waiting: Awaitable[bytes | None]) -> bytes | None:
    return await waiting
