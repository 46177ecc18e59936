"""Promises, and coroutines that are carried without a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shardns.worker.promise import MOST_AT_ONCE, Promise, carry


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a loop of its own."""
    asyncio.run(asyncio.wait_for(test(), 5))


def test_who_waits_goes_on_in_the_call_that_settles() -> None:
    async def test() -> None:
        promise: Promise[int] = Promise()
        found: list[int] = []
        running: set[object] = set()

        async def wait() -> int:
            return await promise + await promise

        for _ in range(3):
            carry(wait(), found.append, running)
        assert len(running) == 3
        promise.settle(4)
        assert found == [8, 8, 8] and not running
        carry(wait(), found.append, running)
        assert found == [8] * 4

    async def outside_of_a_task() -> None:
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(carry, test(), done.set_result, set())
        await done

    run(outside_of_a_task)


def test_a_failure_is_raised_wherever_somebody_waits() -> None:
    async def test() -> None:
        promise: Promise[int] = Promise()
        tasks = [asyncio.ensure_future(promise) for _ in range(2)]
        await asyncio.sleep(0)
        promise.fail(KeyError("x"))
        for task in tasks:
            with pytest.raises(KeyError):
                await task
        with pytest.raises(KeyError):
            await promise

    run(test)


def test_a_task_that_waits_can_be_cancelled_and_the_others_go_on() -> None:
    async def test() -> None:
        promise: Promise[int] = Promise()
        one, two = asyncio.ensure_future(promise), asyncio.ensure_future(promise)
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        promise.settle(1)
        assert await two == 1

    run(test)


def test_thousands_who_wait_go_on_in_several_turns() -> None:
    async def test() -> None:
        promise: Promise[int] = Promise()
        seen: list[object] = []
        for _ in range(3 * MOST_AT_ONCE):
            promise.then(seen.append)
        promise.settle(1)
        assert len(seen) == MOST_AT_ONCE
        while len(seen) < 3 * MOST_AT_ONCE:
            await asyncio.sleep(0)

    run(test)


def test_a_carried_coroutine_may_await_futures_tasks_and_turns() -> None:
    async def test() -> None:
        done = asyncio.get_running_loop().create_future()
        running: set[object] = set()

        async def work() -> str:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            return await asyncio.ensure_future(asyncio.sleep(0.001, "slept"))

        carry(work(), done.set_result, running)
        assert await done == "slept" and not running

    run(test)


def test_a_carried_coroutine_whose_future_is_cancelled_is_forgotten() -> None:
    async def test() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running: set[object] = set()

        async def work() -> None:
            await future

        carry(work(), lambda outcome: None, running)
        future.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not running

    run(test)
