"""The master: performs what the supervisor decides, and tells it what happened."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from setproctitle import setproctitle

from shardns.config.cores import usable_cores
from shardns.worker.channel import Any as AnyMessage
from shardns.worker.encryption import EncryptionError, restamped
from shardns.worker.priority import let_return

from . import checker, folder, notify, process
from .capacity import raise_file_limit
from .children import ENTRIES, Children, Entry, Material, make_ready
from .control import Control, Request
from .events import (
    Action,
    Again,
    Answer,
    Asked,
    Check,
    Checked,
    Edited,
    Event,
    Exit,
    Gone,
    Role,
    Said,
    Signalled,
    Tick,
)
from .inspection import Inspection
from .loop import Loop
from .perform import Options, Performer
from .status import describe
from .supervisor import Supervisor


class Master:
    """One server. `run` returns the exit status."""

    def __init__(
        self,
        options: Options,
        *,
        entries: dict[Role, Entry] = ENTRIES,
        check: Callable[[checker.Job, int], None] = checker.run,
        material: Callable[[Any], Material] = Material.of,
    ) -> None:
        self.options = options
        self.started = time.time()
        self.supervisor = Supervisor(options.workers)
        self.loop = Loop()
        self.children = Children(self.loop, self._said, entries, options.user)
        self._events: deque[Event] = deque()
        self._busy = False
        self._status: int | None = None
        self._inspection = Inspection(self.loop, check, self._inspected)
        self._material = material
        self._notifier = notify.Notifier()
        self._watchdog_due = 0.0
        self.performer = Performer(options, self.children, self._notifier)

    # The loop ---------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to end."""
        raise_file_limit()
        let_return()
        setproctitle("shardns: master")
        self.loop.listen_to_signals(self._signalled)
        user = self.options.user
        home = folder.make(self.options.conf, (user.uid, user.gid) if user else None)
        self.performer.folder = home
        self.control = Control(home / folder.CONTROL, self.loop, self._asked)
        try:
            self._perform_all(self.supervisor.start(time.monotonic()))
            make_ready()
            self._turn()
            self.loop.run(self._deadline, self._due)
        finally:
            self._inspection.kill()
            self.children.kill_all()
            self.performer.table.close()
            self.control.close()
            folder.clear(home)
            self.loop.close()
        return self._status or 0

    def _deadline(self) -> float | None:
        times = [self.supervisor.deadline(), self._inspection.deadline]
        if self._notifier.every_s:
            times.append(self._watchdog_due)
        return min((time for time in times if time is not None), default=None)

    def _due(self) -> None:
        now = time.monotonic()
        if self._notifier.every_s and now >= self._watchdog_due:
            self._watchdog_due = now + self._notifier.every_s
            self._notifier.watchdog()
        self._inspection.tick(now)
        self.tell(Tick())

    def tell(self, event: Event) -> None:
        """Pass an event to the supervisor and perform its answer, one event after the other."""
        self._events.append(event)
        self._turn()

    def _turn(self) -> None:
        if self._busy:
            return
        self._busy = True
        while self._events and self._status is None:
            self._perform_all(self.supervisor.step(self._events.popleft(), time.monotonic()))
        self._busy = False

    # What happens -----------------------------------------------------------------------------------------------------

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            for pid, status in process.reap():
                self._inspection.reaped(pid, status)
                found = self.children.reaped(pid, status)
                if found is not None:
                    self.tell(Gone(*found))
        elif number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            self.tell(Asked(number.name))
        else:
            self.tell(Signalled(number.name))

    def _said(self, child: int, message: AnyMessage) -> None:
        self.tell(Said(child, message))

    def _asked(self, ticket: int, request: Request) -> Mapping[str, Any] | None:
        if request.do == "status":
            return describe(self)
        if request.do == "reload" and 0 <= request.workers <= 1024:
            self.tell(Asked("control", ticket=ticket, workers=request.workers))
            return None
        if request.do == "where":
            return {"ok": True, "folder": str(self.performer.folder)}
        if request.do == "forget":
            self.tell(Edited(ticket))
            return None
        return {"ok": False, "text": f"unknown request: {request.do}"}

    def _inspected(self, number: int, report: checker.Report) -> None:
        if report.model is not None:
            try:
                self.performer.materials[number] = self._material(report.model)
            except (ImportError, KeyError) as error:
                report = checker.Report(text=f"cannot import: {error}")
            except EncryptionError as error:
                report = checker.Report(text=str(error))
        self.performer.reports[number] = report
        gc.collect()
        gc.freeze()
        workers = report.model.workers if report.model is not None else 0
        self.tell(
            Checked(
                number,
                report.text,
                report.detail,
                report.unread,
                report.warnings,
                report.listeners,
                workers or usable_cores(),
            )
        )

    # What is done -----------------------------------------------------------------------------------------------------

    def _perform_all(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Check(generation, urgent):
                self._inspection.start(generation, self._job(urgent))
            case Again(generation):
                self._inspected(generation, self._renewed())
            case Answer(ticket, ok, text):
                self.control.answer(ticket, {"ok": ok, "text": text})
            case Exit(status, text):
                if text:
                    sys.stderr.write(text + "\n")
                self._status = status
                self.loop.stop()
            case _:
                event = self.performer.perform(action)
                if event is not None:
                    self._events.append(event)

    def _renewed(self) -> checker.Report:
        report = self.performer.committed
        assert report.model is not None
        return replace(report, model=restamped(report.model), warnings=())

    def _job(self, urgent: bool) -> checker.Job:
        first = not self.supervisor.live
        model = self.performer.committed.model
        running = "" if first else "built-in" if model is not None and model.built_in else "file"
        return checker.Job(self.options.conf, self.options.port, self.performer.piped, running, urgent)
