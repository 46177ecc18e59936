"""Making room in a full side: of a few arbitrary entries one that is over goes, else the one that is least asked for.

1. The hash in a key spreads the keys evenly, so neighbours at a random place are a fair sample. The entries of one
   transaction make room from one sample that is as much larger.
2. A new entry that is asked for less than the one that would go for it is not kept (TinyLFU's rule): a flood of names
   that never repeat leaves alone what is asked for again and again.
"""

from __future__ import annotations

import random
from itertools import islice
from typing import Any, Final

from .heat import Heat
from .places import Side, ends_at, mark_of

SAMPLE: Final = 8  # entries looked at for one that goes; 16 bring another 0.3 % of hits with Zipf loads
MORE: Final = 4  # for each further one: of many the coldest quarter goes, where of eight that stand alone one does
MOST_AT_ONCE: Final = 32  # that one sample is for
OVER: Final = -1  # colder than anything that is asked for: the time of the entry is over


class Room:
    """What may go from a side in a write transaction, in which `wanted` entries are new."""

    def __init__(self, txn: Any, side: Side, heat: Heat, now: float, wanted: int = 1) -> None:
        self.txn = txn
        self.prefix = side.prefix
        self.heat = heat
        self.now = now
        self.wanted = max(1, min(wanted, MOST_AT_ONCE))
        self._found: list[tuple[int, bytes]] = []  # the coldest last
        self._left = 0  # of them that may go before others are looked at

    def make(self, key: bytes, over: int) -> tuple[int, bool]:
        """Delete `over` entries for a new one; returns how many went, and whether the new one is worth its place."""
        gone = 0
        for _ in range(over):
            warmth = self.coldest()
            if warmth is None:
                break
            if over == 1 and warmth > self.heat.of(mark_of(key)):
                return gone, False
            gone += self.drop()
        return gone, True

    def coldest(self) -> int | None:
        """Return the warmth of the entry that goes next, None where there is none."""
        if not self._left or not self._found:
            self._look()
        return self._found[-1][0] if self._found else None

    def drop(self) -> int:
        """Delete that entry; returns how many went, 0 for one that has gone already."""
        self._left -= 1
        return int(self.txn.delete(self._found.pop()[1]))

    def _look(self) -> None:
        found: dict[bytes, float] = {}  # when each is over
        prefix, now, most = self.prefix, self.now, SAMPLE + MORE * (self.wanted - 1)
        with self.txn.cursor() as cursor:
            for start in (prefix + random.randbytes(4), prefix):
                if len(found) < most and cursor.set_range(start):
                    for key, value in islice(cursor.iternext(), most - len(found)):
                        if not key.startswith(prefix):
                            break
                        found[key] = ends_at(value)[0]
        warmths = self.heat.of_all([mark_of(key) for key in found])
        self._found = [
            (OVER if end <= now else warmth, key) for warmth, (key, end) in zip(warmths, found.items(), strict=True)
        ]
        self._found.sort(reverse=True)
        self._left = max(1, len(found) // MORE if len(found) > SAMPLE else 1)
