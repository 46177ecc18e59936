"""Replies made of a template and one TTL: ready to be sent, their sections made only if a layer looks."""

from __future__ import annotations

import struct

from ..reply import Reply
from .packed import TTL_BYTES, Template, packed
from .records import Section

_TAIL = struct.Struct("!HHHHH")


class FilledReply(Reply):
    """A reply whose records all have the same TTL; its sections are made at the first look."""

    __slots__ = ("_counts", "_sections", "_wires")

    def __init__(
        self, rcode: int, flags: int, blank: Template, ttl: int, opcode: int = 0, compress: bool = False
    ) -> None:
        self.rcode = rcode
        self.flags = flags
        self.edns = None
        self.opcode = opcode
        self.compress = compress
        self._sections: tuple[Section, Section, Section] | None = None
        mark, (answer, authority, additional), counts = blank
        value = ttl.to_bytes(TTL_BYTES, "big")
        self._counts = counts
        word = flags | (opcode << 11) | (rcode & 15)
        if authority or additional:
            self._wires = wires = (
                answer.replace(mark, value), authority.replace(mark, value), additional.replace(mark, value),
            )  # fmt: skip
            self.packed = (_TAIL.pack(word, 1, *counts), b"".join(wires))
        else:
            filled = answer.replace(mark, value)
            self._wires = (filled, b"", b"")
            self.packed = (_TAIL.pack(word, 1, *counts), filled)

    def _all(self) -> tuple[Section, Section, Section]:
        sections = self._sections
        if sections is None:
            answer, authority, additional = map(packed, self._wires, self._counts)
            sections = self._sections = (answer, authority, additional)
        return sections

    @property
    def answer(self) -> Section:  # type: ignore[override]  # replies are immutable
        """The answer section."""
        return self._all()[0]

    @property
    def authority(self) -> Section:  # type: ignore[override]  # as above
        """The authority section."""
        return self._all()[1]

    @property
    def additional(self) -> Section:  # type: ignore[override]  # as above
        """The additional section."""
        return self._all()[2]
