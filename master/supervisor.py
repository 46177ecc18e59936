"""The supervisor: a pure state machine that decides what the master does.

`step(event, now)` returns actions; the loop performs them, feeds back what they led to, and calls `step` again when
`deadline()` has come. Nothing here forks, opens, reads a clock or waits.
"""

from __future__ import annotations

from shardns.worker.channel import (
    Drained,
    Failed,
    Fatal,
    Flush,
    Flushed,
    Heartbeat,
    Quiesced,
    Ready,
    Relay,
    Reload,
    Renew,
    Started,
    Stopped,
    Stopping,
)

from .change import RENEWAL, Change
from .crew import DRAIN_S, GRACE_S
from .events import (
    Action,
    Asked,
    Checked,
    Edited,
    Event,
    Exit,
    Gone,
    Log,
    Notify,
    Opened,
    Pidfile,
    Prepared,
    Print,
    Said,
    Signalled,
)
from .generation import Child, Generation, State


class Supervisor(Change):
    """Adds the first event, messages, and the end."""

    def __init__(self, workers: int = 0) -> None:
        super().__init__()
        self.workers = workers
        self._interrupts = 0
        self._status = 0
        self._final = False  # the callbacks have run, workers drain
        self._ended = False

    def start(self, now: float) -> list[Action]:
        """Return what to do first."""
        self.now = now
        self.begin()
        return self._taken()

    def step(self, event: Event, now: float) -> list[Action]:
        """Take an event and return what to do."""
        self.now = now
        if self._ended:
            return []
        match event:
            case Asked():
                self.ask(event)
            case Edited(ticket):
                self.forget(ticket)
            case Checked():
                self.checked(event)
            case Prepared():
                self.prepared(event)
            case Opened():
                self.opened(event)
            case Said():
                found = self.find(event.child)
                if found is not None:
                    self._said(*found, event)
            case Gone():
                found = self.find(event.child)
                if found is not None:
                    self.gone(*found, event.how)
            case Signalled():
                self._signalled(event.name)
            case _:
                pass
        self._fire()
        return self._taken()

    def _taken(self) -> list[Action]:
        actions, self._actions = self._actions, []
        for at, action in enumerate(actions):
            if isinstance(action, Exit):
                self._ended = True
                return actions[: at + 1]
        return actions

    def _said(self, generation: Generation, child: Child, event: Said) -> None:
        child.heard = self.now
        match event.message:
            case Heartbeat(load=load):
                child.load = load
            case Ready():
                self.ready(generation, child)
            case Failed(text=text):
                self.failed(generation, child, text)
            case Fatal(text=text, status=status):
                self.do(Print("fatal", text), Pidfile(False), Exit(status))
            case Drained():
                self.drained(child)
            case Started() if generation is self.live:
                self.has_started()
            case Quiesced() if generation is not self.live:
                self.quiesced()
            case Stopped(ok=ok) if generation is self.live:
                self._stopped(ok)
            case Reload() if generation is self.live:
                self.ask(Asked("reload", child=child.id))
            case Renew() if generation is self.live:
                self.ask(Asked(RENEWAL))
            case Flush():
                self.flush(generation, child, event.message)
            case Flushed(token=token):
                self.flushed(child.id, token)
            case Relay():
                self.relay(generation, child, event.message)
            case _:
                pass

    # The end ----------------------------------------------------------------------------------------------------------

    def _signalled(self, signal: str) -> None:
        match signal:
            case "SIGQUIT":
                self.do(Log("info", "SIGQUIT: Quitting process immediately"), Pidfile(False), Exit(0))
            case "SIGINT":
                self._interrupts += 1
                if self._interrupts > 1:
                    self.do(Log("info", "SIGINT: Force quit"), Exit(2))
                    return
                self.do(Log("info", "SIGINT: Shutting down"), Pidfile(False))
                self._stop()
            case "SIGTERM" if not self.stopping:
                self.do(Log("info", "SIGTERM: Shutting down servers then terminating"))
                self._stop()
            case _:
                pass

    def _stop(self) -> None:
        if self.stopping:  # SIGINT during SIGTERM: callbacks run once
            if self._final:
                self.do(Exit(0))
            return
        self.stopping = True
        self.do(Notify("stopping"))
        self._abandon()
        self._tell([*self._asked, *self._waiting], False, "the server is shutting down")
        self._asked, self._waiting = [], []
        if self.live is None:
            self.do(Exit(0))
            return
        keeper = self.live.keeper
        if keeper is None or keeper.state is not State.SERVING:
            self._stopped(True)
            return
        keeper.state = State.STOPPING
        self.send(keeper, Stopping())

    def _stopped(self, ok: bool) -> None:
        if not self.stopping or self._final:
            return
        assert self.live is not None
        self._status = 0 if ok else 4
        self._final = True
        if self._interrupts:
            self.do(Exit(self._status))
            return
        self.do(Pidfile(False))
        self.forget_refills()
        for child in list(self.live.children.values()):
            self.drain(child)
        self.after("end", DRAIN_S + 2 * GRACE_S, lambda: self.do(Exit(self._status)))
        self._end()

    def drained(self, child: Child) -> None:
        """A worker has nothing left to finish."""
        super().drained(child)
        self._end()

    def gone(self, generation: Generation, child: Child, how: str) -> None:
        """A child is dead: during the end that is as it should be."""
        if self.stopping and generation is self.live and (self._final or child.role == "keeper"):
            del generation.children[child.id]
            self.cancel(("drain", child.id))
            self.flushed(child.id)
            self._stopped(True)
            self._end()
            return
        super().gone(generation, child, how)

    def _end(self) -> None:
        if self._final and self.live is not None and not self.live.children:
            self.do(Exit(self._status))
