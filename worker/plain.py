"""Plain queries: answered from what stands in their octets, without a Query, where no plugin needs more.

1. Plain is what nearly all clients send: a header seen before, opcode QUERY, class IN, no option, neither DS nor a
   transfer. Whatever else comes goes the whole way (`dispatch`), and so does what has no plain answer.
2. Sites take part whose first plugin that cares is a source that says so (`Site.plain`, DESIGN §4).
3. Nothing here decides: the look-up, the flags and the octets are those of the whole way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .memo import Memo, folded, respelt
from .plugin import Source
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
MAX_SPOTS: Final = 4096  # parents of names, remembered with their zone; at most 0.4 KiB each
Spot = tuple[Source[Any] | None, bytes]  # who answers, and the zone


class Plain:
    """The plain way in of one UDP listener. `open` says whether any site of it takes part."""

    def __init__(self, listener: Listener) -> None:
        self._sources: dict[bytes, Source[Any] | None] = {
            zone: sites[0].plain for zone, sites in listener.zones.items()
        }
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
        if name in self._sources:
            spot = self._sources[name], name
        source, zone = spot
        if source is None or size > MAX_LABEL_BYTES:
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
        reply = source.plain(name, zone, qtype, flags, edns is not None and edns.do)
        if reply is not None:
            out = answered(key[10:end], edns, reply)
            size = len(out) + 2
            if size <= _SMALL or (edns is not None and size <= edns.size and size <= MAX_PLAIN[family]):
                return out
        if memo is not None:
            memo.unsee(kept)
        return None

    def _spot(self, parent: bytes) -> Spot:
        """Find the zone of the names directly below one, and remember it.

        What is no name gets no source, so whoever finds one here has a whole name before it.
        """
        zone = parent
        while zone and zone[0] <= MAX_LABEL_BYTES and zone not in self._sources:
            zone = zone[1 + zone[0] :]
        spot: Spot = self._sources.get(zone), zone
        if len(self._spots) >= MAX_SPOTS:
            self._spots.clear()
        self._spots[parent] = spot
        return spot
