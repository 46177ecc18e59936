"""What answers over encrypted transports have besides: padding, and how long an idle connection is kept.

1. Only a client that padded its query gets a padded answer (RFC 7830 §4), in blocks of 468 octets (RFC 8467 §4.1).
2. Only a client of DNS over TLS that asks how long it may stay idle is told (RFC 7828 §3.3.2); HTTP and QUIC have their
   own ways.
"""

from __future__ import annotations

from typing import Final

from .edns import Edns, options

KEEPALIVE: Final = 11
PADDING: Final = 12
BLOCK_BYTES: Final = 468
_FIXED: Final = 11  # octets of an OPT record before its options
_OPTION: Final = 4  # octets of an option before its value
_LENGTH: Final = 2  # octets of the message ID, which is put in front later
_MOST_TENTHS: Final = 65535


def private(opt: bytes, asked: Edns, idle_s: float | None) -> bytes:
    """Return an answer's OPT record without the client's padding, and with the idle time-out where it is asked for.

    `idle_s` is None where the transport has no use for the option; it is left as it is then.
    """
    if not opt:
        return opt
    kept = [(code, value) for code, value in options(opt[_FIXED:]) if code != PADDING]
    if idle_s is not None:
        kept = [(code, value) for code, value in kept if code != KEEPALIVE]
        if any(code == KEEPALIVE for code, _ in asked.options):
            kept.append((KEEPALIVE, min(round(idle_s * 10), _MOST_TENTHS).to_bytes(2, "big")))
    return _with(opt, b"".join(_option(code, value) for code, value in kept))


def padded(out: bytes, opt: bytes, limit: int) -> bytes:
    """Return a message (without its ID) filled up to whole blocks, or to the limit; its OPT record is the last one."""
    size = _LENGTH + len(out) + _OPTION
    if not opt or size > limit:
        return out
    filler = bytes(min(-size % BLOCK_BYTES, limit - size))
    return out[: len(out) - len(opt)] + _with(opt, opt[_FIXED:] + _option(PADDING, filler))


def _option(code: int, value: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _with(opt: bytes, data: bytes) -> bytes:
    return opt[: _FIXED - 2] + len(data).to_bytes(2, "big") + data
