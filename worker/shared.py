"""Numbers that all processes of a generation share: words of the anonymous memory they were forked with.

1. A word has 8 octets and is signed. Reading or writing one is atomic; reading *and* writing (`add`) is not.
2. All processes build their sites from the same model in the same order, so asking for the same (block, plugin, name)
   in that order gives the same word everywhere; `Cells` remembers names, so asking twice is harmless.
"""

from __future__ import annotations

import mmap


class Shared:
    """One word, the same in all processes of a generation."""

    __slots__ = ("_at", "_words")

    def __init__(self, words: memoryview[int], at: int) -> None:
        self._words = words
        self._at = at

    def get(self) -> int:
        """Return the value."""
        return self._words[self._at]

    def set(self, value: int) -> None:
        """Set the value."""
        self._words[self._at] = value

    def add(self, amount: int = 1) -> int:
        """Add and return the value before. Two processes at the same instant may count as one."""
        words, at = self._words, self._at
        before = words[at]
        words[at] = before + amount
        return before


class SharedSum:
    """One word a slot: each process adds to its own, everybody reads the exact sum."""

    __slots__ = ("_end", "_own", "_start", "_words")

    def __init__(self, words: memoryview[int], start: int, slots: int, slot: int) -> None:
        self._words = words
        self._start = start
        self._end = start + slots
        self._own = start + slot

    def get(self) -> int:
        """Return the sum over all slots."""
        return sum(self._words[self._start : self._end])

    @property
    def own(self) -> int:
        """This process's share."""
        return self._words[self._own]

    def add(self, amount: int = 1) -> None:
        """Add to this process's share."""
        self._words[self._own] += amount

    def reset(self) -> None:
        """Drop this process's share: a refilled slot inherits what the dead one left behind."""
        self._words[self._own] = 0


class Cells:
    """Hands out the words of a generation; one object a process.

    `slots` counts the workers, `slot` is this one's; the keeper adds to a share of its own behind theirs.
    """

    def __init__(self, memory: mmap.mmap | bytearray, slots: int, slot: int) -> None:
        self._words: memoryview[int] = memoryview(memory).cast("q")
        self._slots = slots + 1
        self._slot = slot if 0 <= slot < slots else slots
        self._next = 0
        self._given: dict[tuple[int, str, str], int] = {}

    def shared(self, block: int, plugin: str, name: str) -> Shared:
        """Return the word of that name; 0 until somebody sets it."""
        return Shared(self._words, self._place(block, plugin, name, 1))

    def total(self, block: int, plugin: str, name: str) -> SharedSum:
        """Return the sum of that name."""
        return SharedSum(self._words, self._place(block, plugin, name, self._slots), self._slots, self._slot)

    def _place(self, block: int, plugin: str, name: str, width: int) -> int:
        key = (block, plugin, name)
        at = self._given.get(key)
        if at is None:
            at, self._next = self._next, self._next + width
            if self._next > len(self._words):
                raise MemoryError("too many shared numbers in one configuration")
            self._given[key] = at
        return at
