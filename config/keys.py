"""Keys of server blocks: transports, zones, ports, and who may share an address (spec core §2.6).

1. Key texts are judged before any directive is set up; addresses are compared after all of them.
2. A network key becomes reverse zones; the first is the block's first key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from . import zones
from .draft import Draft
from .errors import Problem
from .model import Key
from .names import labels, to_text
from .tokens import Token

PREFIX = "error inspecting server blocks: "
MAX_PORT = 65535


def inspect(key: Token, port: int) -> list[Key]:
    """Return the keys that a key text stands for; ValueError carries the reference's text."""
    transport, text = zones.split_transport(key.text)
    try:
        found, own_port = zones.split_port(text)
        for zone in found:
            zones.split_port(zone if zone.endswith(".") else f"{zone}.")  # the absolute name must fit, too
        if own_port is None:
            own_port = port if transport == "dns" else zones.TRANSPORTS[transport]
        return [Key(transport, zones.name(zone), own_port) for zone in found]
    except ValueError as error:
        raise ValueError(f"{PREFIX}{error}") from None


class Address(NamedTuple):
    """A key on one listen host."""

    key: Key
    host: str

    def __str__(self) -> str:
        return f"{self.key} on {self.host}" if self.host else str(self.key)


def clashes(drafts: Iterable[Draft]) -> list[Problem]:
    """Return what is wrong with the addresses of all blocks together: ports, views, the same zone twice."""
    drafts = list(drafts)
    found = [_problem(draft, f"address {key.port}: invalid port") for draft, key in _bad_ports(drafts)]
    for draft in drafts:
        if len(draft.filters) > 1:
            found.append(_problem(draft, "multiple views defined in server block"))
    return found + _overlaps(drafts)


def _bad_ports(drafts: Sequence[Draft]) -> list[tuple[Draft, Key]]:
    return [(draft, key) for draft in drafts for key in draft.keys if draft.hosts and not 0 <= key.port <= MAX_PORT]


def _overlaps(drafts: Sequence[Draft]) -> list[Problem]:
    """Compare every address with those before it; blocks with a view are compared and never registered."""
    taken: set[Address] = set()
    unbound: dict[Key, Address] = {}
    found: list[Problem] = []
    for draft in drafts:
        for address in (Address(key, host) for key in draft.keys for host in draft.hosts):
            already = address in taken
            other = None if already else _overlap(address, taken, unbound)
            if already and not draft.filters:
                found.append(_problem(draft, f"cannot serve {address} - it is already defined", _HINT))
            elif other is not None:
                text = f"cannot serve {address} - zone overlap listener capacity with {other}"
                found.append(_problem(draft, text, "bind both blocks, or neither"))
            elif not draft.filters:
                taken.add(address)
                unbound[address.key] = address
    return found


_HINT = "a block with a view, another zone, port or bind address may stand beside it"


def _overlap(address: Address, taken: set[Address], unbound: dict[Key, Address]) -> Address | None:
    """Return the block that the address overlaps: one of the two is bound, the other is not."""
    already = unbound.get(address.key)
    if already is None:
        return None
    if not address.host:
        return already
    bare = Address(address.key, "")
    return bare if bare in taken else None


def _problem(draft: Draft, text: str, hint: str = "") -> Problem:
    return draft.problem(text, draft.place, hint)


def odd_names(keys: Iterable[Key]) -> list[bytes]:
    """Return the zones that do not follow RFC 1035's preferred syntax, reverse zones left out (core §1.3)."""
    return [zone for zone in sorted({key.zone for key in keys}, key=to_text) if not preferred(zone)]


def preferred(zone: bytes) -> bool:
    """Tell whether every label starts with a letter and holds letters, digits and hyphens (RFC 1035 §2.3.1)."""
    if zone.endswith((b"\x07in-addr\x04arpa\x00", b"\x03ip6\x04arpa\x00")):
        return True
    return all(_preferred_label(label) for label in labels(zone))


def _preferred_label(label: bytes) -> bool:
    inner = label.replace(b"-", b"")
    return label[:1].isalpha() and label[-1:].isalnum() and inner.isalnum()
