"""Frames of DNS over streams (RFC 7766 §8) whose answers are memorised: many are answered without a look at each."""

from __future__ import annotations

from .memo import Memo

WRITE_BYTES = 1 << 16  # of answers collected for one write


def memorised(memo: Memo, data: bytes, most: int, now: float, out: list[bytes]) -> tuple[int, int]:
    """Answer the memorised queries at the head of what has come; returns where others begin, and their number.

    At most `most` of them, and not much more than `WRITE_BYTES` of answers. Hot path: 0.8 µs a query instead of 1.4
    (tests/bench, row tcp).
    """
    young, dirty = memo.young, memo.budget.dirty
    size = len(data)
    at = frames = written = 0
    while frames < most and size - at >= 2 and written < WRITE_BYTES:
        start, end = at + 4, at + 2 + ((data[at] << 8) | data[at + 1])
        if size < end:
            break
        found = young.get(data[start:end])
        if isinstance(found, bytes):
            answer = found
        elif found is not None and found.quick is not None and found.until > now:
            answer = found.quick
            if not found.hits:
                dirty.append(found)
            found.hits += 1
        else:
            break
        out += ((len(answer) + 2).to_bytes(2, "big"), data[at + 2 : start], answer)
        frames += 1
        written += len(answer)
        at = end
    return at, frames
