"""The supervisor's children: forking, hearing, replacing and ending them. Pure: events in, actions out, no clock.

1. `do` collects actions; every entry point sets `now` first. Timers are (time, function), fired by `_fire`.
2. A child of the live generation that dies is replaced, at once or after a back-off that grows while it dies young.
3. A child that says nothing for `HANG_S` is killed, and so replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from itertools import count

from shardns.worker.channel import Drain, Flush, Flushed, Forget, Message, Read, Relay, Start

from .events import Action, Answer, Fork, Kill, Log, Role, Send
from .generation import Child, Generation, State

HANG_S = 10.0
LOAD_S: dict[Role, float] = {"keeper": 600.0, "worker": 60.0}
BUSY = 0.03  # of a core; some 3,000 q/s
FLUSH_S = 0.2
FORGET_S = 2.0
DRAIN_S = 5.0
GRACE_S = 0.5  # s; beyond the drain's deadline before the child is killed


class Crew:
    """The children of all generations: the live one, the next one, and old ones that drain."""

    def __init__(self) -> None:
        self.now = 0.0
        self.live: Generation | None = None
        self.next: Generation | None = None
        self.old: list[Generation] = []
        self.keeper_may_start = False
        self.stopping = False
        self._actions: list[Action] = []
        self._timers: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._ids = count(1)
        self._flushes: dict[
            tuple[int, int], set[int]
        ] = {}  # (keeper, 0: a control client; token) → workers to hear from

    # Collecting actions, keeping time -----------------------------------------------------------------------------

    def do(self, *actions: Action) -> None:
        """Have something done."""
        self._actions += actions

    def after(self, key: Hashable, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` in so many seconds unless cancelled; a timer of the same key is replaced."""
        self._timers[key] = (self.now + seconds, then)

    def cancel(self, key: Hashable) -> None:
        """Forget a timer."""
        self._timers.pop(key, None)

    def deadline(self) -> float | None:
        """Return when `step` must be called again at the latest."""
        times = [due for due, _ in self._timers.values()]
        times += [self._patience(child) for generation in self._watched() for child in generation.children.values()]
        return min(times, default=None)

    def _fire(self) -> None:
        for key, (due, then) in sorted(self._timers.items(), key=lambda item: item[1][0]):
            if due <= self.now and key in self._timers:
                del self._timers[key]
                then()
        for generation in self._watched():
            for child in list(generation.children.values()):
                if self._patience(child) <= self.now:
                    self._hung(generation, child)

    def _watched(self) -> list[Generation]:
        return [generation for generation in (self.live, self.next) if generation is not None]

    def _patience(self, child: Child) -> float:
        if child.doomed:
            return float("inf")
        if child.state is State.LOADING:
            return child.born + LOAD_S[child.role]
        return child.heard + HANG_S

    def _hung(self, generation: Generation, child: Child) -> None:
        self.do(Log("error", f"{name(child)} does not answer, ending it"))
        self.kill(child)

    # Children -------------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nobody serves, or has so little to do that what prepares need not give way."""
        return self.live is None or all(child.load < BUSY for child in self.live.workers())

    def fork(self, generation: Generation, role: Role, slot: int) -> None:
        """Start a child of a generation."""
        child = Child(next(self._ids), role, slot, self.now, self.now)
        generation.children[child.id] = child
        self.do(Fork(child.id, role, slot, generation.number, generation.slots, generation is self.live or self.idle))

    def kill(self, child: Child) -> None:
        """End a child at once."""
        if not child.doomed:
            child.doomed = True
            self.do(Kill(child.id))

    def send(self, child: Child | None, message: Message) -> None:
        """Send a message to a child that lives."""
        if child is not None and not child.doomed:
            self.do(Send(child.id, message))  # type: ignore[arg-type]  # every Message is in channel.Any

    def drain(self, child: Child) -> None:
        """Have a child stop and finish; killed where it takes longer than allowed."""
        if child.state is State.LOADING:
            self.kill(child)
            return
        child.state = State.DRAINING
        self.send(child, Drain(DRAIN_S))
        self.after(("drain", child.id), DRAIN_S + GRACE_S, lambda: self._overdue(child))

    def _overdue(self, child: Child) -> None:
        self.do(Log("error", f"{name(child)} has not finished within {DRAIN_S:g}s"))
        self.kill(child)

    def find(self, child: int) -> tuple[Generation, Child] | None:
        """Return a child and its generation."""
        for generation in (*self._watched(), *self.old):
            if child in generation.children:
                return generation, generation.children[child]
        return None

    def crash(self, generation: Generation, child: Child, how: str) -> None:
        """A child of the live generation is dead: fill its place."""
        delay = generation.seat(child.role, child.slot).bury(child, self.now)
        self.do(Log("error", f"{name(child)} died: {how}"))
        key = ("refill", child.role, child.slot)
        if delay:
            self.after(key, delay, lambda: self._refill(generation, child.role, child.slot))
        else:
            self._refill(generation, child.role, child.slot)

    def _refill(self, generation: Generation, role: Role, slot: int) -> None:
        if generation is self.live:
            self.fork(generation, role, slot)

    def forget_refills(self) -> None:
        """The live generation is about to be another."""
        for key in [key for key in self._timers if isinstance(key, tuple) and key[0] == "refill"]:
            del self._timers[key]

    def serve(self, child: Child, first: bool = False) -> None:
        """Let a ready child of the live generation begin."""
        if child.role == "worker":
            child.state = State.SERVING
            self.send(child, Read())
        elif self.keeper_may_start:
            child.state = State.SERVING
            self.send(child, Start(first))

    # Messages that are passed on ------------------------------------------------------------------------------------

    def relay(self, generation: Generation, child: Child, message: Relay) -> None:
        """Pass a message on within its generation."""
        if child.role == "worker":
            self.send(generation.keeper, message)
            return
        for worker in generation.workers():
            self.send(worker, message)

    def flush(self, generation: Generation, keeper: Child, message: Flush) -> None:
        """Ask all serving workers to write out their counters."""
        self._ask_all([generation], (keeper.id, message.token), message, FLUSH_S)

    def forget(self, ticket: int) -> None:
        """Have all serving workers forget what they have memorised, then answer the control client."""
        self._ask_all(self._watched(), (0, -ticket), Forget(-ticket), FORGET_S)

    def _ask_all(self, of: Iterable[Generation], key: tuple[int, int], message: Flush | Forget, seconds: float) -> None:
        workers = (worker for generation in of for worker in generation.workers())
        asked = {worker.id for worker in workers if worker.state is State.SERVING and not worker.doomed}
        self._flushes[key] = asked
        for worker in asked:
            self.do(Send(worker, message))
        self.after(("flush", *key), seconds, lambda: self._flush_done(key))
        if not asked:
            self._flush_done(key)

    def flushed(self, worker: int, token: int | None = None) -> None:
        """A worker has written out its counters or forgotten, or (without a token) is gone."""
        for key, asked in list(self._flushes.items()):
            if worker in asked and token in (None, key[1]):
                asked.discard(worker)
                if not asked:
                    self._flush_done(key)

    def _flush_done(self, key: tuple[int, int]) -> None:
        self.cancel(("flush", *key))
        asked = self._flushes.pop(key, None)
        if asked is None:
            return
        if key[0]:
            found = self.find(key[0])
            if found is not None:
                self.send(found[1], Flushed(key[1]))
        else:
            self.do(Answer(-key[1], not asked, f"{len(asked)} workers did not answer" if asked else ""))


def name(child: Child) -> str:
    """Name a child for people, as its process title does."""
    return "keeper" if child.role == "keeper" else f"worker {child.slot}"
