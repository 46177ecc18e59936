"""How the records of a section are ordered. Pure functions: lists of single records in, new lists out."""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from math import factorial

from shardns.worker.wire.codes import AAAA, CNAME, MX, A
from shardns.worker.wire.records import RRset, Section

from .weights import Table

Network = tuple[int, int, int]  # octets of an address, network as an integer, bits to shift away
_ADDRESSES = frozenset((A, AAAA))


def network(parsed: IPv4Network | IPv6Network) -> Network:
    """Return a network in the form that `preferred` takes."""
    host_bits = parsed.max_prefixlen - parsed.prefixlen
    return parsed.max_prefixlen // 8, int(parsed.network_address) >> host_bits, host_bits


def groups(records: Iterable[RRset]) -> tuple[list[RRset], list[RRset], list[RRset], list[RRset]]:
    """Return CNAME, the rest, addresses, MX, one record each."""
    aliases: list[RRset] = []
    rest: list[RRset] = []
    addresses: list[RRset] = []
    exchanges: list[RRset] = []
    for rrset in records:
        kind = rrset.rtype
        into = aliases if kind == CNAME else addresses if kind in _ADDRESSES else exchanges if kind == MX else rest
        into += rrset.singles() if len(rrset.rdatas) > 1 else (rrset,)
    return aliases, rest, addresses, exchanges


def orders(section: Section) -> int:
    """Return in how many orders `round_robin` may put a section."""
    if section.count < 2:
        return 1
    _, _, addresses, exchanges = groups(section)
    return factorial(len(addresses)) * factorial(len(exchanges))


def round_robin(section: Section) -> Section:
    """Shuffle the addresses and the MX records; CNAME first, then all other types."""
    if len(section) == 1:
        only = section[0]
        if only.rtype not in _ADDRESSES and only.rtype != MX:
            return section
        return Section((only.replace(rdatas=tuple(random.sample(only.rdatas, len(only.rdatas)))),))
    aliases, rest, addresses, exchanges = groups(section)
    random.shuffle(addresses)
    random.shuffle(exchanges)
    return Section(aliases + rest + addresses + exchanges)


def preferred(section: Section, networks: list[Network]) -> Section:
    """Put addresses of the first networks first, what is in none last; the order is kept otherwise."""
    aliases, rest, addresses, exchanges = groups(section)
    addresses.sort(key=lambda record: _rank(record.rdatas[0], networks))
    return Section(aliases + addresses + exchanges + rest)


def _rank(address: bytes, networks: list[Network]) -> int:
    number = int.from_bytes(address, "big")
    for rank, (size, prefix, host_bits) in enumerate(networks):
        if size == len(address) and number >> host_bits == prefix:
            return rank
    return len(networks)


def weighted(section: Section, table: Table, draw: random.Random) -> Section:
    """Put one address, drawn by weight, before the others; a section without addresses stays as it is."""
    aliases, rest, addresses, exchanges = groups(section)
    if not addresses:
        return section
    top = drawn([table.get((record.owner, record.rdatas[0]), 1) for record in addresses], draw)
    addresses[0], addresses[top] = addresses[top], addresses[0]
    return Section(aliases + rest + addresses + exchanges)


def drawn(weights: list[int], draw: random.Random) -> int:
    """Return the index that a random number below the sum falls on, counted from the heaviest."""
    number = draw.randrange(sum(weights))
    for index in sorted(range(len(weights)), key=lambda index: -weights[index]):
        number -= weights[index]
        if number < 0:
            return index
    raise AssertionError("the weights add up to their sum")
