"""One upstream as a worker sees it: one connection for all calls, opened when it is needed, and its counters.

1. Who calls while the connection is being made waits for it. Where it cannot be made, all of them fail with the reason,
   and so do those who call within the pause that follows: first a second, then longer.
2. A connection that the upstream has closed, or is leaving, is replaced. A call that was not begun there, or was lost
   with a connection that had served before, is made once more: queries may be repeated.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from bisect import bisect_left
from typing import Any, Final

from shardns.config.errors import Refuse
from shardns.worker import client_certificates, metrics
from shardns.worker.grpc.client import Call, Connection, Lost
from shardns.worker.grpc.wire import CallError, Status
from shardns.worker.wire.codes import RCODE_TEXT

from . import counters
from .options import Options
from .targets import Target

DIAL_S: Final = 5.0
PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 10.0
FACTOR: Final = 1.6
MOST_WAITING: Final = 4096  # calls of an upstream under way in one worker


class Upstream:
    """`text` is what the configuration says, as metrics name it."""

    def __init__(self, target: Target, options: Options) -> None:
        self.target = target
        self.text = target.text
        self._name = options.tls_servername or target.host.partition("%")[0]
        self._encrypts = options.encrypts
        self._files = options.tls or ()
        self._context: ssl.SSLContext | None = None
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[Connection] | None = None
        self._error = CallError(Status.UNAVAILABLE, "")
        self._pause_s = PAUSE_S
        self._until = 0.0  # of the pause
        self._waiting = 0
        self._cells: dict[int, int] = {}

    async def call(self, message: bytes, until: float) -> bytes:
        """Return the answer of the upstream (monotonic s). Raises CallError."""
        if self._waiting >= MOST_WAITING:
            raise CallError(Status.RESOURCE_EXHAUSTED, "too many calls under way")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(until):
                return await self._call(message, until)
        except TimeoutError:
            raise CallError(Status.DEADLINE_EXCEEDED, "context deadline exceeded") from None
        finally:
            self._waiting -= 1

    async def _call(self, message: bytes, until: float) -> bytes:
        for final in (False, True):
            connection = self._connection
            if connection is None or not connection.open:
                connection = await asyncio.shield(self._dial())
            try:
                return await connection.call(Call(message, until))
            except Lost as lost:
                if final or not lost.again:
                    raise
        raise self._error

    def _dial(self) -> asyncio.Task[Connection]:
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.get_running_loop().create_task(self._connect())
            self._dialling.add_done_callback(_seen)
        return self._dialling

    async def _connect(self) -> Connection:
        loop, target = asyncio.get_running_loop(), self.target
        if loop.time() < self._until:
            raise self._error
        try:
            if not target.spoken:
                raise OSError(f"dial tcp: address {self.text}: too many colons in address")
            async with asyncio.timeout(DIAL_S):
                connection = await self._open(loop)
        except (OSError, TimeoutError) as error:
            why = f'connection error: desc = "transport: Error while dialing: {_reason(self.text, error)}"'
            self._error = CallError(Status.UNAVAILABLE, why)
            self._until = loop.time() + self._pause_s
            self._pause_s = min(self._pause_s * FACTOR, LONGEST_PAUSE_S)
            raise self._error from None
        self._pause_s = PAUSE_S
        self._connection = connection
        return connection

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Connection:
        target, secure = self.target, self._encrypts
        more: dict[str, Any] = {"ssl": self._trust(), "server_hostname": self._name} if secure else {}
        if target.path:
            transport, made = await loop.create_unix_connection(
                lambda: Connection("localhost", secure), target.path, **more
            )
        else:
            transport, made = await loop.create_connection(
                lambda: Connection(self.text, secure), target.host, target.port, **more
            )
        try:
            await made.greeted
        except BaseException:
            transport.abort()
            raise
        return made

    def _trust(self) -> ssl.SSLContext:
        """Return what upstreams are proved with; made in the worker, which alone speaks to them. Raises OSError."""
        if self._context is None:
            try:
                made = client_certificates.context(self._files)
            except Refuse as refuse:
                raise OSError(str(refuse)) from None
            made.set_alpn_protocols(["h2"])
            self._context = made
        return self._context

    def count(self, rcode: int, took_s: float) -> None:
        """Count an answer."""
        values = metrics.values
        cell = self._cells.get(rcode)
        if cell is None:
            cell = self._cells[rcode] = counters.RESPONSES.cell(RCODE_TEXT.get(rcode) or str(rcode), self.text)
        values[cell] += 1
        values[counters.REQUESTS.cell(self.text)] += 1
        cell = counters.DURATION.cell(self.text)
        values[cell + bisect_left(counters.DURATION.buckets, took_s)] += 1
        values[cell + counters.DURATION.sum_at] += took_s

    def close(self) -> None:
        """Close the connection."""
        if self._dialling is not None:
            self._dialling.cancel()
        if self._connection is not None:
            self._connection.close()


def _seen(task: asyncio.Task[Connection]) -> None:
    """Take note of how a dial ended even where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _reason(text: str, error: Exception) -> str:
    """Return the reason in the words of the reference's language."""
    place = text.removeprefix("unix://") if text.startswith("unix://") else text.partition("://")[2] or text
    network = "unix" if text.startswith("unix://") else "tcp"
    if isinstance(error, TimeoutError):
        return f"dial {network} {place}: i/o timeout"
    if isinstance(error, ssl.SSLError):
        return f"tls: {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, OSError) and error.errno:
        return f"dial {network} {place}: connect: {os.strerror(error.errno).lower()}"
    return str(error)
