"""The OPT pseudo-record (RFC 6891) as a value, on queries and on replies."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .codes import OPT

DO = 0x8000  # RFC 3225, bit of the flags half of the OPT TTL
EDE = 15  # RFC 8914
_HEAD = struct.Struct("!BHHBBHH")


@dataclass(frozen=True, slots=True)
class Edns:
    """One OPT record: advertised UDP size (octets), version, extended rcode (high 8 bits), flags, options."""

    size: int = 1232
    version: int = 0
    rcode_high: int = 0
    flags: int = 0
    options: tuple[tuple[int, bytes], ...] = ()

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
_SIZES = {2: (4, 8), 9: (0, 4), 11: (0, 2), EDE: range(2, 65536), 1: range(18, 65536)}  # octets of UL, EXPIRE, …
_BITS = {0: 0, 1: 32, 2: 128}  # of an address, by family


def _is_subnet(value: bytes) -> bool:
    """Tell whether a client subnet is well formed: a known family, prefixes and address no longer than it has."""
    bits = _BITS.get(int.from_bytes(value[:2], "big")) if len(value) >= 4 else None
    return bits is not None and value[2] <= bits and value[3] <= bits and len(value) - 4 <= bits // 8


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
