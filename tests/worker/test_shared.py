"""Words that all processes of a generation share."""

import mmap

import pytest

from shardns.worker.shared import Cells


def test_the_same_requests_give_the_same_words_in_every_process() -> None:
    memory = mmap.mmap(-1, 4096)
    worker, keeper = Cells(memory, 2, 0), Cells(memory, 2, -1)
    for cells in (worker, keeper):
        cells.shared(0, "erratic", "queries")
        cells.total(0, "forward", "concurrent")
    worker.shared(1, "loadbalance", "turn").set(-5)
    assert keeper.shared(1, "loadbalance", "turn").get() == -5


def test_add_returns_the_value_before() -> None:
    word = Cells(bytearray(64), 1, 0).shared(0, "erratic", "queries")
    assert [word.add(), word.add(3), word.get()] == [0, 1, 4]


def test_everybody_reads_the_sum_of_all_shares() -> None:
    memory = mmap.mmap(-1, 4096)
    shares = [Cells(memory, 2, slot).total(0, "forward", "concurrent") for slot in (0, 1, -1)]
    for amount, share in enumerate(shares, 1):
        share.add(amount)
    assert [share.get() for share in shares] == [6, 6, 6]
    shares[1].reset()
    assert shares[0].get() == 4
    assert shares[0].own == 1


def test_too_many_words_are_refused() -> None:
    cells = Cells(bytearray(8), 1, 0)
    cells.shared(0, "a", "b")
    with pytest.raises(MemoryError):
        cells.shared(0, "a", "c")
