"""Running a checker: forked, read through a pipe, killed when it takes too long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from . import checker, process
from .loop import Loop

CHUNK_BYTES = 1 << 16


class Inspection:
    """At most one checker. `done` is told the generation and the report."""

    def __init__(
        self,
        loop: Loop,
        check: Callable[[checker.Job, int], None],
        done: Callable[[int, checker.Report], None],
    ) -> None:
        self._loop = loop
        self._check = check
        self._done = done
        self._number = 0
        self._pid = 0
        self._pipe = -1
        self._data = bytearray()
        self._ended: str | None = None
        self._why = ""
        self.deadline: float | None = None

    def start(self, number: int, job: checker.Job) -> None:
        """Check for a generation; a checker that still runs is ended and forgotten."""
        self.kill()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._number, self._pipe, self._ended, self._why = number, reader, None, ""
        self._data.clear()
        self._pid = process.fork("shardns: checker", {writer}, lambda: self._check(job, writer))
        os.close(writer)
        self._loop.add(reader, self._read)
        self.deadline = time.monotonic() + checker.WALL_S

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._pipe, CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self._close()
                self._conclude()
                return
            self._data += chunk

    def reaped(self, pid: int, status: int) -> None:
        """A child ended, perhaps this one."""
        if pid == self._pid:
            self._pid = 0
            self._ended = process.how(status)
            self._conclude()

    def _conclude(self) -> None:
        """Done when the pipe is at its end and the process is gone."""
        if self._pipe < 0 and self._ended is not None:
            self.deadline = None
            report = checker.received(bytes(self._data), self._why or self._ended)
            self._data.clear()
            self._ended = None
            self._done(self._number, report)

    def tick(self, now: float) -> None:
        """End a checker that takes too long."""
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            self._why = f"it took longer than {checker.WALL_S:g}s"
            process.kill(self._pid)

    def _close(self) -> None:
        if self._pipe >= 0:
            self._loop.remove(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def kill(self) -> None:
        """Forget the checker that runs."""
        if self._pid:
            process.kill(self._pid)
            self._pid = 0
        self._close()
        self.deadline = None
