"""Memorised answers to frames: whole ones, in turn, up to the first that is no plain hit."""

from __future__ import annotations

from shardns.worker.frames import WRITE_BYTES, memorised
from shardns.worker.memo import Budget, Entry, Memo
from tests.worker.fakes import request

KEYS = [b"\1\0\0\1\0\0\0\0\0\0" + bytes((n,)) * 9 for n in range(5)]


def frame(n: int, ident: int) -> bytes:
    """A query of the n-th name."""
    return (len(KEYS[n]) + 2).to_bytes(2, "big") + ident.to_bytes(2, "big") + KEYS[n]


def memo() -> Memo:
    """Answers to all but the last name."""
    made = Memo(Budget(1 << 20))
    made.young |= {KEYS[0]: b"zero", KEYS[1]: b"one"}
    noted, over = request(), request()
    noted.series = [3]
    over.until = 5.0
    made.young[KEYS[2]] = Entry(noted, b"two")
    made.young[KEYS[3]] = Entry(over, b"three")
    return made


def answered(data: bytes, most: int = 128, now: float = 1.0, of: Memo | None = None) -> tuple[int, int, bytes]:
    """Return where others begin, how many were answered, and the answers."""
    out: list[bytes] = []
    at, frames = memorised(of or memo(), data, most, now, out)
    return at, frames, b"".join(out)


def test_answers_come_in_turn_with_their_own_ids() -> None:
    data = frame(0, 7) + frame(1, 8) + frame(2, 9)
    assert answered(data) == (len(data), 3, b"\0\6\0\7zero\0\5\0\x08one\0\5\0\x09two")


def test_it_ends_at_the_first_other_query() -> None:
    data = frame(0, 7) + frame(4, 8) + frame(1, 9)
    assert answered(data)[:2] == (len(frame(0, 7)), 1)


def test_an_entry_whose_time_is_over_is_another_query() -> None:
    assert answered(frame(3, 1), now=4.9)[1] == 1
    assert answered(frame(3, 1), now=5.0) == (0, 0, b"")


def test_uses_are_counted_once_a_use_and_noted_once() -> None:
    kept = memo()
    answered(frame(2, 1) * 3, of=kept)
    entry = kept.young[KEYS[2]]
    assert isinstance(entry, Entry)
    assert entry.hits == 3
    assert kept.budget.dirty == [entry]


def test_what_is_not_whole_waits() -> None:
    whole = frame(0, 1)
    for cut in range(len(whole)):
        assert answered(whole + frame(1, 2)[:cut])[:2] == (len(whole), 1)
    for short in (b"", b"\0", b"\0\0", b"\0\1x"):
        assert answered(short) == (0, 0, b"")


def test_no_more_than_asked_for_at_a_time() -> None:
    assert answered(frame(0, 1) * 10, most=4)[:2] == (4 * len(frame(0, 1)), 4)
    kept = memo()
    kept.young[KEYS[0]] = bytes(40_000)
    assert answered(frame(0, 1) * 10, of=kept)[1] == -(-WRITE_BYTES // 40_000)
