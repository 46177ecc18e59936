"""The OPT pseudo-record (RFC 6891) as a value, on queries and on replies."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from .codes import OPT

DO = 0x8000  # RFC 3225, bit of the flags half of the OPT TTL
EDE = 15  # RFC 8914
_HEAD = struct.Struct("!BHHBBHH")


@dataclass(frozen=True, slots=True)
class Edns:
    """One OPT record: advertised UDP size (octets), version, extended rcode (high 8 bits), flags, options.

    `echo` is for the writer: what goes back to a client that sent this one.
    """

    size: int = 1232
    version: int = 0
    rcode_high: int = 0
    flags: int = 0
    options: tuple[tuple[int, bytes], ...] = ()
    echo: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def do(self) -> bool:
        """Whether DNSSEC records are wanted (RFC 3225)."""
        return bool(self.flags & DO)

    @property
    def wire(self) -> bytes:
        """The record as it stands in the additional section."""
        data = b"".join([code.to_bytes(2, "big") + len(v).to_bytes(2, "big") + v for code, v in self.options])
        return _HEAD.pack(0, OPT, self.size, self.rcode_high, self.version, self.flags, len(data)) + data


_SUBNET = 8  # RFC 7871
_EXPIRE = 9  # RFC 7314
_KEEPALIVE = 11  # RFC 7828
# Octets that the reference insists on, by option; code 1 is LLQ, 2 UL. What follows a whole EXPIRE is let through.
_SIZES = {
    1: range(18, 65536), 2: (4, 8), _EXPIRE: (0, *range(4, 65536)), _KEEPALIVE: (0, 2), EDE: range(2, 65536),
}  # fmt: skip
_BITS = {1: 32, 2: 128}  # of an address, by family


def _is_subnet(value: bytes) -> bool:
    """Tell whether a client subnet is well formed: prefixes no longer than an address of its family, if it has one."""
    if len(value) < 4:
        return False
    family = int.from_bytes(value[:2], "big")
    if family == 0:
        return value[2] == 0  # as dig sends it for `+subnet=0`
    bits = _BITS.get(family)
    return bits is not None and value[2] <= bits and value[3] <= bits


def echoed(code: int, value: bytes) -> bytes:
    """Return the value of an option as the reference sends it back: without what it does not keep."""
    if code == _EXPIRE:
        return value[:4]
    return value if code != _KEEPALIVE or value != b"\0\0" else b""


def options(rdata: bytes) -> tuple[tuple[int, bytes], ...]:
    """Split OPT rdata into (code, value) pairs.

    Raises ValueError where a length runs over the end, or where the value of an option that the reference reads is
    malformed (its sender is told FORMERR, RFC 7871 §7.1.2).
    """
    found = []
    at = 0
    while at < len(rdata):
        if at + 4 > len(rdata):
            raise ValueError("an EDNS option is cut off")
        code = int.from_bytes(rdata[at : at + 2], "big")
        end = at + 4 + int.from_bytes(rdata[at + 2 : at + 4], "big")
        if end > len(rdata):
            raise ValueError("an EDNS option is cut off")
        value = rdata[at + 4 : end]
        if (code in _SIZES and len(value) not in _SIZES[code]) or (code == _SUBNET and not _is_subnet(value)):
            raise ValueError("an EDNS option is malformed")
        found.append((code, value))
        at = end
    return tuple(found)
