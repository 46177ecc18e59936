"""The chain: layers around sources, whether they wait or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shardns.worker.chain import Step, compile_chain, spawn_below
from shardns.worker.plugin import Layer, Plugin, Source, Steps, Timed
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Drop, Refused, Reply, ServFail

from .fakes import query


def _built(kind: type[Plugin[Any]], **attributes: Any) -> Any:
    plugin = object.__new__(kind)
    plugin.__dict__.update(attributes)
    return plugin


class Fixed(Source[None]):
    directive = "fixed"

    def answer(self, query: Query) -> Any:
        return self.outcome(query)  # type: ignore[attr-defined]  # set by the test


class Notes(Layer[None]):
    directive = "notes"
    repeatable = True

    def around(self, query: Query) -> Steps:
        self.seen.append("down")  # type: ignore[attr-defined]  # set by the test
        try:
            reply = yield query
        except ServFail as failure:
            self.seen.append(failure.text)  # type: ignore[attr-defined]  # as above
            yield query.reply(9)
            return
        self.seen.append("up")  # type: ignore[attr-defined]  # as above
        yield reply


def _chain(outcome: Any, seen: list[str]) -> Step:
    return compile_chain([_built(Notes, seen=seen), _built(Fixed, outcome=outcome)])[0]


def test_a_layer_sees_the_query_go_down_and_the_reply_come_up() -> None:
    seen: list[str] = []
    reply = _chain(lambda q: q.reply(3), seen)(query("a."))
    assert isinstance(reply, Reply)
    assert (reply.rcode, seen) == (3, ["down", "up"])


def test_a_layer_does_not_notice_that_the_source_waited() -> None:
    async def late(asked: Query) -> Reply:
        await asyncio.sleep(0)
        return asked.reply(3)

    async def run() -> Reply | Drop:
        result = _chain(late, seen)(query("a."))
        assert not isinstance(result, (Reply, Drop))
        return await result

    seen: list[str] = []
    reply = asyncio.run(run())
    assert isinstance(reply, Reply)
    assert (reply.rcode, seen) == (3, ["down", "up"])


@pytest.mark.parametrize("waits", [False, True])
def test_a_failure_below_appears_at_the_layers_yield(waits: bool) -> None:
    def fail(asked: Query) -> Reply:
        raise ServFail("no luck")

    async def fail_late(asked: Query) -> Reply:
        raise ServFail("no luck")

    async def run() -> Reply | Drop:
        result = _chain(fail_late if waits else fail, seen)(query("a."))
        return result if isinstance(result, (Reply, Drop)) else await result

    seen: list[str] = []
    reply = asyncio.run(run())
    assert isinstance(reply, Reply)
    assert (reply.rcode, seen) == (9, ["down", "no luck"])


def test_a_failure_that_no_layer_catches_leaves_the_chain() -> None:
    def refuse(asked: Query) -> Reply:
        raise Refused("not here")

    with pytest.raises(Refused, match="not here"):
        _chain(refuse, [])(query("a."))


def test_a_source_that_does_not_know_asks_the_next_and_the_end_is_servfail() -> None:
    with pytest.raises(ServFail, match="plugin/fixed: no next plugin found"):
        compile_chain([_built(Fixed, outcome=lambda q: None)])[0](query("a."))


def test_a_drop_comes_up_as_a_drop() -> None:
    assert _chain(lambda q: DROP, [])(query("a.")) is DROP


def test_a_source_is_not_repeatable_unless_it_says_so() -> None:
    asked = query("a.")
    _chain(lambda q: q.reply(), [])(asked)
    assert asked.request.once


class Impatient(Layer[None]):
    directive = "impatient"

    def around(self, query: Query) -> Steps:
        try:
            yield (yield Timed(query, 0.01, self.late.append))  # type: ignore[attr-defined]  # set by the test
        except TimeoutError:
            yield query.reply(2)


def test_a_timed_question_gives_up_and_hears_the_answer_later() -> None:
    late: list[Any] = []
    go = asyncio.Event()

    async def slow(asked: Query) -> Reply:
        await go.wait()
        return asked.reply(3)

    async def run() -> Reply | Drop:
        step = compile_chain([_built(Impatient, late=late), _built(Fixed, outcome=slow)])[0]
        result = step(query("a."))
        assert not isinstance(result, (Reply, Drop))
        settled = await result
        go.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return settled

    reply = asyncio.run(run())
    assert isinstance(reply, Reply)
    assert reply.rcode == 2
    assert [r.rcode for r in late] == [3]


def test_a_background_run_hands_on_its_outcome_or_its_failure() -> None:
    def fail(asked: Query) -> Reply:
        raise ServFail("no luck")

    async def run() -> None:
        spawn_below(lambda q: q.reply(3), query("a."), outcomes.append)
        spawn_below(fail, query("a."), outcomes.append)
        for _ in range(3):
            await asyncio.sleep(0)

    outcomes: list[Any] = []
    asyncio.run(run())
    assert outcomes[0].rcode == 3
    assert str(outcomes[1]) == "no luck"


class Follows(Layer[None]):
    """Asks below, then waits for something of its own, as a follow-up lookup may have to be."""

    directive = "follows"
    repeatable = True

    def around(self, query: Query) -> Steps:
        first = yield query
        assert isinstance(first, Reply)
        second = yield _later(query.reply(7))
        assert isinstance(second, Reply)
        yield query.reply(first.rcode + second.rcode)


async def _later(reply: Reply) -> Reply:
    await asyncio.sleep(0)
    return reply


def test_a_layer_may_wait_for_a_lookup_of_its_own() -> None:
    for outcome in (lambda asked: asked.reply(3), lambda asked: _later(asked.reply(3))):
        step, _ = compile_chain([_built(Follows), _built(Fixed, outcome=outcome)])
        waiting = step(query("example.org."))
        assert not isinstance(waiting, (Reply, Drop))
        found = asyncio.run(_settled(waiting))
        assert isinstance(found, Reply) and found.rcode == 10


async def _settled(waiting: Any) -> Any:
    return await waiting
