"""A `forward` plugin outside a server, for tests of its exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from shardns.plugins.forward.forward import Forward
from shardns.plugins.forward.options import Options
from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.shared import Cells
from shardns.worker.site import Site
from tests.worker.fakes import FakeSite


def plugin(text: str, cells: Cells | None = None) -> Forward:
    mine = cells or Cells(bytearray(8192), 1, 0)
    site = FakeSite(
        shared=lambda name, directive="": mine.shared(0, directive, name),
        shared_sum=lambda name, directive="": mine.total(0, directive, name),
    )
    return Forward(Options.read(text), cast(Site, site))


@asynccontextmanager
async def running(text: str, cells: Cells | None = None) -> AsyncIterator[Forward]:
    forward = plugin(text, cells)
    try:
        yield forward
    finally:
        forward._stop()
        await asyncio.sleep(0)


async def ask(forward: Forward, asked: Query) -> Any:
    return await cast(Awaitable[Any], forward.answer(asked))


async def failure(forward: Forward, asked: Query) -> str:
    with pytest.raises(ServFail) as caught:
        await ask(forward, asked)
    return caught.value.text


def address(reply: Reply) -> bytes:
    return reply.answer[0].rdatas[0]
