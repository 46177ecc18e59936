"""A stage for the supervisor: plays its children and the rest of the world, with a clock that only the test moves."""

from __future__ import annotations

from typing import TypeVar

from shardns.master.events import (
    Action,
    Again,
    Answer,
    Asked,
    Check,
    Checked,
    Event,
    Fork,
    Gone,
    Kill,
    Log,
    Open,
    Opened,
    Prepare,
    Prepared,
    Said,
    Send,
    Signalled,
    Tick,
)
from shardns.master.supervisor import Supervisor
from shardns.worker.channel import Any as AnyMessage
from shardns.worker.channel import Drain, Drained, Message, Quiesce, Quiesced, Ready, Start, Started

A = TypeVar("A", bound=Action)


class Play:
    """A server of `workers` workers. `done` collects all actions; `take` returns and forgets them."""

    def __init__(self, workers: int = 2) -> None:
        self.supervisor = Supervisor(workers)
        self.now = 0.0
        self.done: list[Action] = []
        self.forks: dict[int, Fork] = {}
        self.dead: set[int] = set()
        self.refusal = ""
        self.open_error = ""
        self._note(self.supervisor.start(self.now))

    def tell(self, event: Event) -> list[Action]:
        """Tell the supervisor; sockets answer by themselves."""
        actions = self.supervisor.step(event, self.now)
        self._note(actions)
        for action in actions:
            if isinstance(action, Prepare):
                self.tell(Prepared(action.generation))
            elif isinstance(action, Open):
                self.tell(Opened(action.generation, self.open_error))
        return actions

    def _note(self, actions: list[Action]) -> None:
        self.done += actions
        self.forks.update({action.child: action for action in actions if isinstance(action, Fork)})

    def take(self) -> list[Action]:
        """Return what was done since the last call."""
        done, self.done = self.done, []
        return done

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, waking the supervisor whenever it wants; everybody stays alive."""
        end = self.now + seconds
        while self.now < end:
            due = self.supervisor.deadline()
            self.now = min(end, max(due if due is not None else end, self.now + 0.001))
            self.tell(Tick())
        return self.done

    def says(self, child: int, message: AnyMessage) -> None:
        """A child speaks."""
        self.tell(Said(child, message))

    def dies(self, child: int, how: str = "signal 9") -> None:
        """A child ends."""
        self.dead.add(child)
        self.tell(Gone(child, how))

    def child(self, role: str, slot: int = 0, generation: int = 0) -> int:
        """Return the newest child that lives on that place."""
        found = [
            child
            for child, fork in self.forks.items()
            if (fork.role, fork.slot) == (role, slot)
            and child not in self.dead
            and (not generation or fork.generation == generation)
        ]
        return max(found)

    def generation(self, number: int) -> list[int]:
        """Return the living children of a generation."""
        return [c for c, fork in self.forks.items() if fork.generation == number and c not in self.dead]

    def all(self, kind: type[A]) -> list[A]:
        """Return the actions of one kind since `take`."""
        return [action for action in self.done if isinstance(action, kind)]

    def sent(self, child: int) -> list[Message]:
        """Return what was sent to a child since `take`."""
        return [action.message for action in self.all(Send) if action.child == child]

    def told(self, message: type[Message]) -> list[int]:
        """Return the children that got such a message since `take`."""
        return [action.child for action in self.all(Send) if isinstance(action.message, message)]

    def lines(self) -> list[str]:
        """Return the log lines since `take`."""
        return [action.text for action in self.all(Log)]

    def answers(self) -> list[Answer]:
        """Return what control clients were told since `take`."""
        return self.all(Answer)

    def killed(self) -> list[int]:
        """Return which children were killed since `take`."""
        return [action.child for action in self.all(Kill)]

    # Longer scenes --------------------------------------------------------------------------------------------------

    def checked(self, text: str = "", workers: int = 0) -> None:
        """The checker of the newest generation is done."""
        number = max(action.generation for action in self.done if isinstance(action, (Again, Check)))
        self.tell(Checked(number, text, text and f"{text}\n  --> Corefile:1:1", workers=workers))

    def prepared(self) -> None:
        """Everybody of the newest generation becomes ready."""
        number = max(fork.generation for fork in self.forks.values())
        self.says(self.child("keeper", 0, number), Ready())
        told: set[int] = set()
        while loading := {c for c in self.generation(number) if self.forks[c].role == "worker"} - told:
            told |= loading
            for child in sorted(loading):
                self.says(child, Ready())

    def serve(self) -> Play:
        """The whole start."""
        self.checked()
        self.prepared()
        self.says(self.child("keeper"), Started())
        return self

    def ask(self, source: str = "SIGUSR1", **more: int) -> None:
        """Somebody wants a reload."""
        self.tell(Asked(source, **more))

    def obey(self) -> None:
        """All children do what they were told last: quiesce, start, drain, and die of it."""
        for action in list(self.all(Send)):
            match action.message:
                case Quiesce() if action.child not in self.dead:
                    self.says(action.child, Quiesced())
        for action in list(self.all(Send)):
            match action.message:
                case Start() if action.child not in self.dead:
                    self.says(action.child, Started())
                case Drain() if action.child not in self.dead:
                    self.says(action.child, Drained())
                    self.dies(action.child, "status 0")

    def signal(self, name: str) -> None:
        """A signal arrives."""
        self.tell(Signalled(name))
