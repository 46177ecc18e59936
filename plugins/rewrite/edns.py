"""Words of an `edns0` rule to the rule. Every complaint is a ValueError with the reference's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from shardns.config import golang

from .rules import NSID, SUBNET, EdnsRule, LocalRule, NsidRule, SubnetRule, VariableRule

ACTIONS: Final = ("set", "append", "replace", "unset")
VARIABLES: Final = ("qname", "qtype", "client_ip", "client_port", "protocol", "server_ip", "server_port")
_LABEL: Final = re.compile(r"[^/]+/.+", re.DOTALL)
_BASES: Final = {"0x": 16, "0o": 8, "0b": 2}
_DIGITS: Final = {2: "01", 8: "01234567", 10: "0123456789", 16: "0123456789abcdef"}


def edns_rule(again: bool, words: Sequence[str]) -> EdnsRule:
    """Read `local|nsid|subnet set|append|replace|unset [ARGS...] [revert]`."""
    if len(words) < 2:
        raise ValueError("too few arguments for an EDNS0 rule")
    kind, action = words[0].lower(), words[1].lower()
    if action not in ACTIONS:
        raise ValueError(f"invalid action: {golang.quote(action)}")
    if action == "unset":
        return _unset(again, kind, words[2:])
    revert = words[-1] == "revert"
    left = words[2:-1] if revert else words[2:]
    match kind:
        case "local":
            if len(left) != 2:
                raise ValueError("EDNS0 local rules require three or four args")
            return _local(again, action, left[0], left[1], revert)
        case "nsid":
            if left:
                raise ValueError("EDNS0 NSID rules can accept no more than one arg")
            return NsidRule(again, action, NSID, revert)
        case "subnet":
            if len(left) != 2:
                raise ValueError("EDNS0 subnet rules require three or four args")
            v4, v6 = _bits(left[0], 32, "IPv4"), _bits(left[1], 128, "IPv6")
            return SubnetRule(again, action, SUBNET, revert, v4, v6)
    raise ValueError(f"invalid rule type {golang.quote(kind)}")


def _unset(again: bool, kind: str, left: Sequence[str]) -> EdnsRule:
    match kind:
        case "local":
            if len(left) != 1:
                raise ValueError("local unset action requires exactly two arguments")
            return LocalRule(again, "unset", unsigned(left[0]))
        case "nsid" | "subnet":
            if left:
                raise ValueError(f"{kind} unset action requires exactly one argument")
            return NsidRule(again, "unset", NSID if kind == "nsid" else SUBNET)
    raise ValueError(f"invalid rule type {golang.quote(kind)}")


def _local(again: bool, action: str, code: str, text: str, revert: bool) -> EdnsRule:
    number = unsigned(code)
    if text.startswith("{") and text.endswith("}"):
        variable = text[1:-1]
        if variable not in VARIABLES and not _LABEL.fullmatch(variable):
            raise ValueError(f"unsupported variable name {golang.quote(text)}")
        return VariableRule(again, action, number, revert, b"", variable)
    octets = hexadecimal(text[2:]) if text.startswith("0x") else text.encode(errors="surrogateescape")
    return LocalRule(again, action, number, revert, octets)


def _bits(word: str, most: int, family: str) -> int:
    bits = unsigned(word)
    if bits > most:
        raise ValueError(f"invalid {family} bit mask length {bits}")
    return bits


def unsigned(word: str) -> int:
    """Read a 16-bit number as Go does with base 0: decimal, 0x, 0o, 0b, a leading 0 for octal, and `_` in between."""
    text = word.lower()
    base, digits = _BASES.get(text[:2], 10), text
    if base != 10:
        digits = text[2:]
    elif len(text) > 1 and text.startswith("0"):
        base, digits = 8, text[1:]
    if text != digits and digits.startswith("_"):
        digits = digits[1:]
    bare = digits.replace("_", "")
    legal = bare and set(bare) <= set(_DIGITS[base]) and "__" not in digits and not digits.endswith("_")
    if not legal or digits.startswith("_") or ("_" in digits and text == digits):
        raise ValueError(f"strconv.ParseUint: parsing {golang.quote(word)}: invalid syntax")
    number = int(bare, base)
    if number > 0xFFFF:
        raise ValueError(f"strconv.ParseUint: parsing {golang.quote(word)}: value out of range")
    return number


def hexadecimal(text: str) -> bytes:
    """Read pairs of hexadecimal digits."""
    for char in text:
        if char not in "0123456789abcdefABCDEF":
            shown = f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")
            raise ValueError(f"encoding/hex: invalid byte: {shown}")
    if len(text) % 2:
        raise ValueError("encoding/hex: odd length hex string")
    return bytes.fromhex(text)
