"""PROXY headers on datagrams: who a datagram is from, and what it says behind the header.

1. Only version 2 headers about datagrams are taken; any other drops its datagram with a warning, and nothing more.
2. Answers go to whom the datagram came from, the proxy, whoever the client is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from .. import log
from ..address import from_sockaddr, to_sockaddr
from .header import SIGNATURE_1, SIGNATURE_2, Header, Malformed, on_datagram
from .policy import Policy, Verdict

_FIRST: Final = (SIGNATURE_1[0], SIGNATURE_2[0])


class Sessions:
    """Which client was named last by each peer's address and port, for `ttl_s` behind the last use."""

    def __init__(self, ttl_s: float, most: int) -> None:
        self.ttl_s = ttl_s
        self.most = most
        self._clients: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()  # the one used longest ago first

    def store(self, peer: bytes, client: bytes, now: float) -> None:
        """Note a peer's client; where there are too many the one used longest ago goes."""
        self._clients[peer] = (client, now + self.ttl_s)
        self._clients.move_to_end(peer)
        if len(self._clients) > self.most:
            self._clients.popitem(last=False)

    def find(self, peer: bytes, now: float) -> bytes | None:
        """Return a peer's client, whose time begins anew."""
        found = self._clients.get(peer)
        if found is None:
            return None
        client, until = found
        if until <= now:
            del self._clients[peer]
            return None
        self.store(peer, client, now)
        return client

    def __len__(self) -> int:
        return len(self._clients)


class Datagrams:
    """Opens the datagrams of one socket. Kernel addresses, monotonic seconds."""

    def __init__(self, policy: Policy, *, tracks: bool) -> None:
        self._policy = policy
        self.sessions = Sessions(policy.session_s, policy.sessions) if tracks and policy.session_s > 0 else None

    def open(self, data: bytes, sender: bytes, now: float) -> tuple[bytes, bytes | None] | None:
        """Return what is behind the header, and its client where that is not the sender; None where it ends here."""
        peer = from_sockaddr(sender)
        verdict = self._policy.verdict(peer)
        if verdict is Verdict.SKIP:
            return data, None
        header: Header | None = None
        if data and data[0] in _FIRST:
            try:
                header = on_datagram(data)
                if header is not None and verdict is Verdict.REJECT:
                    raise Malformed("connection rejected by Proxy Protocol connection policy")
            except Malformed as error:
                log.warning(f"dropping invalid Proxy Protocol packet from {peer}: {error}")
                return None
        if verdict is not Verdict.USE:
            return (data, None) if header is None else (data[header.size :], None)
        return self._use(data, header, sender, now)

    def _use(self, data: bytes, header: Header | None, sender: bytes, now: float) -> tuple[bytes, bytes | None] | None:
        sessions = self.sessions
        if header is None:
            return data, (sessions.find(sender, now) if sessions is not None else None)
        client = to_sockaddr(*header.source) if header.source is not None else None
        if sessions is not None:
            if client is not None:
                sessions.store(sender, client, now)
            if len(data) == header.size:
                return None
        return data[header.size :], client
