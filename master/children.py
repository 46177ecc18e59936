"""The processes behind the supervisor's children: forked, heard through their channels, reaped."""

from __future__ import annotations

import mmap
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from shardns.config.model import Model
from shardns.worker import log
from shardns.worker.channel import Any as AnyMessage
from shardns.worker.channel import Lent, Message, Spawn, receive, send
from shardns.worker.encryption import contexts, open_keylogs, quic_credentials

from .events import Fork, Role
from .loop import Loop
from .privileges import User, drop
from .process import fork, how, kill

if TYPE_CHECKING:
    from shardns.worker.quic.credentials import Credentials
    from shardns.worker.quic.post import Mail, Post

CELL_BYTES = 64 << 10  # numbers that all processes of a generation share
CHANNEL_BYTES = 1 << 20  # room for messages while the other side is busy
MAX_MESSAGES = 64  # of one child in one turn of the loop

Entry = Callable[[Spawn], NoReturn]


def _worker(spawn: Spawn) -> NoReturn:
    from shardns.worker.run import run_worker

    run_worker(spawn)


def _keeper(spawn: Spawn) -> NoReturn:
    from shardns.worker.keeper import run_keeper

    run_keeper(spawn)


ENTRIES: dict[Role, Entry] = {"worker": _worker, "keeper": _keeper}


def make_ready() -> None:
    """Import what children of any configuration need, so that they share it: some 100 ms, beside the first checker."""
    for module in ("shardns.worker.run", "shardns.worker.keeper"):
        import_module(module)
    log.logger()


@dataclass(slots=True)
class Material:
    """What the children of one generation are made from."""

    model: Model
    classes: dict[str, type[Any]]  # in the order of directives
    cells: mmap.mmap
    contexts: dict[int, ssl.SSLContext] = field(default_factory=dict)
    quic: dict[int, Credentials] = field(default_factory=dict)
    post: Post | None = None

    @classmethod
    def of(cls, model: Model) -> Material:
        """Import what the model needs, make the shared numbers and the TLS contexts. Raises EncryptionError."""
        from shardns.plugins import order, plugin_class

        names = {directive.name for block in model.blocks for directive in block.directives}
        make_ready()
        classes = {name: plugin_class(name) for name in order() if name in names}
        quic = quic_credentials(model)
        if quic:
            import_module("shardns.worker.quic.seat")
        return cls(model, classes, mmap.mmap(-1, CELL_BYTES), contexts(model), quic)

    def mail(self, what: Fork, before: list[Post]) -> Mail | None:
        """Return a worker's part in the post of the QUIC listeners, where there are any."""
        if not self.quic or what.role != "worker":
            return None
        from shardns.worker.quic.post import Mail, Post

        if self.post is None:
            self.post = Post(what.generation, what.slots)
        return Mail(self.post.boxes[what.slot], self.post, before)

    def close(self) -> None:
        """Close the boxes: there will be no more workers of this generation."""
        if self.post is not None:
            self.post.close()


@dataclass(slots=True)
class Running:
    """A live child process."""

    pid: int
    channel: socket.socket
    what: Fork
    seat: int
    since: float


class Children:
    """All child processes but checkers. `said` and `gone` are told what happens to them."""

    def __init__(
        self,
        loop: Loop,
        said: Callable[[int, AnyMessage], None],
        entries: dict[Role, Entry] = ENTRIES,
        user: User | None = None,
    ) -> None:
        self._loop = loop
        self._said = said
        self._entries = entries
        self._user = user
        self.running: dict[int, Running] = {}

    def fork(
        self,
        what: Fork,
        material: Material,
        folder: str,
        lent: list[Lent],
        endpoints: list[Lent],
        before: list[Post] | None = None,
    ) -> None:
        """Start a child with exactly these sockets; `before` is the post of older generations."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHANNEL_BYTES)
        seat = min(set(range(len(self.running) + 1)) - {child.seat for child in self.running.values()})
        spawn = Spawn(
            what.role, what.slot, what.generation, seat, what.slots, material.model, theirs, material.cells, folder,
            lent, endpoints, material.classes, material.contexts, material.quic, material.mail(what, before or []),
            what.urgent,
        )  # fmt: skip
        keep = {theirs.fileno()} | {s.fileno() for one in (*lent, *endpoints) for s in (*one.udp, *one.tcp)}
        if spawn.mail is not None:
            keep |= spawn.mail.descriptors()
        title = f"shardns: {what.role}" + (f" {what.slot}" if what.role == "worker" else "")

        def live() -> None:
            if what.role == "worker":
                open_keylogs(material.model, material.contexts, material.quic)
            drop(self._user)
            self._entries[what.role](spawn)

        pid = fork(title, keep, live)
        theirs.close()
        self.running[what.child] = Running(pid, ours, what, seat, time.monotonic())
        self._loop.add(ours, lambda: self._hear(what.child))

    def _hear(self, child: int) -> None:
        running = self.running.get(child)
        for _ in range(MAX_MESSAGES):
            if running is None or running.channel.fileno() < 0:
                return
            try:
                message = receive(running.channel)
            except BlockingIOError:
                return
            except msgspec.MsgspecError as error:  # what a child says is not trusted: it is ended and replaced
                sys.stderr.write(f"{running.what.role} {running.what.slot}: {error}\n")
                kill(running.pid)
                message = None
            if message is None:  # it has closed its end and is about to be gone
                self._hang_up(running)
                return
            self._said(child, message)

    def _hang_up(self, running: Running) -> None:
        if running.channel.fileno() >= 0:
            self._loop.remove(running.channel)
            running.channel.close()

    def send(self, child: int, message: Message) -> None:
        """Send without waiting; dropped where the child is gone or does not read."""
        running = self.running.get(child)
        if running is not None and running.channel.fileno() >= 0:
            send(running.channel, message)

    def kill(self, child: int) -> None:
        """End a child at once."""
        if child in self.running:
            kill(self.running[child].pid)

    def reaped(self, pid: int, status: int) -> tuple[int, str] | None:
        """Return which child that was and how it ended, once its last messages are heard; None for another's."""
        child = next((child for child, running in self.running.items() if running.pid == pid), None)
        if child is None:
            return None
        self._hear(child)
        self._hang_up(self.running.pop(child))
        return child, how(status)

    def kill_all(self) -> None:
        """End all of them and wait until they are gone."""
        for running in self.running.values():
            kill(running.pid)
        for running in list(self.running.values()):
            self._hang_up(running)
            try:
                os.waitpid(running.pid, 0)
            except ChildProcessError:
                continue
        self.running.clear()
