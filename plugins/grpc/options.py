"""The options of `grpc`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Self

from shardns.config.schema import Arg, Args, Draft, Fallthrough, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, FILE, STRING, ZONE, ZONES, Words
from shardns.worker import client_certificates

from .targets import Target, To, resolve


def _tos(words: Sequence[Token], draft: Draft) -> tuple[str, ...]:
    return tuple(To.of(word) for word in words)


class Options(Schema):
    """Sends queries to upstreams that speak CoreDNS's DNS over gRPC."""

    zone: Annotated[bytes, Arg(ZONE(located=False))]
    "Names in this zone are sent on. Of a network that expands to several reverse zones the first is taken."

    to: Annotated[tuple[str, ...], Args(Words(_tos, "TO"), least=1)]
    "Upstreams, at most 15: `IP[:PORT]` (port 53 by default), a file like resolv.conf, or `unix:///PATH`."

    except_zones: Annotated[tuple[bytes, ...], Props(ZONES(), name="except")] = ()
    "Zones below FROM that are not sent on."

    tls: Annotated[tuple[str, ...] | None, Props(FILE(), least=0, most=3, repeat="replace")] = None
    "Speak TLS; files: none, CA, CERT KEY, or CERT KEY CA."

    tls_servername: Annotated[str, Prop(STRING("NAME"), rest="property")] = ""
    "The name in the certificate of every upstream; alone it switches TLS on, too."

    policy: Annotated[
        str,
        Prop(
            CHOICE("random", "round_robin", "sequential", refused="unknown policy '{}'", located=True), rest="property"
        ),
    ] = "random"
    "In which order upstreams are tried."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Names in these zones (without any: all) go on to the next plugin where no upstream answers, or with NXDOMAIN."

    targets: tuple[Target, ...] = ()

    @property
    def encrypts(self) -> bool:
        """Whether upstreams are asked over TLS."""
        return self.tls is not None or bool(self.tls_servername)

    def settle(self, draft: Draft) -> Self:
        """Read the TLS files, and keep the addresses that the TOs stand for."""
        if self.tls is not None:
            client_certificates.context(self.tls)
        targets = resolve([to if isinstance(to, To) else To(to) for to in self.to])
        return dataclasses.replace(self, to=tuple(map(str, self.to)), targets=targets)
