"""What templates see: the reference's template data, with the message as its library shows it."""

from __future__ import annotations

from collections.abc import Callable
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
    RD,
    TC,
    TYPE_TEXT,
    Z,
    class_text,
    type_text,
)
from shardns.worker.wire.names import to_text

from .go import Struct, Texts

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
    return _printable(
        "*dns.Question", fields, lambda: f";{name}\t{class_text(query.qclass)}\t {type_text(query.qtype)}"
    )


def message(query: Query, asked: Struct) -> Struct:
    """The query's header and question."""
    flags = {
        "Response": QR, "Authoritative": AA, "Truncated": TC, "RecursionDesired": RD, "RecursionAvailable": RA,
        "Zero": Z, "AuthenticatedData": AD, "CheckingDisabled": CD,
    }  # fmt: skip
    fields: dict[str, Any] = {"Id": query.id, "Opcode": query.opcode, "Rcode": query.flags & 15, "Compress": False}
    fields |= {name: bool(query.flags & bit) for name, bit in flags.items()}
    header = Struct("dns.MsgHdr", {name: value for name, value in fields.items() if name != "Compress"})
    fields |= {"MsgHdr": header, "Question": [asked], "Answer": [], "Ns": [], "Extra": []}
    return _printable("*dns.Msg", fields, lambda: _text(query, asked))


def _printable(go_type: str, fields: dict[str, Any], text: Callable[[], str]) -> Struct:
    """A structure that prints as a text, which templates may also ask for by name."""
    return Struct(go_type, fields, {"String": text}, text)


def _text(query: Query, asked: Struct) -> str:
    names = (("qr", QR), ("aa", AA), ("tc", TC), ("rd", RD), ("ra", RA), ("z", Z), ("ad", AD), ("cd", CD))
    flags = "".join(f" {name}" for name, bit in names if query.flags & bit)
    opcode = _OPCODES[query.opcode] if query.opcode < len(_OPCODES) else f"OPCODE{query.opcode}"
    return (
        f";; opcode: {opcode}, status: NOERROR, id: {query.id}\n"
        f";; flags:{flags}; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: {int(query.edns is not None)}\n"
        f"\n;; QUESTION SECTION:\n{asked}\n"
    )
