"""A cached answer outside the store: for people, for programs, and in a dump that another server can load.

In a dump times are relative: `age` is how long ago (s) the answer was stored when the dump was taken.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from shardns.worker.store.holdings import Held
from shardns.worker.store.places import DENIAL, SUCCESS, ends, tail
from shardns.worker.wire.codes import AD, CD, QR, RA, RCODE_TEXT, class_text, type_text
from shardns.worker.wire.message import decode as read_message
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.wire.packed import template
from shardns.worker.wire.read import Malformed
from shardns.worker.wire.records import Section
from shardns.worker.zone.listing import rdata_text

from .item import AUTHENTIC, RECURSIVE, RESOLVES, Item, decode, encode

_HEADER: Final = struct.Struct("!HHHHHH")


class Entry(msgspec.Struct, omit_defaults=True):
    """One answer. `ttl` is what is left of its lifetime (s), below zero where it is served stale.

    `message` is the answer in wire form (base64); `records` are its text, for people only, as are `class`, `type`,
    `rcode` and `ttl`.
    """

    name: str
    rclass: str = msgspec.field(name="class")
    rtype: str = msgspec.field(name="type")
    rcode: str
    ttl: int
    lifetime: int
    age: float
    stale: float
    do: bool = False
    cd: bool = False
    denied: bool = False
    resolves: bool = False
    wildcard: str = ""
    cache: int = 0
    records: tuple[str, ...] = ()
    message: str = ""


class Unusable(Exception):
    """A line of a dump that holds no answer."""


def entry(held: Held, now: float, cache: int = 0) -> Entry | None:
    """Return what an entry of the store holds, None where it is over."""
    end = ends(held.value)
    if end <= now:
        return None
    item = decode(held.value)
    ttl = item.remaining(now)
    sections = item.template.fill(max(ttl, 0))
    return Entry(
        name=to_text(held.name), rclass=class_text(held.qclass), rtype=type_text(held.qtype),
        rcode=RCODE_TEXT.get(item.rcode, f"RCODE{item.rcode}"), ttl=ttl, lifetime=item.duration,
        age=round(now - item.stored, 3), stale=end - item.stored - item.duration,
        do=bool(held.bits & 1), cd=bool(held.bits & CD), denied=held.denied, resolves=item.resolves,
        wildcard=item.wildcard, cache=cache, records=tuple(_records(sections)),
        message=base64.b64encode(_message(held, item, sections)).decode(),
    )  # fmt: skip


def _records(sections: tuple[Section, ...]) -> Iterator[str]:
    for section in sections:
        for rrset in section:
            head = f"{to_text(rrset.owner)} {class_text(rrset.rclass)} {type_text(rrset.rtype)}"
            for rdata in rrset.rdatas:
                yield f"{head} {rdata_text(rrset.rtype, rdata)}"


def _message(held: Held, item: Item, sections: tuple[Section, ...]) -> bytes:
    flags = QR | (AD if item.flags & AUTHENTIC else 0) | (RA if item.flags & RECURSIVE else 0)
    flags |= (CD if held.bits & CD else 0) | (item.rcode & 15)
    question = held.name + held.qtype.to_bytes(2, "big") + held.qclass.to_bytes(2, "big")
    return _HEADER.pack(0, flags, 1, *item.template.counts) + question + b"".join(s.wire for s in sections)


def line(one: Entry) -> str:
    """Write an entry for people."""
    bits = "".join(f" +{bit}" for bit, on in (("do", one.do), ("cd", one.cd)) if on)
    ttl = str(one.ttl) if one.ttl > 0 else "stale"
    shown = "; ".join(text.removeprefix(f"{one.name} {one.rclass} ") for text in one.records)
    return f"{one.name}\t{ttl}\t{one.rclass}\t{one.rtype}{bits}\t{one.rcode}\t{shown}".rstrip()


def stored(one: Entry, namespace: bytes, now: float, elapsed_s: float) -> tuple[bytes, bytes] | None:
    """Return key and value of a dumped entry, None where it is over. `elapsed_s` is the age of the dump.

    Raises Unusable.
    """
    try:
        wire = base64.b64decode(one.message, validate=True)
        reply = read_message(wire)
        question = reply.question
        name, numbers = question[:-4].lower(), question[-4:]
        if from_text(one.name).lower() != name or len(numbers) != 4 or not 0 < one.lifetime <= 0xFFFFFFFF:
            raise Unusable
        blank = template(reply.answer, reply.authority, reply.additional)
    except (ValueError, Malformed):
        raise Unusable from None
    begun = now - one.age - elapsed_s
    if min(one.age, elapsed_s, one.stale) < 0 or begun + one.lifetime + one.stale <= now:
        return None
    flags = (
        (AUTHENTIC if reply.flags & AD else 0)
        | (RECURSIVE if reply.flags & RA else 0)
        | (RESOLVES if one.resolves else 0)
    )
    item = Item(begun, one.lifetime, flags, _rcode(one.rcode), blank, one.wildcard)
    bits = (1 if one.do else 0) | (CD if one.cd else 0)
    rest = tail(bytes((bits,)) + numbers + name)
    return namespace + (DENIAL if one.denied else SUCCESS) + rest, encode(item, one.stale)


def _rcode(text: str) -> int:
    for code, known in RCODE_TEXT.items():
        if known == text:
            return code
    number = text.removeprefix("RCODE")
    if not number.isdigit() or int(number) > 255:
        raise Unusable
    return int(number)
