"""Replies: what a source hands up the chain. Immutable; `replace` gives a changed copy.

The core finishes a reply when it writes it (EDNS, size, compression; spec core §4.3), so plugins never do.
"""

from __future__ import annotations

from typing import Final, final

from .wire.codes import AA, AD, RA, TC, Rcode
from .wire.edns import Edns
from .wire.records import EMPTY, Section

Packed = tuple[bytes, bytes]  # of an answer: the header without ID, for one question and no OPT; the sections


class Reply:
    """A message without question: header flags (QR, AA, TC, RD, RA, Z, AD, CD bits), rcode and three sections.

    `edns` is an OPT that a plugin or an upstream put in; `None` means the core decides.
    `opcode` is set where it is not QUERY. `compress` asks for name compression as `{rsize}` counts it.
    """

    __slots__ = ("additional", "answer", "authority", "compress", "edns", "flags", "opcode", "packed", "rcode")

    def __init__(
        self,
        rcode: int = 0,
        flags: int = 0x8000,
        answer: Section = EMPTY,
        authority: Section = EMPTY,
        additional: Section = EMPTY,
        edns: Edns | None = None,
        opcode: int = 0,
        compress: bool = False,
    ) -> None:
        self.rcode = rcode
        self.flags = flags
        self.answer = answer
        self.authority = authority
        self.additional = additional
        self.edns = edns
        self.opcode = opcode
        self.compress = compress
        self.packed: Packed | None = None  # kept by the writer

    @property
    def aa(self) -> bool:
        """Authoritative answer."""
        return bool(self.flags & AA)

    @property
    def tc(self) -> bool:
        """Truncated."""
        return bool(self.flags & TC)

    @property
    def ra(self) -> bool:
        """Recursion available."""
        return bool(self.flags & RA)

    @property
    def ad(self) -> bool:
        """Authentic data."""
        return bool(self.flags & AD)

    def replace(
        self,
        *,
        rcode: int | None = None,
        flags: int | None = None,
        answer: Section | None = None,
        authority: Section | None = None,
        additional: Section | None = None,
        edns: Edns | None = None,
    ) -> Reply:
        """Return a copy in which the named parts differ."""
        return Reply(
            self.rcode if rcode is None else rcode,
            self.flags if flags is None else flags,
            self.answer if answer is None else answer,
            self.authority if authority is None else authority,
            self.additional if additional is None else additional,
            self.edns if edns is None else edns,
            self.opcode,
            self.compress,
        )

    def without_edns(self) -> Reply:
        """Return a copy that leaves the OPT record to the core."""
        return Reply(
            self.rcode, self.flags, self.answer, self.authority, self.additional, None, self.opcode, self.compress
        )

    def __repr__(self) -> str:
        return f"Reply({self.rcode}, {self.flags:#06x}, {self.answer}, {self.authority}, {self.additional})"


@final
class Drop:
    """The outcome of a query that gets no answer at all."""


DROP: Final = Drop()


class Failure(Exception):
    """A query that cannot be answered: the core writes `rcode` itself, `errors` logs the text if there is one.

    `ede` is an extended DNS error (RFC 8914): (info code, text), sent where the configuration asks for it.
    """

    rcode: Rcode = Rcode.SERVFAIL

    def __init__(self, text: str = "", *, ede: tuple[int, str] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.ede = ede


class ServFail(Failure):
    """SERVFAIL."""


class Refused(Failure):
    """REFUSED."""

    rcode = Rcode.REFUSED


class FormErr(Failure):
    """FORMERR."""

    rcode = Rcode.FORMERR


class NotImp(Failure):
    """NOTIMP."""

    rcode = Rcode.NOTIMP
