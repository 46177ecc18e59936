"""Listeners as a worker sees them: one (transport, host, port), its zones, and what its sites have in common.

A zone's entries keep the order of the file (views); choosing among them is the mux's work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .address import Address
from .wire.names import ROOT

if TYPE_CHECKING:
    from .burst import Burst, Overflow
    from .shared import SharedSum
    from .site import Site


class Listener:
    """`label` is the `server` label of metrics (`dns://:53`); `local` the bound address.

    `zones` maps a zone (wire name) to the sites that serve it, in file order; `only_root` says that it is the root
    alone, as resolvers have it. `any_class` lets classes other than IN in (chaos, forward); `debug` lets a panic end
    the process; `encrypted` says that nobody reads along. `overflow` makes what takes the answers that a UDP socket
    does not take. `connections` counts those of all workers where the transport has connections over UDP or HTTP.
    """

    def __init__(self, index: int, label: str, transport: str, host: str, port: int) -> None:
        self.index = index
        self.label = label
        self.transport = transport
        self.host = host
        self.port = port
        self.local = Address(host or "::", port)
        self.zones: dict[bytes, list[Site]] = {}
        self.any_class = False
        self.debug = False
        self.stacktrace = False
        self.read_s = 3.0
        self.write_s = 5.0
        self.idle_s = 10.0
        self.encrypted = False
        self.max_tcp_queries = -1
        self.filtered = False
        self.only_root = False
        self.connections: SharedSum
        self.overflow: Callable[[Burst], Overflow] | None = None

    def add(self, zone: bytes, site: Site) -> None:
        """Register one zone of a site."""
        self.zones.setdefault(zone, []).append(site)
        self.only_root = self.zones.keys() == {ROOT}
        self.any_class = self.any_class or site.opens_classes
        self.filtered = self.filtered or bool(site.gates) or site.collects_metadata
