"""What expressions see of a query: the values behind `config.expression.queries.QUERY`.

A value is worked out when the expression asks for it. Which functions an expression names decides whether its result
may be remembered for other queries (DESIGN §4).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Final

from shardns.config.expression import ExpressionError, Program

from .query import Query
from .wire.codes import class_text

CLIENT: Final = "client_ip"
VARYING: Final = frozenset({CLIENT, "port", "id", "server_ip", "metadata", "now", "$env"})
"""Functions whose value is not settled by the octets of a query (its ID apart), its transport and its family."""

_NAMES: Final = re.compile(r"\$env|[A-Za-z_]\w*")


class Environment(dict[str, Any]):
    """The names of an expression, for one query."""

    def __init__(self, query: Query) -> None:
        super().__init__()
        self.query = query

    def __missing__(self, name: str) -> Any:
        value = self[name] = _VALUES[name](self.query)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, for `$env[...]`."""
        return self[key] if key in _VALUES else default


def names(program: Program) -> frozenset[str]:
    """Return which of the functions an expression may call, going by the words in it."""
    return frozenset(_NAMES.findall(program.source)) & (VARYING | _VALUES.keys())


def frozen(query: Query, used: frozenset[str]) -> dict[str, Any]:
    """Return the named functions with the values that they have for a query, without holding on to the query."""
    live = Environment(query)
    return {name: live[name] if name == "incidr" else _always(live[name]()) for name in used & _VALUES.keys()}


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


def incidr(ip: str, cidr: str) -> bool:
    """Tell whether an address is in a network; raises ExpressionError where one of them is none."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise ExpressionError("first argument is not an IP address") from None
    address = getattr(address, "ipv4_mapped", None) or address
    network = _networks.get(cidr)
    if network is None:
        network = _network(cidr)
    return address.version == network.version and address in network


_networks: dict[str, ipaddress.IPv4Network | ipaddress.IPv6Network] = {}
_MAX_NETWORKS: Final = 1024


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]+", cidr):
        raise ExpressionError(f"invalid CIDR address: {cidr}")
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise ExpressionError(f"invalid CIDR address: {cidr}") from None
    if len(_networks) >= _MAX_NETWORKS:
        _networks.clear()
    _networks[cidr] = network
    return network


_VALUES: Final[dict[str, Callable[[Query], Any]]] = {
    "incidr": lambda query: incidr,
    "metadata": lambda query: lambda label: query.metadata(label) or "",
    "type": lambda query: lambda: query.type_text,
    "name": lambda query: lambda: query.name_text,
    "class": lambda query: lambda: class_text(query.qclass),
    "proto": lambda query: lambda: query.request.via,
    "size": lambda query: lambda: query.request.size_bytes,
    "bufsize": lambda query: lambda: query.size_limit,
    "do": lambda query: lambda: query.do,
    "id": lambda query: lambda: query.id,
    "opcode": lambda query: lambda: query.opcode,
    "client_ip": lambda query: lambda: query.request.peer.ip,
    "port": lambda query: lambda: str(query.request.peer.port),
    "server_ip": lambda query: lambda: query.request.local.ip,
    "server_port": lambda query: lambda: str(query.request.local.port),
}
