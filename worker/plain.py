"""Plain queries: answered from what stands in their octets, without a Query, where no plugin needs more.

1. Plain is what nearly all clients send: a header seen before, opcode QUERY, class IN, no option, neither DS nor a
   transfer. Whatever else comes goes the whole way (`dispatch`), and so does what has no plain answer.
2. Sites take part whose first plugin that cares is a source that says so (`Site.plain`, DESIGN §4).
3. Nothing here decides: the look-up, the flags and the octets are those of the whole way.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from .memo import Memo, folded, respelt
from .plugin import Source, Spot
from .reply import Packed
from .wire.codes import AXFR, DS, IXFR
from .wire.names import MAX_LABEL_BYTES, MAX_NAME_BYTES
from .wire.read import KNOWN_HEADERS, KNOWN_OPTS
from .wire.write import MAX_PLAIN, answered

if TYPE_CHECKING:
    from .listener import Listener

_IN: Final = b"\0\1"
_OPCODE: Final = 0x7800
_WHOLE_WAY: Final = frozenset((DS, IXFR, AXFR))
_LAST: Final = 10 + MAX_NAME_BYTES - 1  # where the root label of the longest name stands
_SMALL: Final = 512  # octets that every client takes
MAX_SPOTS: Final = 4096  # parents of names, each at most 0.5 KiB with what it holds


class _Nowhere(Spot):
    """Leaves every name to the whole way."""

    __slots__ = ()

    def look_up(self, name: bytes, qtype: int, flags: int, signed: bool) -> Packed | None:
        return None


NOWHERE: Final = _Nowhere()


class Plain:
    """The plain way in of one UDP listener. `open` says whether any site of it takes part."""

    def __init__(self, listener: Listener) -> None:
        self._sources: dict[bytes, Source[Any] | None] = {}
        zones = listener.zones
        firsts = {zone: sites[0] for zone, sites in zones.items()}
        for zone, site in firsts.items():
            source = site.plain
            self._sources[zone] = source if source is not None and zone in source.plain_zones else None
        for site in dict.fromkeys(firsts.values()):
            # Zones without a key of their own: the longest key above them has to be one of this site.
            for zone in site.plain.plain_zones - zones.keys() if site.plain is not None else ():
                if firsts.get(_longest(zones, zone)) is site:
                    self._sources[zone] = site.plain
        self._above = frozenset(zone[1 + zone[0] :] for zone in self._sources)
        self._spots: dict[bytes, Spot] = {}
        self.open = not listener.filtered and any(self._sources.values())

    def answer(self, key: bytes, family: int, memo: Memo | None) -> bytes | None:
        """Return the answer to a query, both without the ID; None where it has to go the whole way.

        A query that was seen before is left to the whole way, which offers its answer to the memo.
        """
        # Hot path: names that nobody asked for before. 1.5 µs beside the look-up (tests/bench, rows nx and random).
        header = KNOWN_HEADERS.get(key[:10])
        if header is None:
            return None
        flags, records = header
        at = key.find(0, 10)
        end = at + 5
        if at < 0 or at > _LAST or flags & _OPCODE or key[at + 3 : end] != _IN:
            return None
        edns = None
        if records:
            edns = KNOWN_OPTS.get(key[end:])
            if edns is None or edns.version or records != 1:
                return None
        qtype = (key[at + 1] << 8) | key[at + 2]
        if qtype in _WHOLE_WAY:
            return None
        size = key[10]
        owner = key[10 : at + 1]
        name = owner.lower()
        parent = name[size + 1 :]
        spot = self._spots.get(parent) or self._spot(parent)
        apex = None
        if parent in self._above and name in self._sources:
            spot = apex = self._apex(name)
        if spot is NOWHERE or size > MAX_LABEL_BYTES:
            return None
        kept = key
        if memo is not None:
            if owner != name:
                kept = folded(key, name, end)
                known = memo.young.get(kept)
                if known is not None:
                    return respelt(known, owner) if isinstance(known, bytes) else None
            if not memo.is_new(kept):
                return None
        ask = spot.answer if apex is None else spot.look_up
        packed = ask(name, qtype, flags, edns is not None and edns.do)
        if packed is not None:
            out = answered(key[10:end], edns, packed)
            size = len(out) + 2
            if size <= _SMALL or (edns is not None and size <= edns.size and size <= MAX_PLAIN[family]):
                return out
        if memo is not None:
            memo.unsee(kept)
        return None

    def _spot(self, parent: bytes) -> Spot:
        """Find who answers for the names directly below one, and remember it.

        What is no name gets nobody, so whoever finds somebody here has a whole name before it.
        """
        zone = parent
        while zone and zone[0] <= MAX_LABEL_BYTES and zone not in self._sources:
            zone = zone[1 + zone[0] :]
        source = self._sources.get(zone)
        spot = (source.spot(parent, zone) if source is not None else None) or NOWHERE
        if len(self._spots) >= MAX_SPOTS:
            self._spots.clear()
        self._spots[parent] = spot
        return spot

    def _apex(self, zone: bytes) -> Spot:
        """Return who answers for the name of a zone."""
        source = self._sources[zone]
        return (source.spot(zone, zone) if source is not None else None) or NOWHERE


def _longest(zones: Collection[bytes], name: bytes) -> bytes:
    """Return the longest of some zones that a name lies in, nothing where it lies in none."""
    while name and name not in zones:
        name = name[1 + name[0] :]
    return name
