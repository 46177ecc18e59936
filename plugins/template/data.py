"""What templates see: the reference's template data, with the message as its library shows it."""

from __future__ import annotations

from typing import Any

from shardns.config.regex import Match, Pattern
from shardns.worker.query import Query
from shardns.worker.wire.codes import (
    AA,
    AD,
    ANY,
    ANY_CLASS,
    CD,
    CLASS_TEXT,
    QR,
    RA,
    RCODE_TEXT,
    RD,
    TC,
    TYPE_TEXT,
    Z,
    class_text,
    type_text,
)
from shardns.worker.wire.names import to_text

from .go import Struct, Texts
from .opt import opt, printable

HEADER_BYTES = 12
_OPCODES = ("QUERY", "IQUERY", "STATUS", "", "NOTIFY", "UPDATE", "STATEFUL")


def groups(pattern: Pattern, found: Match) -> tuple[list[str], Texts]:
    """Return the groups as a list, and by number and name."""
    listed = [found.group(0), *found.groups()]
    match = ["" if text is None else text for text in listed]
    group = Texts((str(number), text) for number, text in enumerate(match))
    group.update((name, match[number]) for name, number in pattern.names.items())
    return match, group


def class_shown(query: Query, own: int) -> str:
    """The class of the query, of the stanza where the query has none."""
    return CLASS_TEXT.get(own if query.qclass == ANY_CLASS else query.qclass, "")


def type_shown(query: Query, own: int) -> str:
    """The type of the query, of the stanza where the query asks for any."""
    return TYPE_TEXT.get(own if query.qtype == ANY else query.qtype, "")


def data(
    query: Query, zone: bytes, pattern: Pattern, match: list[str], group: Texts, shown: tuple[str, str]
) -> dict[str, Any]:
    """Return the fields; `Var` is added by the stanza."""
    asked = question(query)
    return {
        "Zone": to_text(zone), "Name": query.name_text, "Regex": pattern.pattern, "Match": match, "Group": group,
        "Class": shown[0], "Type": shown[1], "Message": message(query, asked), "Question": asked,
        "Remote": query.request.peer.ip, "Var": {},
    }  # fmt: skip


def question(query: Query) -> Struct:
    """The question section's only entry; letter case as it came."""
    name = to_text(query.owner)
    fields = {"Name": name, "Qtype": query.qtype, "Qclass": query.qclass}
    return printable("*dns.Question", fields, lambda: f";{name}\t{class_text(query.qclass)}\t {type_text(query.qtype)}")


def message(query: Query, asked: Struct) -> Struct:
    """The query's header, question and OPT record; nothing else of a query is kept."""
    flags = {
        "Response": QR, "Authoritative": AA, "Truncated": TC, "RecursionDesired": RD, "RecursionAvailable": RA,
        "Zero": Z, "AuthenticatedData": AD, "CheckingDisabled": CD,
    }  # fmt: skip
    fields: dict[str, Any] = {"Id": query.id, "Opcode": query.opcode, "Rcode": query.flags & 15}
    fields |= {name: bool(query.flags & bit) for name, bit in flags.items()}
    header = printable("dns.MsgHdr", dict(fields), lambda: _header(query))
    record = None if query.edns is None else opt(query.edns)
    extra = [] if record is None else [record]
    fields |= {"Compress": False, "MsgHdr": header, "Question": [asked], "Answer": [], "Ns": [], "Extra": extra}
    size = HEADER_BYTES + len(query.owner) + 4 + (0 if query.edns is None else len(query.edns.wire))
    return printable(
        "*dns.Msg", fields, lambda: _text(query, asked, record), IsEdns0=lambda: record, IsTsig=lambda: None,
        Len=lambda: size,
    )  # fmt: skip


def _header(query: Query) -> str:
    names = (("qr", QR), ("aa", AA), ("tc", TC), ("rd", RD), ("ra", RA), ("z", Z), ("ad", AD), ("cd", CD))
    flags = "".join(f" {name}" for name, bit in names if query.flags & bit)
    opcode = _OPCODES[query.opcode] if query.opcode < len(_OPCODES) else ""
    status = RCODE_TEXT.get(query.flags & 15, "")
    return f";; opcode: {opcode}, status: {status}, id: {query.id}\n;; flags:{flags};"


def _text(query: Query, asked: Struct, record: Struct | None) -> str:
    counts = f" QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: {int(record is not None)}\n"
    shown = "" if record is None else f"{record}\n"
    return f"{_header(query)}{counts}{shown}\n;; QUESTION SECTION:\n{asked}\n"
