"""Replies made of a template and one TTL: ready to be sent, their sections made only if a layer looks."""

from __future__ import annotations

import struct
from typing import Any, Final

from ..reply import Reply
from .packed import TTL_BYTES, Template, packed

_TAIL = struct.Struct("!HHHHH")
_SECTIONS: Final = ("answer", "authority", "additional")


class FilledReply(Reply):
    """A reply whose records all have the same TTL. Unset slots are what sends Python to `__getattr__`."""

    __slots__ = ("_counts", "_wires")

    def __init__(
        self, rcode: int, flags: int, blank: Template, ttl: int, opcode: int = 0, compress: bool = False
    ) -> None:
        self.rcode = rcode
        self.flags = flags
        self.edns = None
        self.opcode = opcode
        self.compress = compress
        mark, (answer, authority, additional), counts = blank
        value = ttl.to_bytes(TTL_BYTES, "big")
        self._counts = counts
        self._wires = wires = (
            answer.replace(mark, value),
            authority.replace(mark, value) if authority else authority,
            additional.replace(mark, value) if additional else additional,
        )
        word = flags | (opcode << 11) | (rcode & 15)
        self.packed = (_TAIL.pack(word, 1, *counts), b"".join(wires))

    def __getattr__(self, name: str) -> Any:
        if name not in _SECTIONS:
            raise AttributeError(name)
        number = _SECTIONS.index(name)
        section = packed(self._wires[number], self._counts[number])
        setattr(self, name, section)
        return section
