"""A validating resolver's judgement of one answer, apart from the code under test (RFC 4035 §5, RFC 5155 §8).

`Prover.problems` says what a validator would complain of; it knows names by dnspython and signatures by its validator.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.rrset
from dns.name import Name
from dns.rdatatype import CNAME, DNAME, DS, NS, NSEC, NSEC3, RRSIG, SOA, RdataType

_HEX32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")


class Bogus(Exception):
    """An answer that proves nothing."""


def has(record: object, rtype: int) -> bool:
    """Tell whether an NSEC or NSEC3 record's bitmap has a type."""
    for window, bitmap in record.windows:  # type: ignore[attr-defined]  # both classes have it
        at = rtype - window * 256
        if 0 <= at < len(bitmap) * 8 and bitmap[at >> 3] & (0x80 >> (at & 7)):
            return True
    return False


def common(one: Name, other: Name) -> Name:
    """Return the closest ancestor that two names share."""
    return Name(one.labels[-one.fullcompare(other)[2] :])


class Prover:
    """Validates answers of one zone. Without `keys` signatures are only looked for, not verified."""

    def __init__(self, origin: Name, keys: dns.rrset.RRset | None) -> None:
        self.origin = origin
        self.keys: dict[Name, dns.node.Node | dns.rdataset.Rdataset] | None = (
            {origin: keys} if keys is not None else None
        )

    def check(self, answer: dns.message.Message) -> None:
        """Raise Bogus unless a validator would accept the answer."""
        question = answer.question[0]
        self.denials = [r for r in answer.authority if r.rdtype in (NSEC, NSEC3)]
        if not answer.flags & dns.flags.AA or self._referral(answer) is not None:
            self._check_referral(answer)
        self._check_signatures(answer)
        name = self._check_aliases(answer, question.name, question.rdtype)
        if name is None:
            return
        if answer.rcode() == dns.rcode.NXDOMAIN:
            self.no_name(name)
        elif any(r.rdtype == SOA for r in answer.authority):
            self.no_type(name, question.rdtype)
        else:
            raise Bogus(f"neither an answer nor a denial of {name}")

    def _referral(self, answer: dns.message.Message) -> dns.rrset.RRset | None:
        return next((r for r in answer.authority if r.rdtype == NS and r.name != self.origin), None)

    def _check_referral(self, answer: dns.message.Message) -> None:
        servers = self._referral(answer)
        if servers is None:
            raise Bogus("no answer")
        if not any(r.rdtype == DS for r in answer.authority):
            self.no_type(servers.name, DS)

    def _check_signatures(self, answer: dns.message.Message) -> None:
        for section in (answer.answer, answer.authority):
            for rrset in section:
                if rrset.rdtype == RRSIG or (rrset.rdtype == NS and rrset.name != self.origin):
                    continue
                if rrset.rdtype == CNAME and self._is_substitute(answer, rrset):
                    continue
                self._check_signature(section, rrset)

    @staticmethod
    def _is_substitute(answer: dns.message.Message, alias: dns.rrset.RRset) -> bool:
        return any(
            r.rdtype == DNAME and alias.name != r.name and alias.name.is_subdomain(r.name) for r in answer.answer
        )

    def _check_signature(self, section: list[dns.rrset.RRset], rrset: dns.rrset.RRset) -> None:
        for signatures in section:
            if signatures.name == rrset.name and signatures.rdtype == RRSIG and signatures.covers == rrset.rdtype:
                if self.keys is not None:
                    dns.dnssec.validate(rrset, signatures, self.keys)
                if signatures[0].labels < len(rrset.name) - 1 - (rrset.name.labels[0] == b"*"):
                    self.no_closer(rrset.name, signatures[0].labels)
                return
        raise Bogus(f"no signature of {rrset.name} {RdataType.to_text(rrset.rdtype)}")

    def _check_aliases(self, answer: dns.message.Message, name: Name, rtype: int) -> Name | None:
        """Follow the answer's aliases; returns the name that has to be denied, None where it is answered."""
        for _ in range(20):
            if any(r.name == name and r.rdtype == rtype for r in answer.answer):
                return None
            alias = next((r for r in answer.answer if r.name == name and r.rdtype == CNAME), None)
            if alias is None:
                referred = self._referral(answer)
                if referred is not None and name.is_subdomain(referred.name):
                    return None
                return name if name.is_subdomain(self.origin) else None
            name = alias[0].target
        return None

    # Denials -------------------------------------------------------------------------------------------------------

    def no_name(self, name: Name) -> None:
        """Demand the proof that a name does not exist."""
        if self._is_hashed():
            encloser, closer = self._encloser3(name)
            self._cover3(closer, name)
            self._cover3(dns.name.Name([b"*"]).concatenate(encloser), name)
            return
        nsec = self._cover(name)
        encloser = max(common(name, nsec.name), common(name, nsec[0].next), key=len)
        self._cover(dns.name.Name([b"*"]).concatenate(encloser))

    def no_type(self, name: Name, rtype: int) -> None:
        """Demand the proof that a name, or the wildcard that stands for it, has no such type."""
        if self._is_hashed():
            self._no_type3(name, rtype)
            return
        own = next((r for r in self.denials if r.name == name), None)
        if own is None:
            nsec = self._cover(name)
            if nsec[0].next.is_subdomain(name):
                return  # an empty non-terminal
            encloser = max(common(name, nsec.name), common(name, nsec[0].next), key=len)
            wildcard = dns.name.Name([b"*"]).concatenate(encloser)
            own = next((r for r in self.denials if r.name == wildcard), None)
            if own is None:
                below = self._cover(wildcard)
                if below[0].next.is_subdomain(wildcard):
                    return
                raise Bogus(f"no wildcard that lacks the type of {name}")
        if has(own[0], rtype) or has(own[0], CNAME):
            raise Bogus(f"{own.name} has the type")
        if rtype == DS and has(own[0], SOA) and own.name != self.origin:
            raise Bogus("the child's denial of DS")

    def no_closer(self, name: Name, labels: int) -> None:
        """Demand the proof that nothing stands closer to a name than a wildcard whose parent has `labels` labels."""
        closer = dns.name.Name(name.labels[-labels - 2 :])
        if self._is_hashed():
            self._cover3(closer, name)
        else:
            self._cover(name)

    def _is_hashed(self) -> bool:
        if not self.denials:
            raise Bogus("no proof at all")
        return self.denials[0].rdtype == NSEC3

    def _cover(self, name: Name) -> dns.rrset.RRset:
        for nsec in self.denials:
            following = nsec[0].next
            if nsec.name < name and (name < following or following == self.origin):
                if has(nsec[0], NS) and not has(nsec[0], SOA) and name.is_subdomain(nsec.name):
                    continue
                return nsec
        raise Bogus(f"nothing covers {name}")

    def _hashes(self) -> Iterator[tuple[str, str, dns.rrset.RRset]]:
        for nsec3 in self.denials:
            following = base64.b32encode(nsec3[0].next).translate(_HEX32).decode()
            yield nsec3.name.labels[0].decode().upper(), following, nsec3

    def _hash(self, name: Name) -> str:
        by = self.denials[0][0]
        value = hashlib.sha1(name.canonicalize().to_wire() + by.salt).digest()
        for _ in range(by.iterations):
            value = hashlib.sha1(value + by.salt).digest()
        return base64.b32encode(value).translate(_HEX32).decode()

    def _match3(self, name: Name) -> dns.rrset.RRset | None:
        wanted = self._hash(name)
        return next((r for own, _, r in self._hashes() if own == wanted), None)

    def _cover3(self, name: Name, of: Name) -> dns.rrset.RRset:
        wanted = self._hash(name)
        for own, following, nsec3 in self._hashes():
            if own < wanted < following or (following <= own and (wanted > own or wanted < following)):
                return nsec3
        raise Bogus(f"nothing covers the hash of {name} for {of}")

    def _encloser3(self, name: Name) -> tuple[Name, Name]:
        closer = name
        above = name.parent()
        while above.is_subdomain(self.origin):
            if self._match3(above) is not None:
                return above, closer
            closer, above = above, above.parent()
        raise Bogus(f"no closest encloser of {name}")

    def _no_type3(self, name: Name, rtype: int) -> None:
        own = self._match3(name)
        if own is None:
            encloser, closer = self._encloser3(name)
            covering = self._cover3(closer, name)
            own = self._match3(dns.name.Name([b"*"]).concatenate(encloser))
            if own is None:
                if covering[0].flags & 1:
                    return  # insecure, or an empty non-terminal above nothing but insecure names
                raise Bogus(f"no wildcard that lacks the type of {name}")
        if has(own[0], rtype) or has(own[0], CNAME):
            raise Bogus(f"{name} has the type")
