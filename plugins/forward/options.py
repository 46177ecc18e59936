"""The options of a `forward` line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Annotated, Self

from shardns.config.errors import Refuse, WrongCount
from shardns.config.golang import duration_text, nanoseconds, quote
from shardns.config.names import to_text
from shardns.config.schema import Arg, Args, Draft, Flag, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import (
    CHOICE,
    DURATION,
    FILE,
    INTEGER,
    IP,
    RCODE,
    STRING,
    ZONES,
    Convert,
    Value,
    Words,
    is_ip,
)
from shardns.config.zones import is_name, name, normalise
from shardns.worker import client_certificates

from .resolve import lookup
from .targets import Target, To, files, resolve

_RESOLVER_PORT = re.compile(r"\[([^][]*)\]:\w*|([^][:]*):\w*")


class FROM(Value[bytes]):
    """The zone of a line; of a network that makes several zones the first, with a warning."""

    label = "FROM"

    def parse(self, word: str, draft: Draft) -> bytes:
        """Return the zone."""
        zones = normalise(word)
        if not zones:
            raise Refuse(f"unable to normalize '{word}'", located=False)
        if len(zones) > 1:
            draft.warn(
                f"Unsupported CIDR notation: '{word}' expands to multiple zones. Using only '{to_text(zones[0])}'."
            )
        return zones[0]


@dataclasses.dataclass(frozen=True)
class HealthCheck:
    """What one `health_check` line says."""

    interval: float
    domain: bytes = b"\0"
    recursion: bool = True


def _tos(words: Sequence[Token], draft: Draft) -> tuple[To, ...]:
    found = []
    for word in words:
        to = To(word.text)
        to.at = word
        found.append(to)
    return tuple(found)


def _health_check(words: Sequence[Token], draft: Draft) -> HealthCheck:
    """Read `DURATION [no_rec] [domain NAME]`, options in any order and number."""
    try:
        interval = nanoseconds(words[0].text)
    except ValueError as error:
        raise Refuse(str(error), at=words[0]) from None
    if interval < 0:
        raise Refuse(f"health_check can't be negative: {interval}", at=words[0])
    domain, recursion = b"\0", True
    rest = iter(words[1:])
    for word in rest:
        if word.text == "no_rec":
            recursion = False
        elif word.text == "domain":
            following = next(rest, None)
            if following is None:
                raise WrongCount(at=word)
            if not is_name(following.text):
                raise Refuse(f"health_check: invalid domain name {following.text}", at=following)
            domain = name(following.text)
        else:
            raise Refuse(f"health_check: unknown option {word.text}", at=word, hint="expected no_rec or domain")
    return HealthCheck(interval / 1e9, domain, recursion)


def _resolver(word: str, draft: Draft) -> str:
    found = _RESOLVER_PORT.fullmatch(word)
    host = (found[1] or found[2] or "") if found else word
    if not is_ip(host):
        raise Refuse(f"resolver must be an IP address or IP:port: {quote(word)}")
    return word


def _failover(word: str, draft: Draft) -> int:
    rcode = RCODE().parse(word, draft)
    if rcode == 0:
        raise Refuse("NoError cannot be used in failover")
    return rcode


class Options(Schema, repeat="each"):
    """Sends queries to upstream resolvers."""

    zone: Annotated[bytes, Arg(FROM)]
    "Names in this zone are forwarded. Of a network that expands to several reverse zones the first is taken."

    to: Annotated[tuple[str, ...], Args(Words(_tos, "TO"), least=1)]
    "Upstreams, at most 15: `[dns://|tls://|https://]IP[:PORT]`, a file like resolv.conf, or a host name."

    except_zones: Annotated[tuple[bytes, ...], Props(ZONES(), name="except")] = ()
    "Zones below FROM that are not forwarded."

    force_tcp: Annotated[bool, Flag()] = False
    "Ask over TCP even when the client came over UDP; beats prefer_udp."

    prefer_udp: Annotated[bool, Flag()] = False
    "Ask over UDP first even when the client came over TCP; a truncated answer is asked for again over TCP."

    expire: Annotated[float, Prop(DURATION(0, below="expire can't be negative: {}"), rest="property")] = 10.0
    "How long an idle connection may be used again."

    max_age: Annotated[float, Prop(DURATION(0, below="max_age can't be negative: {}"), rest="property")] = 0.0
    "How old a connection may become, idle or not; 0 is no limit."

    max_idle_conns: Annotated[int, Prop(INTEGER(0, below="max_idle_conns can't be negative: {}"), rest="property")] = 0
    "How many idle connections are kept for each upstream and kind of socket; 0 is no limit."

    read_timeout: Annotated[
        float, Prop(DURATION(0, low_open=True, below="read_timeout must be positive: {}"), rest="property")
    ] = 2.0
    "How long to wait for one answer of one upstream."

    max_fails: Annotated[int, Prop(INTEGER(go="ParseUint", bits=32), rest="property")] = 2
    "How many failed health checks in a row an upstream may have before it counts as down; 0 switches checks off."

    max_connect_attempts: Annotated[int | None, Prop(INTEGER(go="ParseUint", bits=32), rest="property")] = None
    "How many failed exchanges one query may cost; by default two for each upstream, 0 is no limit but five seconds."

    doh_method: Annotated[
        str, Prop(CHOICE("POST", "GET", refused="doh_method must be either POST or GET"), rest="property")
    ] = "POST"
    "How https upstreams are asked."

    tls: Annotated[tuple[str, ...] | None, Props(FILE(), least=0, most=3, repeat="replace")] = None
    "Files for tls and https upstreams: none, CA, CERT KEY, or CERT KEY CA."

    tls_servername: Annotated[str, Prop(STRING("NAME"), rest="property")] = ""
    "The name in the certificate of every tls and https upstream."

    policy: Annotated[
        str,
        Prop(
            CHOICE("random", "round_robin", "sequential", "fastest", refused="unknown policy '{}'", located=True),
            rest="property",
        ),
    ] = "random"
    "In which order upstreams are tried; `fastest` puts those first that have answered soonest of late."

    hedge: Annotated[
        float | None, Prop(DURATION(0, low_open=True, below="hedge must be positive: {}"), least=0, empty=0.0)
    ] = None
    "Ask a second upstream where the first takes longer than DURATION, by default than 19 of 20 answers have taken."

    health_checks: Annotated[
        tuple[HealthCheck, ...],
        Props(Words(_health_check, "DURATION [no_rec] [domain NAME]"), name="health_check", repeat="append"),
    ] = ()
    "How often a failing upstream is probed; `no_rec` leaves RD out, `domain` asks for another name. Default 0.5s."

    max_concurrent: Annotated[int, Prop(INTEGER(0, below="max_concurrent can't be negative: {}"), rest="property")] = 0
    "How many queries may wait at the same time; more are refused. 0 is no limit."

    next: Annotated[tuple[int, ...], Props(RCODE())] = ()
    "Answers with these rcodes send the query to the next forward line of the block."

    next_on_nodata: Annotated[bool, Flag()] = False
    "Answers with NOERROR and no records send the query to the next forward line of the block."

    failfast: Annotated[bool, Flag(name="failfast_all_unhealthy_upstreams")] = False
    "Answer SERVFAIL at once while all upstreams are down, instead of trying one at random."

    failover: Annotated[tuple[int, ...], Props(Convert(_failover, "RCODE"))] = ()
    "Answers with these rcodes send the query to the next upstream."

    source_address: Annotated[str | None, Prop(IP(located=True), rest="property")] = None
    "The local address of all connections, health checks too."

    resolver: Annotated[tuple[str, ...], Props(Convert(_resolver, "IP[:PORT]"), repeat="replace")] = ()
    "Who resolves host names among the TOs; by default the system does."

    targets: tuple[Target, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def health_check(self) -> HealthCheck:
        """The last line counts, but none of them turns RD on again."""
        if not self.health_checks:
            return HealthCheck(0.5)
        return dataclasses.replace(self.health_checks[-1], recursion=all(line.recursion for line in self.health_checks))

    def settle(self, draft: Draft) -> Self:
        """Read the TLS files, then turn the TOs into addresses, in the reference's order."""
        if self.tls is not None:
            client_certificates.context(self.tls)
        if 0 < self.max_age < self.expire:
            draft.fail(
                f"max_age ({duration_text(self.max_age)}) must not be less than expire ({duration_text(self.expire)})"
            )
        tos = tuple(to if isinstance(to, To) else To(to) for to in self.to)
        targets = resolve(tos, lambda host: lookup(host, self.resolver), self.tls_servername)
        return dataclasses.replace(self, to=tuple(str(to) for to in tos), targets=targets, files=files(tos))
