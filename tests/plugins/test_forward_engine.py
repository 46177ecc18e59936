"""Bursts of answers: what goes wrong under one query does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from shardns.plugins.forward.asker import Asker
from shardns.plugins.forward.engine import Engine
from shardns.worker.promise import Promise


class Fake(Asker):
    """Goes on by calling a function."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then

    def message(self, ident: int) -> bytes:
        return b""

    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        return None

    def proceed(self) -> None:
        self.then()

    def failed(self, text: str) -> None:
        raise AssertionError(text)


def broken() -> None:
    raise KeyError("a fault of ours")


def run(test: Callable[[Engine], None]) -> None:
    """Run a function in an event loop, and what it has left for later turns."""
    loop = asyncio.new_event_loop()
    try:
        loop.call_soon(test, Engine(loop))
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()


def test_outcomes_are_handed_over_when_all_answers_were_looked_at() -> None:
    seen: list[str] = []

    def test(engine: Engine) -> None:
        promise: Promise[int] = Promise()
        promise.then(lambda done: seen.append("handed over"))
        engine.proceed([Fake(lambda: engine.settle(promise, 1)), Fake(lambda: seen.append("looked at"))])
        assert seen == ["looked at", "handed over"]

    run(test)
    assert len(seen) == 2


def test_a_fault_under_one_query_stops_no_other() -> None:
    outcomes: list[int] = []

    def test(engine: Engine) -> None:
        askers: list[Asker] = []
        for number in range(4):
            promise: Promise[int] = Promise()
            promise.then(lambda done: outcomes.append(done.result()))
            askers.append(Fake(partial(engine.settle, promise, number)))
        with pytest.raises(KeyError):
            engine.proceed([*askers[:2], Fake(broken), *askers[2:]])

    run(test)
    assert outcomes == [0, 1, 2, 3]


def test_a_fault_in_what_follows_an_outcome_stops_no_other() -> None:
    outcomes: list[int] = []

    def test(engine: Engine) -> None:
        promises: list[Promise[int]] = [Promise() for _ in range(3)]
        promises[0].then(lambda done: broken())
        for promise in promises[1:]:
            promise.then(lambda done: outcomes.append(done.result()))
        askers: list[Asker] = [Fake(partial(engine.settle, promise, 7)) for promise in promises]
        with pytest.raises(KeyError):
            engine.proceed(askers)

    run(test)
    assert outcomes == [7, 7]
