"""The socket table: every listening socket of the server, owned by the master and lent to generations.

1. A group is one kernel address with one socket for each slot (or more, where `multisocket` asks for more sockets than
   there are slots); a socket's place in the list is its index in the kernel's group.
2. A generation says how many sockets it wants of which group. A group keeps the most that any registered generation
   wants and is closed, from the highest index down, when nobody wants it.
3. A socket that systemd handed over without SO_REUSEPORT is the only one of its group, shared by all slots.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from shardns.config.model import Model, listeners
from shardns.worker import log
from shardns.worker.channel import Lent
from shardns.worker.proxyproto.policy import policy

from .steer import By, admit
from .where import BACKLOG, RECEIVE_BYTES, ListenError, Where, bind, create, enlarge, places, reason

QUIC = ("quic", "https3")  # schemes
PATIENCE_S = 1.0  # for a port that is taken at the first start


@dataclass(slots=True)
class Group:
    """The sockets of one address. The first `opened` are bound (and listening)."""

    where: Where
    sockets: list[socket.socket] = field(default_factory=list)
    opened: int = 0
    admitted: tuple[int, By] = 0, "flow"
    shared: bool = False

    def grow(self, count: int) -> None:
        """Make sockets, unbound, until there are so many. Raises ListenError."""
        while not self.shared and len(self.sockets) < count:
            try:
                self.sockets.append(create(self.where))
            except OSError as error:
                raise ListenError(self.where, error) from None

    def open(self) -> int:
        """Bind and listen on those that are not yet; returns the smallest receive buffer granted. Raises OSError."""
        granted = RECEIVE_BYTES
        for sock in self.sockets[self.opened :]:
            port = self.where.port or (self.sockets[0].getsockname()[1] if self.opened else 0)
            if self.where.kind == "udp":
                granted = min(granted, enlarge(sock))
            bind(sock, self.where, port)
            if self.where.kind == "tcp":
                sock.listen(BACKLOG)
            self.opened += 1
        return granted

    def admit(self, count: int, by: By) -> None:
        """Let the first `count` sockets have the traffic, spread by what the transport and the configuration want."""
        if not self.shared and self.opened and (count, by) != self.admitted:
            admit(self.sockets[0], count, by)
            self.admitted = count, by

    def shrink(self, count: int) -> None:
        """Close the last ones, one by one."""
        while not self.shared and len(self.sockets) > count:
            self.sockets.pop().close()
            self.opened = min(self.opened, len(self.sockets))

    def close(self) -> None:
        """Close all."""
        self.shared = False
        self.shrink(0)


@dataclass(slots=True)
class Wants:
    """What one generation listens on."""

    slots: int
    listeners: list[tuple[list[Where], int]]  # addresses and number of sockets, in the model's order
    endpoints: list[Where | None]
    by_name: frozenset[Where] = frozenset()
    proxied: frozenset[Where] = frozenset()  # datagrams may begin with a PROXY header

    def counts(self) -> dict[Where, int]:
        """Return how many sockets of which address."""
        return {where: count for listener, count in self.listeners for where in listener}


class Table:
    """All groups and endpoints. `reuse` lets other servers share the addresses: then nothing is proved or steered."""

    def __init__(self, *, reuse: bool = False) -> None:
        self.reuse = reuse
        self.groups: dict[Where, Group] = {}
        self.endpoints: dict[Where, Group] = {}
        self._wants: dict[int, Wants] = {}
        self._warned = False

    def adopt(self, groups: list[Group]) -> None:
        """Take over sockets that were opened for us."""
        self.groups.update({group.where: group for group in groups})

    # Prepare ----------------------------------------------------------------------------------------------------------

    def prepare(self, number: int, model: Model, slots: int, endpoints: list[Where | None]) -> None:
        """Prove the addresses that are new and make the sockets of a generation. Raises ListenError."""
        all_of = listeners(model)
        wanted = [(places(one, all_of), _count(one.sockets, slots)) for one in all_of]
        named = frozenset(where for one in all_of if one.by_name for where in places(one, all_of))
        proxied = frozenset(where for i, one in enumerate(all_of) if policy(model, i) for where in places(one, all_of))
        self._wants[number] = wants = Wants(slots, wanted, endpoints, named, proxied)
        for where, count in wants.counts().items():
            if where not in self.groups:
                self._prove(where)
                self.groups[where] = Group(where)
            self.groups[where].grow(count)
        for where in {one for one in endpoints if one is not None} - set(self.endpoints):
            self.endpoints[where] = Group(where)
            self.endpoints[where].grow(1)

    def _prove(self, where: Where) -> None:
        taken = any(group.where.port == where.port and group.opened for group in self.groups.values())
        if taken or self.reuse or not where.port:
            return
        # Nothing is served at the first start: a client socket that has the port by chance may be waited for.
        serving = any(group.opened for group in self.groups.values())
        deadline = time.monotonic() + (0.0 if serving else PATIENCE_S)
        while True:
            try:
                with create(where, share=False) as sock:
                    bind(sock, where, where.port)
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                    raise ListenError(where, error) from None
            time.sleep(PATIENCE_S / 20)

    def lend(self, number: int, slot: int) -> list[Lent]:
        """Return the DNS sockets of a slot."""
        wants = self._wants[number]
        lent = []
        for index, (where, count) in enumerate(wants.listeners):
            one = Lent(index)
            for group in (self.groups[place] for place in where):
                picked = group.sockets if group.shared else group.sockets[slot : count : wants.slots]
                (one.udp if group.where.kind == "udp" else one.tcp).extend(picked)
            lent.append(one)
        return lent

    def lend_endpoints(self, number: int) -> list[Lent]:
        """Return the HTTP sockets; an endpoint that could not be opened has none."""
        return [
            Lent(index, tcp=list(self.endpoints[where].sockets) if where in self.endpoints else [])
            for index, where in enumerate(self._wants[number].endpoints)
        ]

    # Commit -----------------------------------------------------------------------------------------------------------

    def open(self, number: int) -> None:
        """Bind and listen on what is new. Raises ListenError; then `discard` must follow."""
        granted = RECEIVE_BYTES
        for where in self._wants[number].counts():
            try:
                granted = min(granted, self.groups[where].open())
            except OSError as error:
                raise ListenError(where, error) from None
        if granted < RECEIVE_BYTES and not self._warned:
            self._warned = True
            log.warning(
                "receive buffers are small, bursts may be lost: raise the sysctl net.core.rmem_max",
                granted=granted,
                wanted=RECEIVE_BYTES,
            )

    def open_endpoints(self, number: int) -> dict[Where, str]:
        """Listen on new endpoints; returns the error texts of those that could not be opened."""
        errors = {}
        for where in {where for where in self._wants[number].endpoints if where is not None}:
            try:
                self.endpoints[where].open()
            except OSError as error:
                errors[where] = f"listen tcp {where.text}: bind: {reason(error)}"
        return errors

    def admit(self, number: int) -> None:
        """Spread traffic over exactly this generation's sockets."""
        if self.reuse:
            return
        wants = self._wants[number]
        for where, count in wants.counts().items():
            by = "flow" if where in wants.proxied else by_what(where, where in wants.by_name)
            try:
                self.groups[where].admit(count, by)
            except OSError as error:
                if by == "name" and self._admitted_by_flow(where, count, error):
                    continue
                log.warning("cannot steer packets, the kernel spreads them by itself", address=where.text, why=error)

    def _admitted_by_flow(self, where: Where, count: int, why: OSError) -> bool:
        """Spread clients where the longer program for names is refused, as net.core.optmem_max may have it."""
        try:
            self.groups[where].admit(count, "flow")
        except OSError:
            return False
        log.warning("cannot steer by name, clients are spread over the workers", address=where.text, why=why)
        return True

    # Afterwards -------------------------------------------------------------------------------------------------------

    def unlisten(self, number: int) -> None:
        """Close the addresses that this generation does not have, though older ones still drain."""
        wants = self._wants[number]
        for older in self._older(number):
            older.listeners = [(where, count) for where, count in older.listeners if set(where) & set(wants.counts())]
            older.endpoints = [where for where in older.endpoints if where in wants.endpoints]
        self._settle()

    def trim(self, number: int) -> None:
        """Forget all older generations and close what only they had."""
        self._wants = {known: wants for known, wants in self._wants.items() if known >= number}
        self._settle()

    def discard(self, number: int) -> None:
        """Forget a refused generation and close what only it had."""
        self._wants.pop(number, None)
        self._settle()

    def close(self) -> None:
        """Close everything."""
        self._wants.clear()
        self._settle()

    def descriptors(self) -> set[int]:
        """Return the descriptors of all sockets."""
        groups = (*self.groups.values(), *self.endpoints.values())
        return {sock.fileno() for group in groups for sock in group.sockets}

    def _older(self, number: int) -> Iterator[Wants]:
        return (wants for known, wants in self._wants.items() if known < number)

    def _settle(self) -> None:
        most: dict[Where, int] = {}
        for wants in self._wants.values():
            for where, count in wants.counts().items():
                most[where] = max(count, most.get(where, 0))
        for where in [where for where in self.groups if where not in most]:
            self.groups.pop(where).close()
        for where, count in most.items():
            self.groups[where].shrink(count)
        kept = {where for wants in self._wants.values() for where in wants.endpoints}
        for where in [where for where in self.endpoints if where not in kept]:
            self.endpoints.pop(where).close()


def by_what(where: Where, by_name: bool) -> By:
    """Return what tells the sockets of an address apart. Only a datagram of plain DNS shows its name."""
    if where.scheme in QUIC:
        return "connection"
    return "name" if by_name and where.kind == "udp" and where.scheme == "dns" else "flow"


def _count(asked: int, slots: int) -> int:
    """Return the number of sockets: at least `asked`, as many for each slot."""
    return slots * max(1, -(-asked // slots))
