"""Connection IDs lead to their worker, say who made them to those who know the secret, and nothing to others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.worker.quic.cids import LENGTH, Issuer, Origin, home, origin, reset_token

SECRET = bytes(range(32))


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_an_id_leads_to_the_socket_that_it_was_issued_for(sockets: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, sockets - 1))
    cid = Issuer(SECRET, Origin(7, 3), index, sockets).issue()
    assert len(cid) == LENGTH
    assert home(cid, sockets) == index


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(0, 65535))
def test_an_id_tells_generation_and_slot_to_who_knows_the_secret(generation: int, slot: int) -> None:
    cid = Issuer(SECRET, Origin(generation, slot), 0, 1).issue()
    assert origin(SECRET, cid) == (generation & 255, slot)


def test_ids_of_one_worker_share_nothing_else() -> None:
    issuer = Issuer(SECRET, Origin(1, 1), 1, 2)
    tails = {issuer.issue()[7:] for _ in range(1000)}
    assert len(tails) > 990


def test_ids_are_not_issued_twice() -> None:
    issuer = Issuer(SECRET, Origin(1, 1), 1, 2)
    assert len({issuer.issue() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("cid", [b"", b"\1", bytes(8), bytes(20)])
def test_other_lengths_have_no_origin(cid: bytes) -> None:
    assert origin(SECRET, cid) is None


def test_reset_tokens_differ_by_id_and_secret() -> None:
    tokens = {reset_token(key, cid) for key in (SECRET, bytes(32)) for cid in (b"a" * 10, b"b" * 10)}
    assert len(tokens) == 4
    assert {len(token) for token in tokens} == {16}
