"""Performs the supervisor's actions on processes, sockets, files and systemd."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from shardns.config.model import Model, listeners
from shardns.worker import log

from . import banner, checker, notify
from .children import Children, Material
from .events import (
    Action,
    Admit,
    Discard,
    Event,
    Fork,
    Kill,
    Log,
    Notify,
    Open,
    Opened,
    Pidfile,
    Prepare,
    Prepared,
    Print,
    Send,
    Trim,
    Unlisten,
)
from .privileges import User
from .sockets import Table
from .where import ListenError, Where, places


@dataclass(frozen=True)
class Options:
    """What the command line says about serving."""

    conf: str = ""
    port: int = 53
    pidfile: str = ""
    quiet: bool = False
    workers: int = 0
    reuse: bool = False
    user: User | None = None


class Performer:
    """The hands of the master. `reports` and `materials` are kept by generation, as long as it may fork."""

    def __init__(self, options: Options, children: Children, notifier: notify.Notifier) -> None:
        self.options = options
        self.children = children
        self.table = Table(reuse=options.reuse)
        self.folder = Path()
        self.reports: dict[int, checker.Report] = {}
        self.materials: dict[int, Material] = {}
        self.piped: str | None = None
        self.committed = checker.Report()
        self._notifier = notifier
        self._handed_over = notify.handed_over()

    def perform(self, action: Action) -> Event | None:
        """Do it; returns what it led to."""
        match action:
            case Prepare():
                return Prepared(action.generation, self._prepare(action))
            case Open(generation):
                return Opened(generation, self._open(generation))
            case Fork():
                self._fork(action)
            case Send(child, message):
                self.children.send(child, message)
            case Kill(child):
                self.children.kill(child)
            case Admit(generation):
                self.table.admit(generation)
            case Unlisten(generation):
                self.table.unlisten(generation)
            case Trim(generation):
                self.table.trim(generation)
                self._forget([number for number in self.reports if number < generation])
            case Discard(generation):
                self.table.discard(generation)
                self._forget([generation])
            case Log(level, text, detail):
                getattr(log, level)(text)
                self._write(detail)
            case Print(what, text):
                self._print(what, text)
            case Pidfile(present):
                self._pidfile(present)
            case Notify(state):
                workers = sum(1 for child in self.children.running.values() if child.what.role == "worker")
                self._notifier.state(state, f"{workers} workers" if state == "ready" else "")
            case _:
                pass
        return None

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self.reports.pop(number, None)
            material = self.materials.pop(number, None)
            if material is not None:
                material.close()

    def _prepare(self, action: Prepare) -> str:
        report = self.reports[action.generation]
        assert report.model is not None
        if report.piped is not None:
            self.piped = report.piped
        for endpoint, where in zip(report.model.endpoints, report.endpoints, strict=True):
            if isinstance(where, str) and endpoint.required:
                return where
        endpoints = [where if isinstance(where, Where) else None for where in report.endpoints]
        self._adopt(report.model)
        try:
            self.table.prepare(action.generation, report.model, action.slots, endpoints)
        except ListenError as error:
            return str(error)
        return ""

    def _adopt(self, model: Model) -> None:
        if not self._handed_over:
            return
        all_of = listeners(model)
        wanted = [where for listening in all_of for where in places(listening, all_of)]
        groups, unwanted = notify.adopt(self._handed_over, wanted)
        self.table.adopt(groups)
        for sock in unwanted:
            log.warning("nothing in the configuration listens on a socket from systemd", address=sock.getsockname())
            sock.close()
        self._handed_over = []

    def _open(self, number: int) -> str:
        report = self.reports[number]
        assert report.model is not None
        try:
            self.table.open(number)
        except ListenError as error:
            return str(error)
        errors = self.table.open_endpoints(number)
        for endpoint, where in zip(report.model.endpoints, report.endpoints, strict=True):
            text = where if isinstance(where, str) else errors.get(where, "")
            if text and endpoint.required:
                return text
            if text:
                log.error(f"{endpoint.complaint or f'plugin/{endpoint.plugin}'}: {text}")
        self.committed = report
        return ""

    def _fork(self, action: Fork) -> None:
        number = action.generation
        lent = self.table.lend(number, action.slot) if action.role == "worker" else []
        endpoints = self.table.lend_endpoints(number) if action.role == "keeper" else []
        older = [material.post for known, material in sorted(self.materials.items()) if known < number]
        before = [post for post in older if post is not None]
        self.children.fork(action, self.materials[number], str(self.folder), lent, endpoints, before)

    def _print(self, what: str, text: str) -> None:
        model = self.committed.model
        if what == "fatal":
            self._write(text)
        elif what == "version" and not self.options.quiet:
            self._write(*banner.version_lines())
        elif what == "zones" and not self.options.quiet and model is not None:
            self._write(*banner.zone_lines(listeners(model)))

    def _write(self, *lines: str) -> None:
        for line in filter(None, lines):
            log.write(line.encode(errors="surrogateescape"))

    def _pidfile(self, present: bool) -> None:
        if not self.options.pidfile:
            return
        path = Path(self.options.pidfile)
        if not present:
            path.unlink(missing_ok=True)
            return
        try:
            path.write_text(f"{os.getpid()}\n")
            path.chmod(0o644)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            log.error(f"Could not write pidfile: open {self.options.pidfile}: {reason}")
