"""What expressions may ask about a query: the values behind `shardns.config.expression.queries.QUERY`.

Which functions an expression names decides whether its value may be remembered for other queries (DESIGN §4).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from shardns.config.expression import ExpressionError, Program
from shardns.config.expression.queries import QUERY

from .query import Query
from .wire.codes import class_text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CLIENT: Final = "client_ip"
# Names whose value is not settled by a query's octets (its ID apart), its transport and its family: the memo's key.
VARYING: Final = frozenset({CLIENT, "port", "id", "server_ip", "metadata", "now", "$env"})
_NAMES: Final = re.compile(r"\$env|[A-Za-z_]\w*")


def environment(query: Query) -> dict[str, Callable[..., Any]]:
    """Return the functions that expressions call, for one query."""
    request = query.request
    return {
        "incidr": incidr,
        "metadata": lambda label: query.metadata(label) or "",
        "type": lambda: query.type_text,
        "name": lambda: query.name_text,
        "class": lambda: class_text(query.qclass),
        "proto": lambda: request.via,
        "size": lambda: request.size_bytes,
        "bufsize": lambda: query.size_limit,
        "do": lambda: query.do,
        "id": lambda: query.id,
        "opcode": lambda: query.opcode,
        "client_ip": lambda: request.peer.ip,
        "port": lambda: str(request.peer.port),
        "server_ip": lambda: request.local.ip,
        "server_port": lambda: str(request.local.port),
    }


def names(program: Program) -> frozenset[str]:
    """Return which functions an expression may call, going by the words in it."""
    return frozenset(_NAMES.findall(program.source)) & (VARYING | QUERY.keys())


def frozen(query: Query, used: frozenset[str]) -> dict[str, Callable[..., Any]]:
    """Return functions with the values that they have for a query, without holding on to the query."""
    live = environment(query)
    return {name: incidr if name == "incidr" else _always(live[name]()) for name in used & live.keys()}


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


def incidr(address: str, network: str) -> bool:
    """Tell whether an address lies in a network; IPv6 addresses that stand for IPv4 ones count as these."""
    found = _address(address)
    if found is None:
        raise ExpressionError("first argument is not an IP address")
    inside = _network(network)
    if inside is None:
        raise ExpressionError(f"invalid CIDR address: {network}")
    return found in inside


@lru_cache(1024)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if "%" in text:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(1024)
def _network(text: str) -> Network | None:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdecimal() or "%" in address:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
