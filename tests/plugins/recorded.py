"""The recorded answers of the reference (tests/conform), asked of the plugins in this process."""

from __future__ import annotations

import asyncio
import json
import mmap
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import dns.message
import dns.name
import dns.rdatatype
import dns.zone

from shardns.config.load import load
from shardns.config.source import Source
from shardns.plugins import plugin_class, schema
from shardns.worker.address import to_sockaddr
from shardns.worker.channel import Spawn
from shardns.worker.generation import Generation
from shardns.worker.plugin import Outcome
from shardns.worker.plugin import Source as Answering
from shardns.worker.query import Query, Request
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section

CONFORM = Path(__file__).parents[1] / "conform"


class Recorded:
    """A scenario and its answers; `classes` are the plugin classes of its directives."""

    def __init__(self, name: str, stand_ins: dict[str, Any] | None = None) -> None:
        self.scenario = tomllib.loads((CONFORM / "scenarios" / f"{name}.toml").read_text())
        self.golden = json.loads((CONFORM / "golden" / f"{name}.json").read_text())["steps"]
        self.stand_ins = stand_ins or {}
        spec = spec_from_file_location("conform", CONFORM / "conform.py")
        assert spec is not None and spec.loader is not None
        self.conform: Any = module_from_spec(spec)
        spec.loader.exec_module(self.conform)
        self.generation = self.build(self.scenario["corefile"])

    def build(self, corefile: str) -> Generation:
        """Start the configuration."""
        text = corefile.replace("@{port}", "1053").replace("@{up0}", "192.0.2.1").replace("@{second}", "1054")
        names = [*self.scenario["plugins"]]
        model = load(Source("Corefile", text), {name: schema(name) for name in names}, names)
        classes = {name: plugin_class(name) for name in names} | self.stand_ins
        cells = mmap.mmap(-1, 1 << 16)
        generation = Generation(Spawn("worker", 0, 1, 0, 1, model, cast(Any, None), cells, "", classes=classes))
        generation.build()
        return generation

    def ask(self, step: dict[str, Any]) -> dict[str, Any]:
        """Send a step's query; return what a client sees."""
        message, _ = self.conform.build_query(step)
        wire = message.to_wire()
        via = "tcp" if step.get("transport") == "tcp" else "udp"
        dispatch = self.generation.dispatches[step.get("port") == "second"]
        request = Request(
            dispatch.listener, to_sockaddr(step.get("source", "127.0.0.1"), 40000), 1, via, 0.0, len(wire)
        )
        answer = dispatch.handle(wire, request, None)
        if answer is not None and not isinstance(answer, bytes):
            answer = asyncio.run(_wait(answer))
        assert answer is not None
        found = dns.message.from_wire(wire[:2] + answer, one_rr_per_rrset=True)
        described: dict[str, Any] = json.loads(json.dumps(self.conform.describe(found, step)))
        return described

    def differences(self) -> list[tuple[str, list[str]]]:
        """Return the queries that are answered otherwise, and how."""
        wrong = []
        for step, want in zip(self.scenario["step"], self.golden, strict=True):
            if "query" in step and (problems := self.conform.differences(step, want, self.ask(step))):
                wrong.append((step["query"], problems))
        return wrong


async def _wait(waiting: Any) -> Any:
    return await waiting


def upstream(records: str, origin: str) -> type[Answering[Any]]:
    """Return a stand-in for `forward` that waits, then answers from these records."""
    zone = dns.zone.from_text(records, origin, relativize=False, check_origin=False)

    class Upstream(Answering[Any]):
        directive = "forward"

        async def answer(self, query: Query) -> Outcome:
            await asyncio.sleep(0)
            found = zone.get_rdataset(dns.name.from_text(query.name_text), dns.rdatatype.RdataType(query.qtype))
            if found is None:
                return query.reply(3)
            rdatas = tuple(cast(bytes, rdata.to_wire()) for rdata in found)
            return query.reply(answer=Section([RRset(from_text(query.name_text), query.qtype, found.ttl, rdatas)]))

    return Upstream
