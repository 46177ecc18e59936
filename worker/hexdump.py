"""Dumps of DNS messages at debug level, as `text2pcap -i 17 -u 53,53` reads them."""

from __future__ import annotations

from . import log

_PREFIX = "debug: "


def hexdump(wire: bytes) -> str:
    """Return 16 octets a line after a six-digit offset, and a last line with the length; all in hex."""
    rows = [f"{_PREFIX}{at:06x} {wire[at : at + 16].hex(' ')}" for at in range(0, len(wire), 16)]
    return "\n".join([*rows, f"{_PREFIX}{len(wire):06x}"])


def dump(text: str, wire: bytes) -> None:
    """Log a text and a message at debug level; nothing while debug is off, or for an empty message."""
    if log.debugging and wire:
        log.debug(f"{text}\n{hexdump(wire)}")
