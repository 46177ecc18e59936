"""Stand-ins for the process around the code under test."""

from __future__ import annotations

import struct
from typing import Any, cast

from shardns.worker.address import to_sockaddr
from shardns.worker.listener import Listener
from shardns.worker.query import Query, Request
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text


def listener(label: str = "dns://:53") -> Listener:
    """A plain DNS listener on the wildcard address."""
    return Listener(0, label, "dns", "", 53)


def request(via: str = "udp", ip: str = "10.240.0.1", port: int = 40212, at: Listener | None = None) -> Request:
    """A request from the reference's favourite test client."""
    return Request(at or listener(), to_sockaddr(ip, port), 2 if ":" in ip else 1, via, 0.0, 29)


def message(name: str, qtype: int = 1, *, flags: int = 0x0100, opt: Edns | None = None, ident: int = 0x1234) -> bytes:
    """A query's octets."""
    head = struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 1 if opt else 0)
    return head + from_text(name) + struct.pack("!HH", qtype, 1) + (opt.wire if opt else b"")


def query(name: str, qtype: int = 1, *, via: str = "udp", opt: Edns | None = None, flags: int = 0x0100) -> Query:
    """A query as the chain gets it."""
    from shardns.worker.wire.read import read

    found = read(message(name, qtype, flags=flags, opt=opt), request(via))
    return cast(Query, found)


class FakeSite:
    """What a plugin asks of its site, where a test does not need more."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)
