"""One upstream of one `forward` line as a worker sees it: its connections, its health, its counters."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final, Protocol

from shardns.worker import metrics
from shardns.worker.address import Address
from shardns.worker.shared import Shared
from shardns.worker.wire.codes import RCODE_TEXT, RD

from . import texts
from .asker import Asker
from .counters import DURATION, HITS, MISSES, PROXY_NAME
from .dials import DialTime
from .engine import Engine
from .health import Health
from .pace import Pace
from .pool import Terms
from .tcp import TcpLine
from .udp import DialFailed, UdpLine

SWEEP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """What a health probe asks, and when a failing upstream counts as down (`max_fails` 0: never, and no probes)."""

    name: bytes = b"\0"
    flags: int = RD
    interval_s: float = 0.5
    max_fails: int = 2
    stream: bool = False


class Sweeps(Protocol):
    """A pool as its upstream sees it."""

    def sweep(self, now: float) -> None:
        """Close what nobody will take any more."""

    def stop(self) -> None:
        """Close everything, now and from now on."""


class Swept(Protocol):
    """All connections of one kind."""

    @property
    def pool(self) -> Sweeps:
        """Those that wait for their next query."""


@dataclass(slots=True)
class Cells:
    """Shared numbers of an upstream: failed probes in a row, and until when (ms) some process probes it."""

    fails: Shared
    lease: Shared


@dataclass(slots=True)
class _Series:
    """Cells of this process's metrics, found once."""

    durations: dict[int, int] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)


class Upstream:
    """`text` is `IP:port`, as metrics and metadata name it."""

    def __init__(self, host: str, port: int, terms: Terms, check: Check, cells: Cells) -> None:
        self.host = host
        self.port = port
        self.text = str(Address(host, port))
        self.terms = terms
        self.check = check
        self.cells = cells
        self.stopped = False
        self.pace: Pace | None = None
        self._series = _Series()
        self.engine: Engine | None = None
        self.udp: UdpLine
        self.tcp: TcpLine
        self.health: Health
        self.lines: tuple[Swept, ...] = ()

    def start(self, engine: Engine) -> None:
        """Get ready for connections, in the worker's running loop."""
        self.engine = engine
        self.dials = DialTime()
        self.udp = UdpLine(engine, self.host, self.port, self.text, self.terms)
        self.udp.dialled = lambda: self.dials.observe(0.0)
        self.tcp = TcpLine(engine, self.host, self.port, self.text, self.terms, self.dials)
        self.lines = (self.udp, self.tcp)
        terms = self.terms.for_probes
        probes: UdpLine | TcpLine = (
            TcpLine(engine, self.host, self.port, self.text, terms, DialTime())
            if self.check.stream
            else UdpLine(engine, self.host, self.port, self.text, terms)
        )
        self.health = Health(engine, probes, self.check, self.cells)

    @property
    def down(self) -> bool:
        """Whether more probes than tolerated have failed."""
        limit = self.check.max_fails
        return limit > 0 and self.cells.fails.get() > limit

    @property
    def suspect(self) -> bool:
        """Whether others should be tried first: a probe has failed. Clients can bring time-outs about, but not that."""
        return self.check.max_fails > 0 and self.cells.fails.get() > 0

    def answered(self, exchange: Asker, rcode: int, took_s: float) -> None:
        """Note the end of an exchange."""
        self.observe(rcode, took_s)
        if self.pace is not None:
            self.pace.answered(exchange)

    def failed(self, exchange: Asker) -> None:
        """Note that an exchange failed, and have the upstream probed."""
        self.health.start()
        if self.pace is not None:
            self.pace.failed(exchange, self.terms.read_timeout_s)

    def ask(self, asker: Asker, stream: bool) -> None:
        """Begin an exchange over a pooled or new connection."""
        engine = self.engine
        assert engine is not None
        if self.stopped:
            asker.failed(texts.STOPPED)
            return
        if not stream:
            self.udp.ask(asker)
            return
        try:
            self._ask_tcp(asker, engine.loop.time())
        except DialFailed as failure:
            asker.failed(str(failure))

    def _ask_tcp(self, asker: Asker, now: float) -> None:
        pooled = self.tcp.pool.take(now)
        if pooled is None:
            self._count(self._series.misses, MISSES, self.tcp.proto)
            self.tcp.dial(asker, now)
        else:
            self._count(self._series.hits, HITS, self.tcp.proto)
            pooled.reused = True
            pooled.ask(asker)

    def observe(self, rcode: int, took_s: float) -> None:
        """Count a successful exchange."""
        cell = self._series.durations.get(rcode)
        if cell is None:
            cell = DURATION.cell(PROXY_NAME, self.text, RCODE_TEXT.get(rcode) or str(rcode))
            self._series.durations[rcode] = cell
        values = metrics.values
        values[cell + bisect_left(DURATION.buckets, took_s)] += 1
        values[cell + DURATION.sum_at] += took_s

    def _count(self, known: dict[str, int], counter: metrics.Counter, proto: str) -> None:
        cell = known.get(proto)
        if cell is None:
            cell = known[proto] = counter.cell(PROXY_NAME, self.text, proto)
        metrics.values[cell] += 1

    def sweep(self) -> None:
        """Close idle connections whose time is over."""
        if self.engine is not None:
            now = self.engine.loop.time()
            for line in self.lines:
                line.pool.sweep(now)

    def stop(self) -> None:
        """Close idle connections and let no new ones be made; exchanges under way end by themselves."""
        self.stopped = True
        if self.engine is not None:
            self.health.stop()
            for line in self.lines:
                line.pool.stop()
