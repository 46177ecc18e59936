"""Answers what should never leave the host: localhost, and the reverse zones of 0/8, 127/8 and 255/8."""

from __future__ import annotations

from typing import Annotated, Final

from shardns.config.golang import quote
from shardns.config.schema import Prop, Schema
from shardns.config.values import Convert, Refuse
from shardns.worker import log, metrics
from shardns.worker.metrics import Counter
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import AAAA, NS, PTR, SOA, A, Rcode
from shardns.worker.wire.names import from_text, within
from shardns.worker.wire.records import RRset, Section

TTL_S: Final = 604800
LOCALHOST: Final = from_text("localhost.")
REVERSE: Final = tuple(from_text(f"{octet}.in-addr.arpa.") for octet in (0, 127, 255))
LOOPBACK: Final = from_text("1.0.0.127.in-addr.arpa.")
ADDRESSES: Final = {A: b"\x7f\0\0\1", AAAA: bytes(15) + b"\1"}
_SOA_RDATA: Final = LOCALHOST + from_text("root.localhost.") + b"".join(
    number.to_bytes(4, "big") for number in (1, 0, 0, 0, TTL_S)
)  # fmt: skip

requests = Counter("local_localhost_requests_total", "Counter of special localhost subdomain requests.")


def on_or_off(word: str, draft: object) -> bool:
    """Return the switch."""
    if word not in ("on", "off"):
        raise Refuse(f"localhost_prefix expects 'on' or 'off', got {quote(word)}", located=True)
    return word == "on"


class Options(Schema, repeat="merge"):
    """Answers localhost and the reverse zones that belong to no network."""

    localhost_prefix: Annotated[bool, Prop(Convert(on_or_off, "on|off"))] = True
    "Also answer names that begin with `localhost.`, which resolvers make of localhost and their search list."


class Local(Source[Options]):
    """Owners keep the letter case of the query."""

    directive = "local"
    repeatable = True

    def prepare(self) -> None:
        """Get ready to log."""
        self.log = self.site.logger(self.directive)

    def answer(self, query: Query) -> Outcome:
        """Answer the names that are ours."""
        name = query.name
        if name != LOCALHOST and self.is_localhost(name):
            self.note(query)
            return loopback(query)
        if name == LOCALHOST:
            return loopback(query) if query.qtype in ADDRESSES else apex(query)
        zone = next((zone for zone in REVERSE if within(name, zone)), None)
        if zone is None:
            return None
        if name == zone:
            return apex(query)
        owner = query.owner[len(name) - len(zone) :]
        if name != LOOPBACK:
            return query.reply(Rcode.NXDOMAIN, authority=soa(owner))
        if query.qtype == PTR:
            return query.reply(answer=Section([RRset(query.owner, PTR, TTL_S, (LOCALHOST,))]))
        return query.reply(authority=soa(owner))

    def is_localhost(self, name: bytes) -> bool:
        """Tell whether a name stands below localhost (RFC 6761 §6.3), or begins with it."""
        return within(name, LOCALHOST) or (self.options.localhost_prefix and name.startswith(LOCALHOST[:-1]))

    def note(self, query: Query) -> None:
        """Count, and say who asked where `debug` is on."""
        cell = requests.cell()
        metrics.values[cell] += 1
        query.request.series.append(cell)
        if log.debugging:
            query.once()
            text = f"{quote(query.name_text)} {query.type_text}, from {query.request.peer.ip}"
            self.log.debug(f"Intercepting localhost query for {text}")


def loopback(query: Query) -> Reply:
    """Return the loopback address; for other types say that there is nothing."""
    address = ADDRESSES.get(query.qtype)
    if address is None:
        return query.reply(authority=soa(query.owner))
    return query.reply(answer=Section([RRset(query.owner, query.qtype, TTL_S, (address,))]))


def apex(query: Query) -> Reply:
    """Return what stands at the top of each of the zones."""
    if query.qtype == SOA:
        return query.reply(answer=soa(query.owner))
    if query.qtype == NS:
        return query.reply(answer=Section([RRset(query.owner, NS, TTL_S, (LOCALHOST,))]))
    return query.reply(authority=soa(query.owner))


def soa(owner: bytes) -> Section:
    """Return the SOA record of a zone, or of what stands for one."""
    return Section([RRset(owner, SOA, TTL_S, (_SOA_RDATA,))])


PLUGIN = Local
