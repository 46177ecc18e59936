"""What a look-up found: the parts of an answer, or the name to ask for next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..wire.codes import Rcode
from ..wire.records import EMPTY, Section

if TYPE_CHECKING:
    from ..reply import Reply
    from .alias import Chase

POSITIVE: Final = 0
NODATA: Final = 1
EMPTY_NAME: Final = 2  # no records here, but below: an empty non-terminal
NXDOMAIN: Final = 3
REFERRAL: Final = 4
SERVFAIL: Final = 5
CHASE: Final = 6  # incomplete: `chase` says what must be asked for

_RCODES: Final = (
    Rcode.NOERROR, Rcode.NOERROR, Rcode.NOERROR, Rcode.NXDOMAIN, Rcode.NOERROR, Rcode.SERVFAIL, Rcode.NOERROR,
)  # fmt: skip


class Found:
    """The outcome of a look-up. Immutable; shared between queries.

    `aa` is the header bit; `wildcard` the owner it was synthesised from (RFC 4592), for metadata. What many queries
    share keeps the finished `replies` by the flags of the query.
    """

    __slots__ = ("aa", "additional", "answer", "authority", "chase", "kind", "rcode", "replies", "wildcard")

    def __init__(
        self,
        kind: int,
        answer: Section = EMPTY,
        authority: Section = EMPTY,
        additional: Section = EMPTY,
        *,
        aa: bool = True,
        wildcard: bytes | None = None,
        chase: Chase | None = None,
        rcode: int | None = None,
    ) -> None:
        self.kind = kind
        self.rcode: int = _RCODES[kind] if rcode is None else rcode
        self.answer = answer
        self.authority = authority
        self.additional = additional
        self.aa = aa
        self.wildcard = wildcard
        self.chase = chase
        self.replies: dict[int, Reply] | None = None

    def share(self) -> Found:
        """Say that other queries will find this, too; returns itself."""
        self.replies = {}
        return self

    @property
    def falls_through(self) -> bool:
        """Whether `fallthrough` hands the query on: nothing by that name."""
        return (self.kind == NXDOMAIN or self.kind == EMPTY_NAME) and not self.answer

    def __repr__(self) -> str:
        return f"Found({self.kind}, {self.answer}, {self.authority}, {self.additional}, aa={self.aa})"
