"""Answers the CH TXT questions about the server itself: its version, its authors, its host name."""

from __future__ import annotations

import random
import socket
import time
from typing import Annotated

from shardns.config.schema import Arg, Args, Schema
from shardns.config.values import STRING
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.wire.codes import CH, TXT
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section
from shardns.worker.zone.rdata import unescape

VERSION = "CoreDNS-1.14.7"  # what scripts that know the reference look for; an operator's own text replaces it
AUTHORS = (
    "Tantalor93", "bradbeam", "chrisohaver", "darshanime", "dilyevsky", "ekleiner", "greenpau", "houyuwushang",
    "ihac", "inigohu", "isolus", "jameshartig", "johnbelamaric", "miekg", "mqasimsarfraz", "nchrisdk", "nitisht",
    "pmoroney", "rajansandeep", "rdrozhdzh", "rtreffer", "snebel29", "stp-ip", "superq", "thevilledev", "varyoo",
    "ykhr53", "yongtang", "zouyee",
)  # fmt: skip
MAX_STRING_BYTES = 255  # RFC 1035 §3.3

_VERSION_NAMES = frozenset((from_text("version.bind."), from_text("version.server.")))
_AUTHOR_NAME = from_text("authors.bind.")
_HOST_NAMES = frozenset((from_text("hostname.bind."), from_text("id.server.")))


class Options(Schema, repeat="first", block=True):
    """Answers queries of class CH about the server: version, authors, host name."""

    version: Annotated[str, Arg(STRING)] = VERSION
    "Answer to version.bind and version.server, cut to 255 octets."

    authors: Annotated[tuple[str, ...], Args(STRING)] = AUTHORS
    "Answers to authors.bind, each cut to 255 octets, sent in random order."


class Chaos(Source[Options]):
    """Class CH, type TXT; all else goes on to the next plugin."""

    directive = "chaos"
    repeatable = True
    opens_classes = True

    def prepare(self) -> None:
        """Encode the configured texts once."""
        self.version = string(self.options.version.encode(errors="surrogateescape"))
        self.authors = sorted({string(author.encode(errors="surrogateescape")) for author in self.options.authors})

    def answer(self, query: Query) -> Outcome:
        """Answer the five names; the order of the authors and the host name may change from query to query."""
        if query.qclass != CH or query.qtype != TXT:
            return None
        if query.name in _VERSION_NAMES:
            return self.reply(query, [self.version])
        if query.name == _AUTHOR_NAME:
            query.once()
            return self.reply(query, shuffled(self.authors, int(time.time())))
        if query.name in _HOST_NAMES:
            query.once()
            return self.reply(query, [string(host())])
        return None

    @staticmethod
    def reply(query: Query, rdatas: list[bytes]) -> Outcome:
        """Build one TXT record a string, TTL 0, class CH."""
        return query.reply(answer=Section([RRset(query.owner, TXT, 0, tuple(rdatas), CH)]))


def string(text: bytes) -> bytes:
    r"""Return a character-string (RFC 1035 §3.3): cut to what fits, escapes resolved as in zone files."""
    text = unescape(text[:MAX_STRING_BYTES])
    return bytes((len(text),)) + text


def shuffled(rdatas: list[bytes], second: int) -> list[bytes]:
    """Return the strings in an order that is drawn anew each second."""
    return random.Random(second).sample(rdatas, len(rdatas))


def host() -> bytes:
    """Return the system's name, `localhost` where it has none."""
    try:
        return socket.gethostname().encode(errors="surrogateescape") or b"localhost"
    except OSError:
        return b"localhost"


PLUGIN = Chaos
