"""From one generation to the next, in two phases: prepare, which proves, and commit, which switches.

1. Before the commit a failure ends only new processes; the old generation never noticed.
2. Order of a commit: open what is new · new workers read · admit · old workers drain, the old keeper quiesces · the new
   keeper starts · the old ones are gone · close what nobody has any more.
3. Requests during a change wait together; they get one change, and one outcome.
"""

from __future__ import annotations

from shardns.worker.channel import Quiesce, Refused, Reloaded

from .crew import Crew, name
from .events import (
    Admit,
    Again,
    Answer,
    Asked,
    Check,
    Checked,
    Discard,
    Exit,
    Log,
    Notify,
    Open,
    Opened,
    Pidfile,
    Prepare,
    Prepared,
    Print,
    Trim,
    Unlisten,
)
from .generation import Child, Generation, State

WRAP = "starting with listener file descriptors: "
RENEWAL = "renewal"  # of certificates: nobody asked for another configuration
SIGNALS = ("SIGUSR1", "SIGUSR2", "SIGHUP")
QUIESCE_S = 1.0
START_S = 5.0
SHRINK_S = 0.1  # s that workers of closing slots go on reading after the kernel stopped feeding them


class Change(Crew):
    """Adds start and reload to the crew."""

    def __init__(self) -> None:
        super().__init__()
        self.committing = False
        self.started = False
        self.workers = 0
        self._numbers = 0
        self._asked: list[Asked] = []  # the change under way
        self._waiting: list[Asked] = []

    @property
    def first(self) -> bool:
        """Whether the server has not served yet."""
        return self.live is None

    # Prepare --------------------------------------------------------------------------------------------------------

    def ask(self, asked: Asked) -> None:
        """Somebody wants a reload."""
        if asked.source in SIGNALS:
            self.do(Log("info", f"{asked.source}: Reloading"))
        if self.stopping:
            self._tell([asked], False, "the server is shutting down")
            return
        self._waiting.append(asked)
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        if self._waiting and self.next is None and not self.committing and self.live is not None and not self.stopping:
            self._asked, self._waiting = self._waiting, []
            self.do(Notify("reloading"))
            self.begin()

    def begin(self) -> None:
        """Begin to prepare a generation."""
        self._numbers += 1
        self.next = Generation(self._numbers)
        renewal = bool(self._asked) and all(one.source == RENEWAL for one in self._asked)
        self.do(Again(self.next.number) if renewal else Check(self.next.number, self.idle))

    def checked(self, event: Checked) -> None:
        """The configuration has been read."""
        generation = self._preparing(event.generation)
        if generation is None:
            return
        if not self.first and not event.unread:
            self.do(Log("info", "Reloading"))
        self.do(*(Log("warning", text) for text in event.warnings))
        if event.text:
            self.refuse(event.text, event.detail, unread=event.unread)
            return
        if self.first and not event.listeners:
            self.do(Print("version"), Exit(0))
            return
        generation.asked_slots = next((one.workers for one in reversed(self._asked) if one.workers), self.workers)
        generation.slots = generation.asked_slots or event.workers or 1
        self.do(Prepare(generation.number, generation.slots, self.first))

    def prepared(self, event: Prepared) -> None:
        """The sockets were made."""
        generation = self._preparing(event.generation)
        if generation is None:
            return
        if event.text:
            self.refuse(event.text)
            return
        self.fork(generation, "keeper", 0)

    def ready(self, generation: Generation, child: Child) -> None:
        """A child could serve now."""
        if child.state is not State.LOADING:
            return
        child.state = State.READY
        if generation is self.live:
            self.serve(child)
        elif generation is self.next:
            self._fork_next(generation)
            if generation.all_ready():
                self.do(Open(generation.number))

    def _fork_next(self, generation: Generation) -> None:
        """Have at most half of the workers load at a time where others are busy: the cores belong to those."""
        loading = sum(1 for _ in generation.in_state(State.LOADING))
        missing = range(len(generation.workers()), generation.slots)
        most = generation.slots if self.idle else max(1, generation.slots // 2)
        for slot in missing[: most - loading]:
            self.fork(generation, "worker", slot)

    def refuse(self, text: str, detail: str = "", *, unread: bool = False) -> None:
        """The next generation cannot be: end it and say why."""
        if self.first:
            self.do(Exit(1, detail or text))
            return
        self._abandon()
        asked, self._asked = self._asked, []
        lines = [] if unread else [f"Restart failed: {text}"]
        wrapped = text if unread else WRAP + text
        lines += [f"{one.source}: {wrapped}" for one in asked if one.source in SIGNALS]
        more = detail.removeprefix(text).removeprefix("\n")
        for at, line in enumerate(lines):
            self.do(Log("error", line, more if at == len(lines) - 1 else ""))
        self._tell(asked, False, wrapped, detail or text)
        keeper = self.live.keeper if self.live is not None else None
        if keeper is not None and keeper.state is State.SERVING and not unread:
            self.send(keeper, Refused())
        self.do(Notify("ready"))
        self._begin_waiting()

    def _abandon(self) -> None:
        generation, self.next = self.next, None
        if generation is not None:
            self.old.append(generation)
            for child in generation.children.values():
                self.kill(child)
            self.do(Discard(generation.number))
            self._bury_old()

    def _preparing(self, number: int) -> Generation | None:
        return self.next if self.next is not None and self.next.number == number else None

    def _tell(self, asked: list[Asked], ok: bool, text: str = "", detail: str = "") -> None:
        for one in asked:
            if one.ticket:
                self.do(Answer(one.ticket, ok, detail or text))
            found = self.find(one.child) if one.child else None
            if found is not None:
                self.send(found[1], Reloaded(ok, text))

    # Commit ---------------------------------------------------------------------------------------------------------

    def opened(self, event: Opened) -> None:
        """What is new is open: switch."""
        generation = self._preparing(event.generation)
        if generation is None:
            return
        if event.text:
            self.refuse(event.text)
            return
        old, self.live, self.next = self.live, generation, None
        self.committing, self.started, self.keeper_may_start = True, False, False
        self.workers = generation.asked_slots
        for worker in generation.workers():
            self.serve(worker)
        self.do(Admit(generation.number))
        if old is None:
            self.do(Print("zones"), Pidfile(True))
            self._start_keeper(first=True)
            return
        self.old.append(old)
        self.forget_refills()
        self.do(Unlisten(generation.number))
        self._tell([one for one in self._asked if one.child], True)
        if old.slots > generation.slots:
            self.after("shrink", SHRINK_S, lambda: self._retire(old))
        else:
            self._retire(old)

    def _retire(self, old: Generation) -> None:
        for worker in old.workers():
            self.drain(worker)
        keeper = old.keeper
        if keeper is not None and keeper.state is State.SERVING:
            keeper.state = State.STOPPING
            self.send(keeper, Quiesce())
            self.after("quiesce", QUIESCE_S, self.quiesced)
        else:
            if keeper is not None:
                self.kill(keeper)
            self._start_keeper()

    def quiesced(self) -> None:
        """The old keeper has no effects any more (or did not say so in time)."""
        self.cancel("quiesce")
        for generation in self.old:
            keeper = generation.keeper
            if keeper is not None and keeper.state is State.STOPPING:
                self.drain(keeper)
        if not self.keeper_may_start:
            self._start_keeper()

    def _start_keeper(self, first: bool = False) -> None:
        assert self.live is not None
        self.keeper_may_start = True
        keeper = self.live.keeper
        if keeper is not None and keeper.state is State.READY:
            self.serve(keeper, first)
        self.after("started", START_S, self.has_started)

    def has_started(self) -> None:
        """The new keeper's services run (or did not say so in time)."""
        self.cancel("started")
        if self.committing and self.keeper_may_start:
            self.started = True
            self.complete()

    def complete(self) -> None:
        """End the change where nothing is left to wait for."""
        busy = any(worker.state is not State.DONE for old in self.old for worker in old.workers() if not worker.doomed)
        if not self.committing or not self.started or busy or "shrink" in self._timers:
            return
        self.committing = False
        if self._numbers == 1:
            self.do(Print("version"))
        else:
            self.do(Log("info", "Reloading complete"))
        self._tell([one for one in self._asked if not one.child], True)
        self._asked = []
        self.do(Notify("ready"))
        self._begin_waiting()

    # Ends -----------------------------------------------------------------------------------------------------------

    def failed(self, generation: Generation, child: Child, text: str) -> None:
        """A child cannot do what the configuration wants."""
        if generation is self.next:
            self.refuse(text.partition("\n")[0], text)
        elif self._numbers == 1 and self.committing:
            self.do(Exit(1, text))
        elif generation is self.live:
            self.do(Log("error", text))

    def drained(self, child: Child) -> None:
        """An old worker has nothing left to finish; it ends by itself."""
        child.state = State.DONE
        self.complete()

    def gone(self, generation: Generation, child: Child, how: str) -> None:
        """A child is dead."""
        del generation.children[child.id]
        self.cancel(("drain", child.id))
        self.flushed(child.id)
        if generation is self.next:
            self.refuse(f"{name(child)} ended before it was ready: {how}")
        elif generation is self.live:
            self.crash(generation, child, how)
        elif child.role == "keeper" and child.state is State.STOPPING:
            self.quiesced()
        self._bury_old()
        self.complete()

    def _bury_old(self) -> None:
        buried = [generation for generation in self.old if not generation.children]
        self.old = [generation for generation in self.old if generation.children]
        if buried and not self.old and self.live is not None and not self.stopping:
            self.do(Trim(self.live.number))
