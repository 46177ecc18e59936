"""The options of `dns64`."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from shardns.config.golang import quote
from shardns.config.schema import Arg, Draft, Flag, Prop, Schema
from shardns.config.values import CIDR, Convert, Refuse

LEAST_BITS = 32  # RFC 6052 §2.2
MOST_BITS = 96
_NETWORK = CIDR(located=False)


def prefix(word: str, draft: Draft) -> str:
    """Return an IPv6 network whose length is one of RFC 6052."""
    text = _NETWORK.parse(word, draft)
    network = ipaddress.ip_network(text)
    if network.version == 4:
        raise Refuse(f"invalid netmask 32 IPv6 address: {quote(text)}", located=True)
    bits = network.prefixlen
    if bits % 8 or not LEAST_BITS <= bits <= MOST_BITS:
        raise Refuse(f"invalid prefix length {quote(text)}", located=True, hint="expected 32, 40, 48 … 96 bits")
    return text


class Options(Schema, repeat="each"):
    """Makes AAAA records of A records for names that have none, for clients that reach IPv4 through NAT64."""

    inline: Annotated[str | None, Arg(Convert(prefix, "PREFIX"))] = None
    "The network that IPv4 addresses are put into, 32 to 96 bits long; 64:ff9b::/96 where nothing is said."

    prefix: Annotated[str | None, Prop(Convert(prefix, "PREFIX"), rest="property")] = None
    "The same as a property. What stands last counts, in this line or a later one."

    translate_all: Annotated[bool, Flag(rest="property")] = False
    "Make AAAA records also for names that have some; theirs are left out."

    allow_ipv4: Annotated[bool, Flag(rest="property")] = False
    "Also for clients that ask over IPv4."
