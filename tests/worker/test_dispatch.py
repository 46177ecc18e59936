"""The way of one query: what the core answers itself, containment of panics, and what the memo may keep."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from shardns.worker import log
from shardns.worker.dispatch import Dispatch
from shardns.worker.memo import Budget, Memo
from shardns.worker.query import Query
from shardns.worker.reply import Refused, Reply, ServFail
from shardns.worker.site import Site
from shardns.worker.wire.codes import A
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import ROOT, from_text
from shardns.worker.wire.records import RRset, section

from .fakes import FakeSite, listener, message, request


def _dispatch(step: Any, ended: list[str] | None = None) -> Dispatch:
    at = listener()
    at.add(ROOT, cast(Site, FakeSite(plugins=[1], step=step, gates=[], collects_metadata=False, opens_classes=False)))
    return Dispatch(at, (ended if ended is not None else []).append)


def _answer(dispatch: Dispatch, wire: bytes, memo: Memo | None = None) -> bytes:
    out = dispatch.handle(wire, request(at=dispatch.listener), memo)
    assert isinstance(out, bytes)
    return out


def _rcode(out: bytes) -> int:
    return out[1] & 15


def _lower(asked: Query) -> Reply:
    return asked.reply(answer=section([RRset(asked.name, A, 60, (b"\1\2\3\4",))]))


def _typed(asked: Query) -> Reply:
    return asked.reply(answer=section([RRset(asked.owner, A, 60, (b"\1\2\3\4",))]))


def test_what_the_chain_answers_goes_out() -> None:
    assert _answer(_dispatch(_lower), message("a.test."))[:10].hex() == "81000001000100000000"


@pytest.mark.parametrize(("failure", "rcode"), [(ServFail("x"), 2), (Refused("x"), 5)])
def test_a_failure_is_answered_with_its_rcode(failure: Exception, rcode: int) -> None:
    def fail(asked: Query) -> Reply:
        raise failure

    assert _rcode(_answer(_dispatch(fail), message("a.test."))) == rcode


def test_a_panic_is_contained_logged_and_answered_servfail(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "error", lines.append)
    monkeypatch.setattr(log, "trace_once", lambda error: None)

    def panic(asked: Query) -> Reply:
        raise ZeroDivisionError("oh")

    assert _rcode(_answer(_dispatch(panic), message("a.test."))) == 2
    assert lines == ['Recovered from panic in server: "dns://:53" ZeroDivisionError: oh']


def test_with_debug_a_panic_ends_the_server() -> None:
    def panic(asked: Query) -> Reply:
        raise ZeroDivisionError("oh")

    ended: list[str] = []
    dispatch = _dispatch(panic, ended)
    dispatch.listener.debug = True
    assert dispatch.handle(message("a.test."), request(at=dispatch.listener), None) is None
    assert ended[0].startswith("panic: ")


def test_an_unknown_edns_version_gets_badvers_with_an_empty_opt() -> None:
    out = _answer(_dispatch(_lower), message("a.test.", opt=Edns(1232, version=1)))
    assert (_rcode(out), out[-11:].hex()) == (0, "0000290000010000000000")


def test_another_class_is_refused_unless_the_listener_opens_them() -> None:
    wire = bytearray(message("a.test."))
    wire[-1] = 3
    dispatch = _dispatch(_lower)
    assert _rcode(_answer(dispatch, bytes(wire))) == 5
    dispatch.listener.any_class = True
    assert _rcode(_answer(dispatch, bytes(wire))) == 0


def test_a_waiting_answer_is_written_when_it_comes() -> None:
    async def late(asked: Query) -> Reply:
        await asyncio.sleep(0)
        return _lower(asked)

    async def run() -> bytes | None:
        dispatch = _dispatch(late)
        result = dispatch.handle(message("a.test."), request(at=dispatch.listener), None)
        assert result is not None and not isinstance(result, bytes)
        return await result

    out = asyncio.run(run())
    assert out is not None and out[:10].hex() == "81000001000100000000"


def test_all_spellings_of_a_name_share_one_entry_and_get_their_own_back() -> None:
    memo = Memo(Budget(1 << 20))
    asked: list[bytes] = []

    def count(query: Query) -> Reply:
        asked.append(query.owner)
        return _lower(query)

    dispatch = _dispatch(count)
    for name in ("WWW.test.", "wWw.test.", "Www.TEST.", "wwW.test."):
        out = _answer(dispatch, message(name), memo)
        assert out[10 : 10 + 10] == from_text(name)
        assert out.count(from_text("www.test.")) == 1
    assert len(asked) == 2


def test_an_answer_that_repeats_the_spelling_is_kept_for_that_spelling_only() -> None:
    memo = Memo(Budget(1 << 20))
    dispatch = _dispatch(_typed)
    for name in ("WWW.test.", "WWW.test.", "wWw.test.", "wWw.test.", "WwW.test."):
        out = _answer(dispatch, message(name), memo)
        assert out.count(from_text(name)) == 2


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(message("a.test.", opt=Edns(1232, options=((10, b"12345678"),))), id="an EDNS option"),
        pytest.param(message("a.test.") + b"\0", id="an octet behind the question"),
    ],
)
def test_an_odd_query_goes_around_the_memo(wire: bytes) -> None:
    memo = Memo(Budget(1 << 20))
    for _ in range(3):
        _answer(_dispatch(_lower), wire, memo)
    assert not memo.young


def test_a_plain_opt_does_not_keep_a_query_from_the_memo() -> None:
    memo = Memo(Budget(1 << 20))
    for _ in range(2):
        _answer(_dispatch(_lower), message("a.test.", opt=Edns(1232)), memo)
    assert len(memo.young) == 1
