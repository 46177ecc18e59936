"""Lines of a hosts(5) file: addresses and their names, in the order of the file."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from shardns.worker.wire.codes import AAAA, PTR, A
from shardns.worker.wire.names import from_text, labels, within

MAX_LINE_BYTES: Final = 64 << 10  # the reference stops reading where a line is longer
_MAPPED: Final = bytes(10) + b"\xff\xff"
_IN_ADDR: Final = b"\7in-addr\4arpa\0"
_IP6: Final = b"\3ip6\4arpa\0"
# Where the names of an address stand beside the names of the file: `#` begins a comment, so no host has this name.
_REVERSE: Final = b"\4#ptr\0"
_ASTERISK: Final = b"\1*"


class Record(NamedTuple):
    """One record: the name it stands under, its type and its data."""

    owner: bytes
    rtype: int
    rdata: bytes


def address(text: str) -> bytes | None:
    """Return the 4 or 16 octets of an address; None for what is none. A zone is cut off, mapped IPv4 is IPv4."""
    text = text.partition("%")[0]
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def records(lines: Iterable[bytes], zones: tuple[bytes, ...], reverse: bool) -> Iterator[Record]:
    """Yield the records of hosts lines for names in some zones; what does not fit is skipped."""
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            return
        words = line.partition(b"#")[0].split()
        if len(words) < 2:
            continue
        packed = address(words[0].decode("latin-1"))
        if packed is None:
            continue
        rtype = A if len(packed) == 4 else AAAA
        for word in words[1:]:
            try:
                name = from_text(word.decode("utf-8", "surrogateescape")).lower()
            except ValueError:
                continue
            if not any(within(name, zone) for zone in zones):
                continue
            yield Record(name, rtype, packed)
            if reverse and not name.startswith(_ASTERISK):
                yield Record(pointer_owner(packed), PTR, name)


def pointer_owner(packed: bytes) -> bytes:
    """Return the name under which the names of an address stand."""
    digits = packed.hex().encode()
    return bytes((len(digits),)) + digits + _REVERSE


def reversed_address(name: bytes) -> bytes | None:
    """Return the address of a name below in-addr.arpa or ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5), else None."""
    if within(name, _IN_ADDR):
        parts = list(labels(name))[:-2]
        return address(".".join(part.decode("latin-1") for part in reversed(parts)))
    if within(name, _IP6):
        parts = list(labels(name))[:-2]
        if len(parts) == 32 and all(len(part) == 1 for part in parts):
            digits = b"".join(reversed(parts)).decode("latin-1")
            return address(":".join(digits[at : at + 4] for at in range(0, 32, 4)))
    return None


def wildcard_of(name: bytes) -> bytes | None:
    """Return the wildcard that may stand for a name: its first label replaced; None for names of one label."""
    rest = name[1 + name[0] :]
    return _ASTERISK + rest if len(rest) > 1 else None
