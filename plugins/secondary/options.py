"""The options of `secondary`, and what its lines say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.errors import Refuse, WrongCount
from shardns.config.golang import quote
from shardns.config.names import from_text
from shardns.config.schema import Args, Draft, Fallthrough, Flag, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import ZONES, Convert, Words
from shardns.config.zones import normalise
from shardns.worker.zone.peers import Peer, peer


def _peer(word: Token) -> Peer:
    if word.text == "*":
        raise Refuse("can't use '*' in transfer from", located=False, at=word)
    try:
        return peer(word.text)
    except ValueError as error:
        raise Refuse(str(error), located=False, at=word) from None


def _from(words: Sequence[Token], draft: Draft) -> tuple[Peer, ...]:
    if words[0].text != "from":
        raise Refuse(f"unknown property {words[0].text}", located=True, at=words[0], hint="expected from")
    if len(words) == 1:
        raise WrongCount(at=words[0])
    return tuple(_peer(word) for word in words[1:])


def _members(words: Sequence[Token], draft: Draft) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for word in words:
        zones = normalise(word.text)
        if not zones:
            raise Refuse(f"invalid catalog member zone {quote(word.text)}", located=False, at=word)
        found += zones
    return tuple(found)


def _key(word: str, draft: Draft) -> bytes:
    return from_text(word).lower()


class Options(Schema, repeat="each"):
    """Serves zones that are fetched from other servers and kept up to date."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones to fetch; without any, those of the server block."

    transfer: Annotated[tuple[tuple[Peer, ...], ...], Props(Words(_from, "from ADDRESS..."))] = ()
    "The primaries, asked in this order; port 53 if none is given."

    catalog: Annotated[tuple[tuple[bytes, ...], ...], Props(Words(_members, "MEMBER-ZONE"), least=0)] = ()
    "The zones are catalogs (RFC 9432): serve their members too; with zones, only members in them."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Pass queries for names that do not exist to the next plugin; with zones, only for names in them."

    complete_proofs: Annotated[bool, Flag(rest="property")] = False
    "For zones signed with NSEC: send every proof that RFC 4035 asks for, not only those that the reference sends."

    key: Annotated[bytes | None, Prop(Convert(_key, "NAME"))] = None
    "The key of this block's `tsig` with which the primaries are asked."

    def check(self, draft: Draft) -> None:
        """Refuse a line without primaries."""
        if not self.transfer:
            raise Refuse("secondary zones require a transfer from property", located=True)


@dataclass(frozen=True, slots=True)
class Followed:
    """One zone to fetch. `members` is None for a zone that is no catalog, empty for a catalog without restriction."""

    origin: bytes
    peers: tuple[Peer, ...]
    key: bytes | None = None
    members: tuple[bytes, ...] | None = None
    complete: bool = False

    @property
    def hosts(self) -> frozenset[str]:
        """The addresses of the primaries."""
        return frozenset(host for host, _ in self.peers)


def followed(lines: tuple[Options, ...]) -> dict[bytes, Followed]:
    """Return the zones of all lines; the last line for a zone has its primaries, `catalog` lines add up."""
    catalogs: dict[bytes, tuple[bytes, ...]] = {}
    found: dict[bytes, Followed] = {}
    for line in lines:
        peers = tuple(peer for peers in line.transfer for peer in peers)
        for origin in line.zones:
            for members in line.catalog:
                known = catalogs.get(origin)
                free = known is not None and not (known and members)
                catalogs[origin] = () if free else tuple(dict.fromkeys((*(known or ()), *members)))
            found[origin] = Followed(origin, peers, line.key, catalogs.get(origin), line.complete_proofs)
    return found


def falls_through(lines: tuple[Options, ...]) -> tuple[bytes, ...]:
    """Return the zones of the block's last `fallthrough`, none where there is no such line."""
    return next((line.fallthrough for line in reversed(lines) if line.fallthrough is not None), ())
