"""Queries as the chain sees them: the bytes as they came, plus offsets and folded names.

1. A query is immutable for plugins; `ask` derives another one (a rewritten name, a follow-up).
2. What belongs to one client request as a whole (metadata, counters to repeat, memo rules) lives in its `Request`,
   shared by every query derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .address import Address, from_sockaddr
from .reply import Failure, Reply
from .wire.codes import AA, CD, QR, RA, RD, Rcode, type_text
from .wire.edns import Edns
from .wire.names import to_text
from .wire.records import EMPTY, Section

if TYPE_CHECKING:
    from .listener import Listener
    from .site import Site
    from .tsig import Signer

_KEEP = RD | CD
_OPCODE = 0x7800


def reply_flags(asked: int, flags: int) -> int:
    """Return the flags of a reply: QR, those given, and what is taken over from the query's."""
    return QR | flags if asked & _OPCODE else QR | flags | (asked & _KEEP)


class Request:
    """One client request: where it came from, and what plugins note about it. The only mutable part of a query.

    `peer` and `local` are the two ends (`local` on a wildcard UDP socket: the wildcard). `series` are metric cells that
    a repeated answer bumps again; `repeats` are called for each repetition, with the client's address as the kernel
    writes it and the ID, `tallies` now and then with how many there were; `zones` were read; `once` forbids the memo;
    `variants` is how many different answers may be kept; `until` (monotonic s) is when the answer changes, and `end`
    when it is over: in between nothing changes but all its TTLs, by one a second (see `hold`).
    `depth` is how many lookups this one is nested in, `lookups` a cell that counts all that one client's query led to.
    `started` is monotonic s; `tsig` the TSIG record as it came, `tsig_at` its place in `wire` if it is the last record;
    `wire` is the whole message where it holds a TSIG or SOA record; `signer` puts the answer's TSIG on; `flows` says
    that the transport takes an answer of several messages; `rewritten` the query as `rewrite` left it, which is
    what log, errors and metrics show; `shown` the query that the answer is written for, where a layer changed what the
    client sees of it (see `show`); `fault` a failure whose answer a layer wrote itself. `guards` are functions of the
    client's address and what they must return for the answer to be repeated. `alone` forbids to have it answered
    together with others that ask the same.
    """

    # Defaults live on the class: a request that nobody notes anything about costs six stores.
    metadata: dict[str, Callable[[], str]] | None = None
    repeats: list[Callable[[bytes, int], None]] | None = None
    tallies: tuple[Callable[[int], None], ...] = ()
    zones: list[Any] | None = None
    once: bool = False
    alone: bool = False
    variants: int = 1
    until: float | None = None
    end: float | None = None
    deadline: float | None = None
    depth: int = 0
    lookups: list[int] | None = None
    rewritten: Query | None = None
    shown: Query | None = None
    fault: Failure | None = None
    guards: list[tuple[Callable[[Address], object], object]] | None = None
    tsig: bytes | None = None
    tsig_at: int = 0
    wire: bytes = b""
    signer: Signer | None = None
    flows: bool = False
    view: str = ""
    _peer: Address | None = None
    _local: Address | None = None

    def __init__(
        self, listener: Listener, sender: bytes, family: int, via: str, started: float, size_bytes: int
    ) -> None:
        self.listener = listener
        self.sender = sender
        self.family = family  # 1 for IPv4, 2 for IPv6
        self.via = via  # "udp" or "tcp": what size rules and metrics call the transport
        self.started = started
        self.size_bytes = size_bytes
        self.series: list[int] = []

    def hold(self, until: float, end: float) -> None:
        """Let the memo keep this answer until `until`, and, with all its TTLs counting down each second, until `end`.

        Where several plugins say so, the earliest time counts, and nothing counts down.
        """
        if self.until is None:
            self.until, self.end = until, end
        else:
            self.until = self.end = min(self.until, until)

    @property
    def peer(self) -> Address:
        """The client's end."""
        peer = self._peer
        if peer is None:
            peer = self._peer = from_sockaddr(self.sender)
        return peer

    @property
    def local(self) -> Address:
        """The server's end."""
        return self._local or self.listener.local


class Query:
    """One question.

    `name` is lower-case wire form, `owner` the same as typed; `flags` is the header's second word; `edns` the OPT
    record or None; `wire` the message as received with the question ending at `end` (a derived query has none).
    """

    __slots__ = ("edns", "end", "flags", "id", "name", "owner", "qclass", "qtype", "request", "site", "wire", "zone")

    def __init__(
        self,
        request: Request,
        id: int,
        flags: int,
        name: bytes,
        owner: bytes,
        qtype: int,
        qclass: int,
        edns: Edns | None = None,
        wire: bytes = b"",
        end: int = 0,
    ) -> None:
        self.request = request
        self.id = id
        self.flags = flags
        self.name = name
        self.owner = owner
        self.qtype = qtype
        self.qclass = qclass
        self.edns = edns
        self.wire = wire
        self.end = end
        self.site: Site | None = None
        self.zone = b""  # the site's key that the mux matched; empty where the name is another one by now

    @property
    def opcode(self) -> int:
        """RFC 1035 §4.1.1."""
        return (self.flags >> 11) & 15

    @property
    def do(self) -> bool:
        """Whether the client wants DNSSEC records (RFC 3225)."""
        return self.edns is not None and self.edns.do

    @property
    def size_limit(self) -> int:
        """The largest reply in octets: 65535 on streams, else max(512, advertised) (spec core §4.3)."""
        if self.request.via == "tcp":
            return 65535
        edns = self.edns
        return 512 if edns is None or edns.size < 512 else edns.size

    @property
    def name_text(self) -> str:
        """The lower-case name, absolute, for people."""
        return to_text(self.name)

    @property
    def type_text(self) -> str:
        """The type's mnemonic."""
        return type_text(self.qtype)

    def reply(
        self,
        rcode: int = Rcode.NOERROR,
        answer: Section = EMPTY,
        authority: Section = EMPTY,
        additional: Section = EMPTY,
        *,
        aa: bool = False,
        ra: bool = False,
        flags: int = 0,
        edns: Edns | None = None,
    ) -> Reply:
        """Return the reply skeleton: QR, opcode, RD and CD as asked (only for opcode QUERY), and the given parts."""
        word = reply_flags(self.flags, flags | (AA if aa else 0) | (RA if ra else 0))
        return Reply(rcode, word, answer, authority, additional, edns, (self.flags >> 11) & 15)

    def ask(
        self,
        *,
        name: bytes | None = None,
        owner: bytes | None = None,
        qtype: int | None = None,
        qclass: int | None = None,
        flags: int | None = None,
        edns: Edns | None = None,
        request: Request | None = None,
    ) -> Query:
        """Return a query of the same request (or another) in which the named parts differ.

        `owner` alone also gives the name; `name` alone is taken for both.
        """
        if owner is None:
            owner = self.owner if name is None else name
        if name is None:
            name = owner.lower()
        query = Query(
            request or self.request,
            self.id,
            self.flags if flags is None else flags,
            name,
            owner,
            self.qtype if qtype is None else qtype,
            self.qclass if qclass is None else qclass,
            self.edns if edns is None else edns,
        )
        query.site = self.site
        query.zone = self.zone if name == self.name else b""
        return query

    def show(self, *, flags: int | None = None, edns: Edns | None = None) -> None:
        """Have the answer written for a query with these flags or this OPT record instead of the client's own.

        A layer that changes the question calls it before it asks below, so that the client's question is kept.
        """
        request = self.request
        shown = request.shown or self
        request.shown = shown if flags is None and edns is None else shown.ask(flags=flags, edns=edns)

    # What plugins note about the request ------------------------------------------------------------------------

    def once(self) -> None:
        """Keep this answer out of the memo: asked again, it may differ (DESIGN §4)."""
        self.request.once = True

    def note(self, label: str, value: Callable[[], str]) -> bool:
        """Set a metadata label; False (and nothing done) where the site has no `metadata` plugin."""
        table = self.request.metadata
        if table is None:
            return False
        table[label] = value
        return True

    def metadata(self, label: str) -> str | None:
        """Return a metadata value, None where the label is not set."""
        table = self.request.metadata
        value = table.get(label) if table else None
        return value() if value is not None else None

    def background(self, query: Query | None = None) -> None:
        """Send a query down the chain below the calling layer, behind the reply. Replaced by the chain."""
        raise RuntimeError("outside a chain")

    def __repr__(self) -> str:
        return f"Query({self.name_text} {self.type_text})"
