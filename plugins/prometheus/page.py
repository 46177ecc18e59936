"""The page of metrics: flushed, gathered and written once for everybody who asks at the same moment."""

from __future__ import annotations

import asyncio
from typing import Final

from prometheus_client import GCCollector

from shardns.worker import exposition
from shardns.worker.http import Request, Response
from shardns.worker.scope import Scope

from .delimited import CONTENT_TYPE as PROTOBUF
from .delimited import encode

_TABLE = "metrics page"
_FULL: Final = "runtime_metrics"  # a file in the server's folder: asked for once, shown through all reloads


class Page:
    """All metrics of the server. One object a keeper, whatever the number of addresses."""

    def __init__(self, scope: Scope, seat: int) -> None:
        self.scope = scope
        self.registry = exposition.registry(scope.generation.folder, seat)
        self.full = False
        self.flushing: asyncio.Task[None] | None = None

    @classmethod
    def shared(cls, scope: Scope, seat: int, full: bool) -> Page:
        """Return the keeper's page; `full` adds the interpreter's own metrics until the server ends."""
        found: Page = scope.generation.table.setdefault(_TABLE, cls(scope, seat))
        mark = scope.generation.folder / _FULL
        if full:
            mark.touch()
        if mark.exists() and not found.full:
            found.full = True
            GCCollector(registry=found.registry)
        return found

    async def answer(self, request: Request) -> Response:
        """Answer a scrape: text format, or delimited protobuf for who prefers that."""
        await self._flush()
        families = list(self.registry.collect())
        if wants_protobuf(request.headers.get("accept", "")):
            return Response(200, encode(families), PROTOBUF, packed=True)
        return Response(200, exposition.text(families), exposition.CONTENT_TYPE, packed=True)

    async def _flush(self) -> None:
        """Have the workers write out their counters; scrapes at the same moment share one flush."""
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.get_running_loop().create_task(self.scope.flush())
        await asyncio.shield(self.flushing)


def wants_protobuf(accept: str) -> bool:
    """Tell whether the best accepted type is the protobuf exposition format."""
    best, chosen = 0.0, False
    for item in accept.split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        values = dict(part.partition("=")[::2] for part in parameters)
        try:
            weight = float(values.get("q", "1"))
        except ValueError:
            weight = 0.0
        protobuf = (
            kind == "application/vnd.google.protobuf"
            and values.get("proto", "").strip('"') == "io.prometheus.client.MetricFamily"
            and values.get("encoding", "") == "delimited"
        )
        if weight > best and (protobuf or kind in ("text/plain", "*/*", "text/*")):
            best, chosen = weight, protobuf
    return chosen
