"""The rules: what each kind changes in a query, and which actions it leaves for the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from shardns.worker.wire.names import to_text

from .state import Action, Option, Owners, Rcodes, State, Targets, Ttls, Values
from .texts import Match, Remap, Suffix

NSID: Final = 3
SUBNET: Final = 8
# Options that the reference knows by name: a rule for local options never finds one of these in a query.
KNOWN: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 18, 19})
SETTLED: Final = frozenset({"qtype", "protocol", "server_port"})  # variables that the memo's key decides


@dataclass(frozen=True, slots=True)
class Rule(ABC):
    """`again`: go on with the next rule after this one has matched."""

    again: bool

    @abstractmethod
    def apply(self, state: State) -> bool:
        """Change the query if it matches; tell whether it does."""


@dataclass(frozen=True, slots=True)
class NameRule(Rule):
    """Another name. `auto` undoes it in the answer, `answers` are further changes of the answer."""

    match: Match
    to: str
    auto: bool = False
    answers: tuple[Action, ...] = ()

    def apply(self, state: State) -> bool:
        """Change the name."""
        old = state.name
        new = self.match.replaced(old, self.to)
        if new is None:
            return False
        state.name = new
        if self.auto:
            back = Suffix(self.to, self.match.text) if self.match.kind == "suffix" else Remap(new, old)
            state.actions += (Owners(back), Values(back))
        state.actions += self.answers
        return True


@dataclass(frozen=True, slots=True)
class TypeRule(Rule):
    """Another type."""

    old: int
    new: int

    def apply(self, state: State) -> bool:
        """Change the type."""
        if state.qtype != self.old:
            return False
        state.qtype = self.new
        return True


@dataclass(frozen=True, slots=True)
class ClassRule(Rule):
    """Another class."""

    old: int
    new: int

    def apply(self, state: State) -> bool:
        """Change the class."""
        if state.qclass != self.old:
            return False
        state.qclass = self.new
        return True


@dataclass(frozen=True, slots=True)
class ReplyRule(Rule):
    """Leaves an action for the answers to some names."""

    match: Match
    action: Ttls | Rcodes

    def apply(self, state: State) -> bool:
        """Note the action."""
        if not self.match.fits(state.name):
            return False
        state.actions.append(self.action)
        return True


@dataclass(frozen=True, slots=True)
class CnameRule(Rule):
    """Another target of CNAME records: matches every query, unless one of its words is empty."""

    match: Match
    to: str

    def apply(self, state: State) -> bool:
        """Note the action."""
        if not self.match.text or not self.to:
            return False
        state.actions.append(Targets(self.target))
        return True

    def target(self, name: str) -> str | None:
        """Return the new target."""
        return self.match.replaced(name, self.to)


@dataclass(frozen=True, slots=True)
class EdnsRule(Rule):
    """Sets, appends, replaces or removes an EDNS option."""

    action: str
    code: int
    revert: bool = False

    def value(self, state: State) -> bytes | None:
        """Return what goes into the option; None makes the rule do nothing at all."""
        return b""

    def apply(self, state: State) -> bool:
        """Change the OPT record."""
        value = self.value(state)
        if value is None:
            return False
        options = state.opt().options
        if self.action == "unset":
            state.set_options(tuple(option for option in options if option[0] != self.code))
            return True
        at = self.find(options)
        if at is not None and self.action in ("set", "replace"):
            self.note(state, Option(self.code, options[at][1]))
            state.set_options((*options[:at], (self.code, value), *options[at + 1 :]))
            return True
        if self.action == "replace" or (at is not None and not self.doubles()):
            return False
        self.note(state, Option(self.code, None))
        state.set_options((*options, (self.code, value)))
        return True

    def find(self, options: tuple[tuple[int, bytes], ...]) -> int | None:
        """Return where the option stands."""
        return next((at for at, (code, _) in enumerate(options) if code == self.code), None)

    def doubles(self) -> bool:
        """Tell whether `append` adds a second option."""
        return True

    def note(self, state: State, undo: Option) -> None:
        """Have the change undone in the answer where that is asked for."""
        if self.revert:
            state.actions.append(undo)


@dataclass(frozen=True, slots=True)
class LocalRule(EdnsRule):
    """An option with fixed octets."""

    octets: bytes = b""

    def value(self, state: State) -> bytes | None:
        """Return the octets."""
        return self.octets

    def find(self, options: tuple[tuple[int, bytes], ...]) -> int | None:
        """Return where the option stands, if it is a local one."""
        return None if self.code in KNOWN else EdnsRule.find(self, options)


@dataclass(frozen=True, slots=True)
class VariableRule(LocalRule):
    """An option with something that is known about the query, or a metadata label."""

    variable: str = ""

    def value(self, state: State) -> bytes | None:
        """Return the variable's octets, None where it has no value."""
        query = state.query
        if self.variable not in SETTLED:
            query.once()
        request = query.request
        match self.variable:
            case "qname":
                return (to_text(query.owner) if state.name == query.name_text else state.name).encode()
            case "qtype":
                return state.qtype.to_bytes(2, "big")
            case "client_ip":
                return request.peer.packed
            case "server_ip":
                # In the client's family: the wildcard that a UDP socket is bound to is no IPv4 address.
                if request.peer.family == 1:
                    return request.local.packed if request.local.family == 1 else None
                return request.local.packed_v6
            case "client_port":
                return request.peer.port.to_bytes(2, "big")
            case "server_port":
                return request.local.port.to_bytes(2, "big")
            case "protocol":
                return request.via.encode()
        return (query.metadata(self.variable) or "").encode(errors="surrogateescape") or None

    def doubles(self) -> bool:
        """`append` leaves an option alone that is there."""
        return False


@dataclass(frozen=True, slots=True)
class NsidRule(EdnsRule):
    """An empty NSID option."""


@dataclass(frozen=True, slots=True)
class SubnetRule(EdnsRule):
    """A client-subnet option (RFC 7871) made of the client's address."""

    v4_bits: int = 0
    v6_bits: int = 0

    def value(self, state: State) -> bytes | None:
        """Return the option for the client's network."""
        if self.action == "unset":
            return b""
        state.query.once()
        packed = state.query.request.peer.packed
        family, bits = (1, self.v4_bits) if len(packed) == 4 else (2, self.v6_bits)
        size = len(packed) * 8
        network = int.from_bytes(packed, "big") >> (size - bits) << (size - bits)
        # RFC 7871 §6: only as many octets as the length needs.
        return family.to_bytes(2, "big") + bytes((bits, 0)) + network.to_bytes(len(packed), "big")[: (bits + 7) // 8]

    def doubles(self) -> bool:
        """`append` leaves an option alone that is there."""
        return False
