"""Health probes: none while all goes well; a failed exchange starts them, a success ends them.

1. One process probes an upstream at a time: it holds a lease, a moment in shared memory that it keeps moving on, so
   the lease of a process that died runs out.
2. Only probes raise `fails`. Any message that comes back is a success, whatever it says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shardns.worker.wire.codes import NS
from shardns.worker.wire.question import question

from .asker import FOREVER, Asker
from .counters import PROBE_FAILURES, PROXY_NAME
from .engine import MAX_MESSAGE_BYTES, Engine
from .https import HttpsLine
from .tcp import TcpLine
from .udp import DialFailed, UdpLine

if TYPE_CHECKING:
    from .upstream import Cells, Check

READ_TIMEOUT_S: Final = 1.0
DIAL_TIMEOUT_S: Final = 2.0
MIN_INTERVAL_S: Final = 0.01  # `health_check 0` must not take a whole core
MAX_FAILS: Final = 2**32 - 1  # the reference's counter saturates here
_SPARE_MS: Final = 1000  # what a busy process may be late


Probed = UdpLine | TcpLine | HttpsLine


class Health:
    """The probe loop of one upstream."""

    def __init__(self, engine: Engine, line: Probed, check: Check, cells: Cells) -> None:
        self._engine = engine
        self._line = line
        self._check = check
        self._cells = cells
        self._timer: asyncio.TimerHandle | None = None
        self._probing = False
        self._stopped = False

    def start(self) -> None:
        """Probe until the upstream answers; does nothing where some process does so already."""
        if self._probing or self._stopped or self._check.max_fails == 0:
            return
        if self._cells.lease.get() > self._now_ms():
            return
        self._probing = True
        self._probe()

    def stop(self) -> None:
        """Probe no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._line.abort()
        if self._probing:
            self._cells.lease.set(0)

    def succeeded(self) -> None:
        """The upstream lives."""
        self._cells.fails.set(0)
        self._probing = False
        self._cells.lease.set(0)

    def missed(self) -> None:
        """The upstream did not answer; try again after the interval."""
        PROBE_FAILURES.inc(PROXY_NAME, self._line.remote)
        if self._stopped:
            return
        if self._cells.fails.get() < MAX_FAILS:
            self._cells.fails.add(1)
        self._timer = self._engine.loop.call_later(max(self._check.interval_s, MIN_INTERVAL_S), self._probe)

    def _probe(self) -> None:
        longest_s = DIAL_TIMEOUT_S + 2 * READ_TIMEOUT_S + max(self._check.interval_s, MIN_INTERVAL_S)
        self._cells.lease.set(self._now_ms() + int(longest_s * 1000) + _SPARE_MS)
        probe = Probe(self, self._check)
        now = self._engine.loop.time()
        try:
            if isinstance(self._line, UdpLine):
                self._line.connect(now).ask(probe)
            else:
                self._line.dial(probe, now, DIAL_TIMEOUT_S)
        except DialFailed:
            self.missed()

    def drop(self) -> None:
        """Close the socket of a finished probe: each uses a fresh one."""
        self._line.pool.sweep(self._engine.loop.time() + 2 * self._line.terms.expire_s)

    def _now_ms(self) -> int:
        return int(self._engine.loop.time() * 1000)


class Probe(Asker):
    """One probe query."""

    def __init__(self, health: Health, check: Check) -> None:
        self._health = health
        self._check = check
        self.limit = MAX_MESSAGE_BYTES
        self.timeout_s = READ_TIMEOUT_S
        self.until = FOREVER

    def message(self, ident: int) -> bytes:
        """Return the probe question under this ID."""
        return question(ident, self._check.flags, self._check.name, NS)

    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        """Take anything that has a header."""
        return None

    def proceed(self) -> None:
        """Close the fresh socket again and report the success."""
        self._health.drop()
        self._health.succeeded()

    def failed(self, text: str) -> None:
        """Report the failure."""
        self._health.missed()
