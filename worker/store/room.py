"""Making room in a full side: of a few arbitrary entries one that is over goes, else the one that is least asked for.

The hash in a key spreads the keys evenly, so neighbours at a random place are a fair sample. A new entry that is asked
for less than the one that would go for it is not kept (TinyLFU's rule): a flood of names that never repeat leaves
alone what is asked for again and again.
"""

from __future__ import annotations

import random
from typing import Any, Final

from .heat import Heat
from .places import Side, ends, mark_of

SAMPLE: Final = 8  # entries looked at for one that goes; 16 bring another 0.3 % of hits with Zipf loads
OVER: Final = -1  # colder than anything that is asked for: the time of the entry is over


def make_room(txn: Any, side: Side, key: bytes, over: int, heat: Heat, now: float) -> tuple[int, bool]:
    """Delete `over` entries for a new one; returns how many went, and whether the new one is worth its place."""
    gone = 0
    for _ in range(over):
        found = coldest(txn, side, heat, now)
        if found is None:
            break
        victim, warmth = found
        if over == 1 and warmth > heat.of(mark_of(key)):
            return gone, False
        gone += txn.delete(victim)
    return gone, True


def coldest(txn: Any, side: Side, heat: Heat, now: float) -> tuple[bytes, int] | None:
    """Return one of a few arbitrary entries of a side: one that is over, else the least warm; and its warmth."""
    best: tuple[bytes, int] | None = None
    prefix, warmth_of = side.prefix, heat.of
    looked = 0
    cursor = txn.cursor()
    try:
        for start in (prefix + random.randbytes(4), prefix):
            more = cursor.set_range(start)
            while more and looked < SAMPLE and (key := cursor.key()).startswith(prefix):
                if ends(cursor.value()) <= now:
                    return key, OVER
                warmth = warmth_of(mark_of(key))
                if best is None or warmth < best[1]:
                    best = key, warmth
                looked += 1
                more = cursor.next()
        return best
    finally:
        cursor.close()
