"""Transfers in, message by message, and the differences that come of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.worker.wire.codes import AXFR, IXFR, NS, SOA, A
from shardns.worker.wire.names import from_text
from shardns.worker.zone import transfer
from shardns.worker.zone.copy import Change
from shardns.worker.zone.journal import Delta, Journal
from shardns.worker.zone.transfer import Inbound, Soa, TransferError, older, question

ORIGIN = from_text("example.org.")
IDENT = 7


def soa(serial: int) -> bytes:
    """Return the rdata of a SOA record."""
    return ORIGIN + ORIGIN + b"".join(n.to_bytes(4, "big") for n in (serial, 60, 2, 600, 60))


def wire(name: str, rtype: int, rdata: bytes, rclass: int = 1) -> bytes:
    """Return a record."""
    head = rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + (60).to_bytes(4, "big")
    return from_text(name) + head + len(rdata).to_bytes(2, "big") + rdata


def start(serial: int) -> bytes:
    """Return a SOA record."""
    return wire("example.org.", SOA, soa(serial))


def host(name: str, last: int = 1) -> bytes:
    """Return an address record."""
    return wire(f"{name}.example.org.", A, bytes((192, 0, 2, last)))


def message(*records: bytes, rcode: int = 0, ident: int = IDENT) -> bytes:
    """Return a message of an answer."""
    head = ident.to_bytes(2, "big") + bytes((0x84, rcode)) + b"\0\0" + len(records).to_bytes(2, "big") + bytes(4)
    return head + b"".join(records)


class Taken:
    """A transfer and what came of it."""

    def __init__(self, held: int | None = None) -> None:
        self.records: list[bytes] = []
        self.inbound = Inbound(ORIGIN, lambda o, t: self.records.append(o + t), soa(held) if held is not None else b"")

    def feed(self, *messages: bytes) -> Taken:
        """Take messages."""
        for one in messages:
            self.inbound.feed(one, IDENT)
        return self


def test_a_whole_zone_may_come_in_any_number_of_messages() -> None:
    parts = [start(5), wire("example.org.", NS, ORIGIN), host("a"), host("b"), start(5)]
    for messages in ([message(*parts)], [message(part) for part in parts], [message(*parts[:2]), message(*parts[2:])]):
        taken = Taken().feed(*messages)
        assert taken.inbound.done and taken.inbound.whole
        assert taken.records == parts[:-1]
        assert Soa.of(taken.inbound.first) == Soa(5, 60, 2, 600)


def test_a_zone_without_its_last_soa_is_no_zone() -> None:
    assert not Taken().feed(message(start(5), host("evil"))).inbound.done


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([message(host("a"))], "dns: no SOA"),
        ([message()], "dns: no SOA"),
        ([message(start(1), rcode=5)], "dns: bad xfr rcode: 5"),
        ([message(start(1), ident=8)], "dns: id mismatch"),
        ([message(start(1))[:-3]], "malformed"),
        ([message(start(1), host("a"), start(2))], "changed during its transfer"),
        ([message(start(1), host("a"), start(1), host("b"))], "behind the end"),
    ],
)
def test_what_is_no_transfer_is_refused(messages: list[bytes], text: str) -> None:
    with pytest.raises(TransferError, match=text):
        Taken().feed(*messages)


def test_a_zone_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_RECORDS", 2)
    with pytest.raises(TransferError, match="too large"):
        Taken().feed(message(start(1), host("a"), host("b")))


def test_owners_are_folded_and_other_classes_left_out() -> None:
    taken = Taken().feed(message(start(1), host("MiXed"), wire("x.example.org.", A, b"1234", 3), start(1)))
    assert taken.records == [start(1), host("mixed")]


def test_a_lone_soa_says_that_nothing_has_changed() -> None:
    for serial in (5, 4):
        taken = Taken(held=5).feed(message(start(serial)))
        assert taken.inbound.done and not taken.inbound.whole and not taken.inbound.deltas
    assert not Taken(held=5).feed(message(start(6))).inbound.done


def test_differences_come_in_steps() -> None:
    taken = Taken(held=5).feed(
        message(start(7), start(5), host("a"), start(6)), message(host("b"), start(6)), message(start(7), start(7))
    )
    assert taken.inbound.done and not taken.inbound.whole and taken.records == []
    assert taken.inbound.deltas == [
        Delta(5, 6, (start(5), host("a")), (start(6), host("b"))),
        Delta(6, 7, (start(6),), (start(7),)),
    ]


def test_a_whole_zone_may_answer_a_question_for_differences() -> None:
    taken = Taken(held=5).feed(message(start(7), host("a"), start(7)))
    assert taken.inbound.done and taken.inbound.whole and taken.records == [start(7), host("a")]


def test_differences_that_do_not_follow_each_other_are_refused() -> None:
    with pytest.raises(TransferError, match="follow"):
        Taken(held=5).feed(message(start(9), start(5), start(6), host("b"), start(8)))


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [(1, 2, True), (2, 1, False), (7, 7, False), (0xFFFFFFFF, 0, True), (0, 0xFFFFFFFF, False), (4 * 10**9, 9, True)],
)  # fmt: skip
def test_serials_go_round(a: int, b: int, wanted: bool) -> None:
    assert older(a, b) is wanted


def test_the_query_for_differences_holds_the_soa() -> None:
    assert question(ORIGIN, AXFR, 1)[4:12] == bytes((0, 1, 0, 0, 0, 0, 0, 0))
    asked = question(ORIGIN, IXFR, 1, soa(5))
    assert asked[4:12] == bytes((0, 1, 0, 0, 0, 1, 0, 0)) and asked.endswith(soa(5))


# Journals ----------------------------------------------------------------------------------------------------------


def step(before: int, after: int) -> Delta:
    """Return a difference."""
    return Delta(before, after, (start(before), host(f"h{before}")), (start(after), host(f"h{after}")))


def test_a_journal_gives_back_the_steps_between_two_serials(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    steps = [step(n, n + 1) for n in range(1, 5)]
    for one in steps:
        journal.append(one)
    assert journal.since(1, 5) == steps
    assert journal.since(2, 4) == steps[1:3]
    assert journal.since(0, 5) is None and journal.since(2, 9) is None and Journal(tmp_path / "x").since(1, 2) is None


def test_a_step_that_does_not_follow_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(step(1, 2))
    journal.append(step(5, 6))
    assert journal.since(1, 2) is None and journal.since(5, 6) == [step(5, 6)]


def test_a_journal_that_outgrew_its_limit_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", max_bytes=2 * len(step(1, 2).encode()) + 30)
    for n in range(1, 4):
        journal.append(step(n, n + 1))
    assert journal.since(1, 4) is None and journal.since(3, 4) == [step(3, 4)]


def test_what_a_crash_left_behind_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(step(1, 2))
    with journal.path.open("ab") as stream:
        stream.write(step(2, 3).encode()[:-1])
    assert journal.since(1, 3) is None and journal.since(1, 2) == [step(1, 2)]
    journal.append(step(2, 3))
    assert journal.since(1, 3) == [step(1, 2), step(2, 3)]


def test_differences_fold_into_what_goes_and_what_comes() -> None:
    change = Change([step(1, 2), Delta(2, 3, (start(2), host("h2")), (start(3), host("h1")))])
    assert list(change.gone) == [start(1)] and list(change.fresh) == [start(3)]
