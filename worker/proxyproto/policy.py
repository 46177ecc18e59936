"""Whose PROXY headers are believed: what the `proxyproto` lines of a listener's blocks come to."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Any, Final

from shardns.config.model import Listening, Model, listeners

from ..address import Address

NAMED_FAMILY: Final = 2  # clients named by a header on UDP count as IPv6 clients, as in the reference
_MAX_KNOWN: Final = 4096


class Verdict(Enum):
    """What becomes of a client's header."""

    USE = "use"  # its addresses count
    IGNORE = "ignore"  # it is taken off, the client's own address counts
    REJECT = "reject"  # the connection ends, the datagram is dropped; without one the client is served
    SKIP = "skip"  # nobody looks for one


class Policy:
    """`session_s` and `sessions`: how long, and for how many peers, a header of a datagram holds for those after it."""

    def __init__(self, options: Any) -> None:
        tracking = options.udp_session_tracking
        self.session_s: float = tracking.ttl_s if tracking else 0.0
        self.sessions: int = tracking.most if tracking else 0
        self._networks = [_network(text) for text in options.allow]
        self._outside = Verdict(options.default or ("ignore" if options.allow else "use"))
        self._known: dict[str, Verdict] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody's header is looked for."""
        return not self._networks and self._outside is Verdict.SKIP

    def verdict(self, peer: Address) -> Verdict:
        """Return what becomes of a peer's headers."""
        found = self._known.get(peer.ip)
        if found is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            found = self._known[peer.ip] = Verdict.USE if self._is_inside(peer) else self._outside
        return found

    def _is_inside(self, peer: Address) -> bool:
        number = int.from_bytes(peer.packed, "big")
        return any(peer.family == family and first <= number <= last for family, first, last in self._networks)


def policy(model: Model, index: int) -> Policy | None:
    """Return the policy of a listener, None where headers mean nothing to it.

    A block's line is about the address of its first key alone; of several blocks on an address the last one counts.
    """
    listening = listeners(model)[index]
    options = [found.options for number in listening.blocks if (found := _line(model, number, listening)) is not None]
    made = Policy(options[-1]) if options else None
    return None if made is None or made.is_idle else made


def _line(model: Model, number: int, listening: Listening) -> Any:
    block = model.blocks[number]
    first = block.keys[0]
    if (first.transport, first.port) != (listening.transport, listening.port):
        return None
    return block.directive("proxyproto")


def _network(text: str) -> tuple[int, int, int]:
    """Return family, first and last address of a network; an IPv4-mapped one is the IPv4 network that it means."""
    found = ipaddress.ip_network(text)
    first, last = int(found.network_address), int(found.broadcast_address)
    if found.version == 6 and first >> 32 == last >> 32 == 0xFFFF:
        return 1, first & 0xFFFFFFFF, last & 0xFFFFFFFF
    return (1 if found.version == 4 else 2), first, last
