"""Names and rdata inside a message: where compressed names may stand, and how each is read only once."""

from __future__ import annotations

from typing import Final

from .names import MAX_NAME_BYTES, ROOT
from .read import MAX_POINTERS, Malformed

# How rdata is laid out where names, strings or a fixed length stand in it: a number is that many octets, "n" a name,
# "s" a character-string, "S" such strings up to the end, "*" whatever is left. RFC 1035 §3.3, RFC 1183, RFC 2163,
# RFC 2230, RFC 2535, RFC 2782, RFC 2915, RFC 4034, RFC 6672, RFC 6742, RFC 9460.
HEADER_BYTES: Final = 12
Layout = tuple[int | str, ...]
LAYOUTS: dict[int, Layout] = {
    1: (4,), 2: ("n",), 3: ("n",), 4: ("n",), 5: ("n",), 6: ("n", "n", 20), 7: ("n",), 8: ("n",), 9: ("n",), 12: ("n",),
    13: ("s", "s"), 14: ("n", "n"), 15: (2, "n"), 16: ("S",), 17: ("n", "n"), 18: (2, "n"), 21: (2, "n"), 23: ("n",),
    24: (18, "n", "*"), 26: (2, "n", "n"), 28: (16,), 30: ("n", "*"), 33: (6, "n"), 35: (4, "s", "s", "s", "n"),
    36: (2, "n"), 39: ("n",), 43: (4, "*"), 46: (18, "n", "*"), 47: ("n", "*"), 48: (4, "*"), 58: ("n", "n"),
    64: (2, "n", "*"), 65: (2, "n", "*"), 99: ("S",), 107: (2, "n"), 250: ("n", "*"), 258: ("S",),
}  # fmt: skip


class Cut(Malformed):
    """A message that ends too early: what a datagram that did not fit looks like."""


class Names:
    """Reads names of one message, each run of labels once."""

    __slots__ = ("known", "wire")

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.known: dict[int, bytes] = {}

    def read(self, at: int) -> tuple[bytes, int]:
        """Return the name at an offset, uncompressed, and the offset behind it. Raises Malformed, IndexError."""
        wire, known = self.wire, self.known
        # Hot path: a name that is not compressed.
        here = at
        while 0 < (size := wire[here]) < 64:
            here += size + 1
        if size == 0 and here - at < MAX_NAME_BYTES:
            name = known[at] = wire[at : here + 1]
            return name, here + 1
        parts: list[tuple[int, bytes]] = []  # (offset, labels that stand there)
        start = at
        after = 0
        while True:
            size = wire[at]
            if size == 0:
                parts.append((start, wire[start:at]))
                after = after or at + 1
                tail = ROOT
                break
            if size < 64:
                at += size + 1
                continue
            if size < 0xC0:
                raise Malformed
            target = ((size & 63) << 8) | wire[at + 1]
            parts.append((start, wire[start:at]))
            after = after or at + 2
            found = known.get(target)
            if found is not None:
                tail = found
                break
            # RFC 1035 §4.1.4: a prior occurrence; what points elsewhere may loop.
            if not HEADER_BYTES <= target < start or len(parts) > MAX_POINTERS:
                raise Malformed
            start = at = target
        name = tail
        for offset, labels in reversed(parts):
            name = labels + name
            known[offset] = name
        if len(name) > MAX_NAME_BYTES:
            raise Malformed
        return name, after

    def rdata(self, at: int, end: int, layout: Layout | None) -> bytes:
        """Return rdata with its names uncompressed. Raises Malformed where it is not what its type says."""
        wire = self.wire
        if layout is None:
            return wire[at:end]
        if at == end and layout != ("S",):
            raise Malformed
        out: list[bytes] = []
        for item in layout:
            if item == "n":
                name, after = self.read(at)
                out.append(name)
            elif item == "*":
                after = end
                out.append(wire[at:end])
            elif item == "S":
                after = _strings(wire, at, end)
                out.append(wire[at:end])
            else:
                after = at + (wire[at] + 1 if item == "s" else int(item))
                out.append(wire[at:after])
            if after > end:
                raise Cut
            at = after
        if at != end:
            raise Malformed
        return b"".join(out)


def _strings(wire: bytes, at: int, end: int) -> int:
    while at < end:
        at += wire[at] + 1
    return at
