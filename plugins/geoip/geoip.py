"""Attaches labels about the client's place or network to queries, from a MaxMind database."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Any

from shardns.config.schema import Arg, Draft, Flag, Schema
from shardns.config.values import Convert, Refuse
from shardns.worker.plugin import Metadata, Outcome, Source
from shardns.worker.query import Query

from .database import Address, Database, Unusable, probe

SUBNET = 8  # RFC 7871


def database(word: str, draft: Draft) -> str:
    """Return the path; a block has one."""
    key = f"geoip/{draft.index}"
    if key in draft.shared:
        raise Refuse("configuring multiple databases is not supported", located=True)
    draft.shared[key] = True
    return word


class Options(Schema, repeat="last", unknown='unknown property "{}"'):
    """Attaches labels about the client's place or network to queries."""

    file: Annotated[str, Arg(Convert(database, "DBFILE"))]
    "A database of places or of networks in MaxMind's format. It is opened anew by a reload."

    edns_subnet: Annotated[bool, Flag(name="edns-subnet", rest="property")] = False
    "Look up the address of the client-subnet option (RFC 7871) where the query has one."

    def shape(self, draft: Draft) -> None:
        """Look into the file, once everything else is right."""
        try:
            probe(self.file)
        except Unusable as error:
            raise Refuse(str(error), located=True) from None


class Geoip(Source[Options], Metadata):
    """Looks up only where `metadata` collects. No answer that labels may have shaped is memorised."""

    directive = "geoip"
    repeatable = True

    def prepare(self) -> None:
        """Map the file."""
        self.database = Database(self.options.file)
        self.log = self.site.logger(self.directive)

    def answer(self, query: Query) -> Outcome:
        """Leave the query to what stands below."""
        return None

    def describe(self, query: Query) -> Iterable[tuple[str, Any]]:
        """Return the labels of the client's address."""
        query.once()
        address = self.address(query)
        try:
            return () if address is None else list(self.database.labels(address))
        except (OSError, ValueError, RuntimeError) as error:
            schema = self.database.schema
            self.log.debug(f"Setting up {schema} metadata failed due to database lookup error: {error}")
            return ()

    def address(self, query: Query) -> Address | None:
        """Return the address to look up."""
        ip = query.request.peer.ip
        try:
            found: Address = ipaddress.ip_address(ip.partition("%")[0])
        except ValueError:
            self.log.debug(f'Failed to parse source IP "{ip}"')
            return None
        if not self.options.edns_subnet or query.edns is None:
            return found
        value = next((value for code, value in query.edns.options if code == SUBNET), None)
        return found if value is None else subnet(value) or found


def subnet(value: bytes) -> Address | None:
    """Return the address in a client-subnet option, zero octets filled in; None where it is not usable."""
    family = int.from_bytes(value[:2], "big")
    octets = value[4:]
    if len(value) < 4 or family > 2 or len(octets) > (4, 4, 16)[family]:
        return None
    if family == 2:
        return ipaddress.IPv6Address(octets.ljust(16, b"\0"))
    return ipaddress.IPv4Address(octets.ljust(4, b"\0"))


PLUGIN = Geoip
