"""Connections that wait for their next query: first in, first out, so that source ports vary."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Terms:
    """How one `forward` line wants its connections: seconds, and 0 for no limit of age or number."""

    expire_s: float = 10.0
    max_age_s: float = 0.0
    max_idle: int = 0
    read_timeout_s: float = 2.0
    source: str | None = None

    @property
    def for_probes(self) -> Terms:
        """The terms of health probes: a fresh connection each."""
        return Terms(max_idle=1, source=self.source)


class Pooled(Protocol):
    """A connection as the pool sees it; times are monotonic seconds."""

    created: float
    used: float

    def close(self) -> None:
        """Let the socket go."""


C = TypeVar("C", bound=Pooled)


class Pool(Generic[C]):
    """Idle connections of one kind to one upstream."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.idle: deque[C] = deque()
        self.stopped = False

    def take(self, now: float) -> C | None:
        """Return the connection that has waited longest and is still good; others on the way are closed."""
        idle = self.idle
        while idle:
            connection = idle.popleft()
            if self._good(connection, now):
                return connection
            connection.close()
        return None

    def give(self, connection: C, now: float) -> None:
        """Take a connection back, or close it where there are enough."""
        connection.used = now
        limit = self._terms.max_idle
        if self.stopped or (limit and len(self.idle) >= limit):
            connection.close()
        else:
            self.idle.append(connection)

    def lose(self, connection: C) -> None:
        """Forget an idle connection that broke."""
        if connection in self.idle:
            self.idle.remove(connection)
        connection.close()

    def sweep(self, now: float) -> None:
        """Close what nobody will take any more."""
        self._close(lambda connection: not self._good(connection, now))

    def stop(self) -> None:
        """Close everything, now and from now on."""
        self.stopped = True
        self._close(lambda connection: True)

    def _good(self, connection: C, now: float) -> bool:
        terms = self._terms
        if now - connection.used > terms.expire_s:
            return False
        return not terms.max_age_s or now - connection.created <= terms.max_age_s

    def _close(self, chosen: Callable[[C], bool]) -> None:
        for connection in [c for c in self.idle if chosen(c)]:
            self.idle.remove(connection)
            connection.close()
