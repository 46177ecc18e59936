"""The options of `acl`: rules, each with its policies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.codes import TYPE_CODE
from shardns.config.errors import Refuse, nearest
from shardns.config.golang import quote
from shardns.config.schema import Args, Draft, Rest, Schema
from shardns.config.tokens import Token
from shardns.config.values import ZONES, Words

ACTIONS = ("allow", "block", "filter", "drop")
SECTIONS = ("type", "net")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to queries of these types from these networks; None stands for all types, or all networks.

    A network is (family 1 or 2, first address, last address), addresses as numbers.
    """

    action: str
    types: frozenset[int] | None = None
    networks: tuple[tuple[int, int, int], ...] | None = None


def policy(words: Sequence[Token], draft: Draft) -> Policy:
    """Read `ACTION [type QTYPE...] [net SOURCE...]`; the sections may be repeated and come in any order."""
    action, *left = words
    if action.text.lower() not in ACTIONS:
        text = f"unexpected token {quote(action.text)}; expect 'allow', 'block', 'filter' or 'drop'"
        raise Refuse(text, True, action, hint=nearest(action.text.lower(), ACTIONS))
    types: list[int | None] = []
    networks: list[tuple[int, int, int] | None] = []
    while left:
        head, left = left[0], left[1:]
        if not _is_section(head):
            raise Refuse(f"unexpected token {quote(head.text)}; expect 'type | net'", True, head)
        size = next((i for i, word in enumerate(left) if _is_section(word)), len(left))
        own, left = left[:size], left[size:]
        if not own:
            raise Refuse(f"no token specified in {quote(head.text.lower())} section", True, head)
        if head.text.lower() == "type":
            types += _types(own)
        else:
            networks += _networks(own)
    return Policy(
        action.text.lower(),
        None if None in types or not types else frozenset(t for t in types if t is not None),
        None if None in networks or not networks else tuple(n for n in networks if n is not None),
    )


def _is_section(word: Token) -> bool:
    return word.text.lower() in SECTIONS


def _types(words: Sequence[Token]) -> list[int | None]:
    found: list[int | None] = []
    for word in words:
        if word.text == ANY:
            return [*found, None]
        code = TYPE_CODE.get(word.text)
        if code is None:
            text = f"unexpected token {quote(word.text)}; expect legal QTYPE"
            raise Refuse(text, True, word, hint=nearest(word.text.upper(), list(TYPE_CODE)))
        found.append(code)
    return found


def _networks(words: Sequence[Token]) -> list[tuple[int, int, int] | None]:
    found: list[tuple[int, int, int] | None] = []
    for word in words:
        if word.text == ANY:
            return [*found, None]
        text = word.text
        if "/" not in text:
            text += "/128" if ":" in text else "/32"
        try:
            found.append(network(text))
        except ValueError:
            hint = "expected an address or a network such as 192.0.2.0/24"
            raise Refuse(f"illegal CIDR notation {quote(text)}", True, word, hint=hint) from None
    return found


def network(text: str) -> tuple[int, int, int]:
    """Return the family, the first and the last address of a network. Raises ValueError."""
    address, _, bits = text.partition("/")
    if not (bits.isascii() and bits.isdecimal()) or "%" in address:
        raise ValueError(text)
    found = ipaddress.ip_address(address)
    spare = found.max_prefixlen - int(bits)
    if spare < 0:
        raise ValueError(text)
    first = int(found) >> spare << spare
    last = first | ((1 << spare) - 1)
    if found.version == 6 and spare <= 32 and first >> 32 == 0xFFFF:
        return 1, first & 0xFFFFFFFF, last & 0xFFFFFFFF  # an IPv4-mapped network is an IPv4 network
    return (1 if found.version == 4 else 2), first, last


class Options(Schema, repeat="each"):
    """Allows, blocks, empties or drops queries by the client's address and the type asked for."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones whose names the rule is about; those of the server block where none are named."

    policies: Annotated[
        tuple[Policy, ...], Rest(Words(policy, "allow|block|filter|drop [type QTYPE...] [net SOURCE...]"))
    ] = ()
    "What to do with queries of some types (mnemonics in capitals, `*` for all) from some clients (addresses or "
    "networks, `*` for all). The first policy that fits both decides; where none does, the next rule is looked at, and "
    "in the end the query is allowed. An allow ends the look at this rule and all that follow."
