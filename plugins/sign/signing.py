"""Signing a zone: what is added to its records, and the lines of the signed file (RFC 4035 §2).

The order of the file: SOA, NS of the apex, each with signatures, then all names in canonical order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import dns.rdata

from shardns.worker.wire.codes import DNSKEY, DS, NS, NSEC, RRSIG, SOA, type_text
from shardns.worker.wire.names import to_text
from shardns.worker.zone.keys import KeyPair, Lifetime, rrsig
from shardns.worker.zone.signed import bitmap

from .contents import CDNSKEY, CDS, Contents, Records

_SERIAL: Final = slice(-20, -16)  # in the rdata of a SOA record
_DIGESTS: Final = ((1, hashlib.sha1), (2, hashlib.sha256))  # RFC 4034 §A.2, RFC 4509
_AT_CUT: Final = frozenset((DS, NSEC))  # what a parent signs there (RFC 4035 §2.2)


class Signing:
    """One signing of one zone."""

    def __init__(self, contents: Contents, keys: Sequence[KeyPair], life: Lifetime, serial: int) -> None:
        assert contents.soa is not None
        self.origin = contents.origin
        self.contents = contents
        self.keys = keys
        self.life = life
        soa = contents.soa.rdatas[0]
        self.soa = Records(contents.soa.ttl, contents.soa.rclass, [soa[:-20] + serial.to_bytes(4, "big") + soa[-16:]])
        self.minimum = int.from_bytes(soa[-4:], "big")

    def lines(self) -> Iterator[list[str]]:
        """Yield the lines of the signed zone, those of a name at a time."""
        origin = self.origin
        apex = {rtype: records for rtype, records in self.contents.names.get(origin, {}).items() if rtype != NS}
        servers = self.contents.names.get(origin, {}).get(NS)
        apex |= self._keys()
        yield self._set(origin, SOA, self.soa)
        if servers is not None:
            yield self._set(origin, NS, servers)
        names = self.contents.authoritative()
        everything = sorted_names(self.contents)
        following = dict(zip(names, [*names[1:], origin], strict=True))
        for name in everything:
            sets = apex if name == origin else self.contents.names[name]
            after = following.get(name)
            if after is None:
                yield [line for rtype, records in sets.items() for line in self._text(name, rtype, records)]
            else:
                yield self._name(name, sets, after, servers is not None)

    def _name(self, name: bytes, sets: dict[int, Records], after: bytes, has_servers: bool) -> list[str]:
        types = set(sets) | {RRSIG, NSEC}
        is_cut = NS in sets
        if is_cut:
            types &= {NS, DS, RRSIG, NSEC}
        if name == self.origin:
            types |= {SOA, NS} if has_servers else {SOA}
        denial = Records(self.minimum, self.soa.rclass, [after + bitmap(tuple(b"TYPE%d" % t for t in types))])
        found: list[str] = []
        for rtype, records in (*sets.items(), (NSEC, denial)):
            if is_cut and rtype not in _AT_CUT:
                found += self._text(name, rtype, records)
            else:
                found += self._set(name, rtype, records)
        return found

    def _keys(self) -> dict[int, Records]:
        """Return the sets that publish the keys, and tell the parent of them (RFC 7344)."""
        if not self.keys:
            return {}
        made = {rtype: Records(self.soa.ttl, self.soa.rclass) for rtype in (DNSKEY, CDS, CDNSKEY)}
        for key in self.keys:
            made[DNSKEY].rdatas.append(key.rdata)
            made[CDNSKEY].rdatas.append(key.rdata)
            head = key.tag.to_bytes(2, "big") + bytes((key.algorithm,))
            for number, digest in _DIGESTS:
                made[CDS].rdatas.append(head + bytes((number,)) + digest(self.origin + key.rdata).digest())
        return made

    def _set(self, name: bytes, rtype: int, records: Records) -> list[str]:
        """Return the lines of a set and of its signatures."""
        signatures = [
            rrsig(key, self.origin, self.life, name, rtype, records.rclass, records.ttl, records.rdatas)
            for key in self.keys
        ]
        signed = Records(records.ttl, records.rclass, signatures)
        return [*self._text(name, rtype, records), *self._text(name, RRSIG, signed)]

    @staticmethod
    def _text(name: bytes, rtype: int, records: Records) -> list[str]:
        head = f"{to_text(name)}\t{records.ttl}\tIN\t{type_text(rtype)}\t"
        return [
            head + dns.rdata.from_wire(records.rclass, rtype, rdata, 0, len(rdata)).to_text()  # type: ignore[arg-type]  # numbers are as good
            for rdata in records.rdatas
        ]


def sorted_names(contents: Contents) -> list[bytes]:
    """Return all names in canonical order, the apex among them even if it has nothing but its SOA record."""
    from shardns.worker.wire.names import key

    return sorted(contents.names.keys() | {contents.origin}, key=key)
