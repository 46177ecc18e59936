"""Outcomes to come, and coroutines that wait for them without a task of their own.

1. A `Promise` resumes who waits in the very call that settles it; a future takes a turn of the event loop and a task
   for that, which is 5 µs a query.
2. Where a task awaits it a future stands in between.
3. A coroutine that is `carry`ed may await promises, futures and tasks. What needs a task around it (time-outs of
   asyncio) belongs into one: `chain` gives each source that is a coroutine its own. It contains its failures, as
   `dispatch` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")
Resume = Callable[[Any], object]
MOST_AT_ONCE: Final = 64  # of those who wait for one outcome; others go on in later turns of the event loop


class Promise(Generic[T]):
    """One outcome, settled once, for any number of those who wait."""

    __slots__ = ("_failure", "_outcome", "_waiting", "settled")
    _outcome: T

    def __init__(self) -> None:
        self.settled = False
        self._failure: BaseException | None = None
        self._waiting: Resume | list[Resume] | None = None  # hot: nearly always one waits, who needs no list

    def settle(self, outcome: T) -> None:
        """Give the outcome to everybody who waits."""
        self._outcome = outcome
        self.settled = True
        waiting, self._waiting = self._waiting, None
        if isinstance(waiting, list):
            self._go_on(waiting)
        elif waiting is not None:
            waiting(self)

    def fail(self, failure: BaseException) -> None:
        """Raise a failure wherever somebody waits."""
        self._failure = failure
        self.settle(cast("T", None))

    def then(self, resume: Resume) -> None:
        """Call a function with this promise when it is settled, in the call that does so."""
        waiting = self._waiting
        if self.settled:
            resume(self)
        elif waiting is None:
            self._waiting = resume
        elif isinstance(waiting, list):
            waiting.append(resume)
        else:
            self._waiting = [waiting, resume]

    def result(self) -> T:
        """Return the outcome, or raise the failure."""
        failure = self._failure
        if failure is not None:
            raise failure.with_traceback(None)
        return self._outcome

    def _go_on(self, waiting: list[Resume]) -> None:
        if len(waiting) > MOST_AT_ONCE:
            asyncio.get_running_loop().call_soon(self._go_on, waiting[MOST_AT_ONCE:])
            del waiting[MOST_AT_ONCE:]
        for resume in waiting:
            resume(self)

    def __await__(self) -> Generator[Any, None, T]:
        if not self.settled:
            if asyncio.current_task() is None:
                yield self
            else:  # a task can be cancelled, and must be resumed by the event loop
                yield from self._future().__await__()
        return self.result()

    def _future(self) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.then(lambda promise: None if future.done() else future.set_result(None))
        return future


class Carried:
    """A coroutine under way."""

    __slots__ = ("_coroutine", "_done", "_running")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], done: Callable[[Any], object], running: set[object]
    ) -> None:
        self._coroutine = coroutine
        self._done = done
        self._running = running

    def go_on(self, waited_for: object = None) -> None:
        """Run until the coroutine waits again or ends."""
        try:
            waiting = self._coroutine.send(None)
        except StopIteration as end:
            self._running.discard(self)
            self._done(end.value)
        except asyncio.CancelledError:
            self._running.discard(self)
        else:
            if waiting.__class__ is Promise:
                waiting.then(self.go_on)
            elif waiting is None:
                asyncio.get_running_loop().call_soon(self.go_on)
            else:
                future = cast("asyncio.Future[Any]", waiting)
                future._asyncio_future_blocking = False
                future.add_done_callback(self.go_on)


def carry(coroutine: Coroutine[Any, Any, T], done: Callable[[T], object], running: set[object]) -> None:
    """Run a coroutine; its outcome goes to `done`. It is in `running` as long as it waits."""
    carried = Carried(coroutine, done, running)
    running.add(carried)
    carried.go_on()
