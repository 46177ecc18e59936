"""The chain of a site: its layers and sources compiled to one function.

1. A step takes a Query and returns a Reply, DROP, or an awaitable of one of them; failures are raised.
2. Everything runs synchronously until a source really waits; only then does a coroutine carry on.
3. A layer is a generator and never learns which of the two happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import CoroutineType
from typing import Any

from .plugin import Layer, Plugin, Source, Steps, Timed
from .query import Query
from .reply import Drop, Reply, ServFail

Settled = Reply | Drop
Result = Settled | Awaitable[Settled]
Step = Callable[[Query], Result]

_tasks: set[asyncio.Task[Any]] = set()


def compile_chain(plugins: Sequence[Plugin[Any]]) -> tuple[Step, dict[int, Step]]:
    """Return the chain's first step, and by plugin identity the step below that plugin."""
    step = _end(plugins[-1] if plugins else None)
    below: dict[int, Step] = {}
    for plugin in reversed(plugins):
        below[id(plugin)] = step
        if isinstance(plugin, Layer):
            step = _layer(plugin, step)
        elif isinstance(plugin, Source):
            step = _source(plugin, step)
    return step, below


def _end(last: Plugin[Any] | None) -> Step:
    def end(query: Query) -> Result:
        raise ServFail(f"plugin/{last.end_name(query) if last else ''}: no next plugin found")

    return end


def _source(plugin: Source[Any], below: Step) -> Step:
    answer, repeatable = plugin.answer, plugin.repeatable

    def step(query: Query) -> Result:
        if not repeatable:
            query.request.once = True
        outcome = answer(query)
        if outcome is None:
            return below(query)
        if isinstance(outcome, (Reply, Drop)):
            return outcome
        return _await_source(outcome, query, below)

    return step


async def _await_source(waiting: Awaitable[Settled | None], query: Query, below: Step) -> Settled:
    if waiting.__class__ is CoroutineType:  # which may need a task around it: those that carry it on have none
        waiting = asyncio.ensure_future(waiting)
    outcome = await waiting
    if outcome is not None:
        return outcome
    result = below(query)
    return result if isinstance(result, (Reply, Drop)) else await result


def _layer(plugin: Layer[Any], below: Step) -> Step:
    around, repeatable = plugin.around, plugin.repeatable

    def step(query: Query) -> Result:
        if not repeatable:
            query.request.once = True
        steps = around(query)
        item = next(steps)
        while not isinstance(item, (Reply, Drop)):
            if not isinstance(item, Query):
                return _await_layer(steps, item, None, below)
            try:
                result = below(item)
            except Exception as failure:  # noqa: BLE001  the chain's hand-over: a layer sees whatever was raised below
                item = steps.throw(failure)
                continue
            if not isinstance(result, (Reply, Drop)):
                return _await_layer(steps, item, result, below)
            item = steps.send(result)
        return item

    return step


async def _await_layer(
    steps: Steps, item: Query | Timed | Result, waiting: Awaitable[Settled] | None, below: Step
) -> Settled:
    """Carry a layer on whose answer from below has to be waited for."""
    while not isinstance(item, (Reply, Drop)):
        try:
            if waiting is not None:
                result = await waiting
            elif isinstance(item, Timed):
                result = await _timed(item, below)
            elif isinstance(item, Query):
                below_result = below(item)
                result = below_result if isinstance(below_result, (Reply, Drop)) else await below_result
            else:
                result = await item
        except Exception as failure:  # noqa: BLE001  the chain's hand-over, as above
            waiting = None
            item = steps.throw(failure)
            continue
        waiting = None
        item = steps.send(result)
    return item


async def _timed(item: Timed, below: Step) -> Settled:
    """Ask below for a bounded time; what comes later is handed to the item."""
    result = below(item.query)
    if isinstance(result, (Reply, Drop)):
        return result
    task = asyncio.ensure_future(result)
    done, _ = await asyncio.wait({task}, timeout=item.timeout_s)
    if done:
        return task.result()
    _tasks.add(task)

    def settle(finished: asyncio.Future[Settled]) -> None:
        _tasks.discard(task)
        if not finished.cancelled():
            failure = finished.exception()
            item.late(failure if failure is not None else finished.result())

    task.add_done_callback(settle)
    raise TimeoutError


def spawn_below(step: Step, query: Query, done: Callable[[Settled | BaseException], None]) -> None:
    """Run a step behind a reply (prefetch, stale refresh) and hand its outcome to `done`."""

    async def run() -> None:
        try:
            result = step(query)
            settled = result if isinstance(result, (Reply, Drop)) else await result
        except Exception as failure:  # noqa: BLE001  the chain's hand-over: `done` decides what a failure means
            done(failure)
        else:
            done(settled)

    task = asyncio.get_running_loop().create_task(run())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def pending() -> int:
    """The number of background runs under way in this process."""
    return len(_tasks)
