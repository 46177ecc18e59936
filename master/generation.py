"""The children of one generation, and when a dead one is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from .events import Role

YOUNG_S = 2.0  # a child that ends younger than this did not live
BACK_OFF_S = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class State(Enum):
    """What a child is doing."""

    LOADING = "loading"
    READY = "ready"  # waits for the commit
    SERVING = "serving"
    STOPPING = "stopping"  # the keeper: quiescing or running its final callbacks
    DRAINING = "draining"
    DONE = "done"  # has nothing left to finish and ends by itself


@dataclass(slots=True)
class Child:
    """One child process, as far as the supervisor cares. `heard` and `born` are times, `load` its share of a core."""

    id: int
    role: Role
    slot: int
    born: float
    heard: float
    state: State = State.LOADING
    doomed: bool = False
    load: float = 0.0


@dataclass(slots=True)
class Seat:
    """A keeper's or worker's place in a generation and its history of deaths."""

    role: Role
    slot: int
    deaths: int = 0
    total: int = 0
    due: float | None = None

    def bury(self, child: Child, now: float) -> float:
        """Note a death; returns the seconds until the place is filled again."""
        lived = child.state is not State.LOADING and now - child.born >= YOUNG_S
        self.deaths = 0 if lived else self.deaths + 1
        self.total += 1
        delay = BACK_OFF_S[min(self.deaths, len(BACK_OFF_S) - 1)]
        self.due = now + delay
        return delay


@dataclass(slots=True)
class Generation:
    """The keeper and workers of one configuration. A place is a role and a slot (the keeper's slot is 0).

    `asked_slots` is what an operator asked for, on the command line or with a reload; 0 where nobody did.
    """

    number: int
    slots: int = 0
    asked_slots: int = 0
    children: dict[int, Child] = field(default_factory=dict)
    seats: dict[tuple[Role, int], Seat] = field(default_factory=dict)

    def seat(self, role: Role, slot: int) -> Seat:
        """Return the seat, made where it is new."""
        return self.seats.setdefault((role, slot), Seat(role, slot))

    def workers(self) -> list[Child]:
        """Return the workers that live."""
        return [child for child in self.children.values() if child.role == "worker"]

    @property
    def keeper(self) -> Child | None:
        """The keeper, where it lives."""
        return next((child for child in self.children.values() if child.role == "keeper"), None)

    def in_state(self, state: State) -> Iterator[Child]:
        """Yield the children in a state."""
        return (child for child in self.children.values() if child.state is state)

    def all_ready(self) -> bool:
        """Tell whether keeper and all workers wait for the commit."""
        ready = sum(1 for child in self.in_state(State.READY))
        return ready == self.slots + 1 == len(self.children)
