"""Making room in a full side: of a few arbitrary entries one that is over goes, else the one that is least asked for.

1. The hash in a key spreads the keys evenly, so neighbours at a random place are a fair sample. The entries of one
   transaction make room from one sample that is as much larger.
2. The coldest of those that were looked at and stayed are looked at again the next time: so few new ones do.
3. A new entry that is asked for less than the one that would go for it is not kept (TinyLFU's rule): a flood of names
   that never repeat leaves alone what is asked for again and again.
"""

from __future__ import annotations

import random
from itertools import islice
from typing import Any, Final

from .heat import Heat
from .places import Side, ends_at, mark_of

SAMPLE: Final = 4  # new entries looked at for one that goes
MORE: Final = 2  # for each further one
MOST_AT_ONCE: Final = 32  # that one sample is for
COLD: Final = 32  # entries that are looked at again
OVER: Final = -1  # colder than anything that is asked for: the time of the entry is over


class Room:
    """What may go from a side in a write transaction, in which `wanted` entries are new."""

    def __init__(self, txn: Any, side: Side, heat: Heat, now: float, wanted: int = 1) -> None:
        self.txn = txn
        self.side = side
        self.heat = heat
        self.now = now
        self.wanted = max(1, min(wanted, MOST_AT_ONCE))
        self._found: list[tuple[int, bytes]] = []  # those that may go before others are looked at, the coldest last

    def make(self, key: bytes, over: int) -> tuple[int, bool]:
        """Delete `over` entries for a new one; returns how many went, and whether the new one is worth its place."""
        gone = 0
        while gone < over:  # what nearly went the last time may have gone since, by another's hand
            warmth = self.coldest()
            if warmth is None:
                break
            if over == 1 and warmth > self.heat.of(mark_of(key)):
                return gone, False
            gone += self.drop()
        return gone, True

    def coldest(self) -> int | None:
        """Return the warmth of the entry that goes next, None where there is none."""
        if not self._found:
            self._look()
        return self._found[-1][0] if self._found else None

    def drop(self) -> int:
        """Delete that entry; returns how many went, 0 for one that has gone already."""
        return int(self.txn.delete(self._found.pop()[1]))

    def _look(self) -> None:
        now, prefix = self.now, self.side.prefix
        ends = {key: end for key, end in self.side.cold if end > now}
        most = len(ends) + SAMPLE + MORE * (self.wanted - 1)
        with self.txn.cursor() as cursor:
            for start in (prefix + random.randbytes(4), prefix):
                if len(ends) < most and cursor.set_range(start):
                    for key, value in islice(cursor.iternext(), most - len(ends)):
                        if not key.startswith(prefix):
                            break
                        ends[key] = ends_at(value)[0]
        of = self.heat.of
        found = sorted([(OVER if end <= now else of(mark_of(key)), key) for key, end in ends.items()], reverse=True)
        self._found = found[-self.wanted :]
        self.side.cold = [(key, ends[key]) for _, key in found[-self.wanted - COLD : -self.wanted]]
