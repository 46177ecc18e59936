"""Key pairs in BIND's format (`NAME.key`, `NAME.private`), and signatures made with them (RFC 4034 §3, RFC 6605, 8080).

`cryptography` is imported only here and only when a key is read, so that a server that signs nothing does without it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .canonical import label_count, rrset_octets

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_TTL_S: Final = 3600  # of a key file's record without one
ZONE_FLAG: Final = 0x100  # RFC 4034 §2.1.1
SEP_FLAG: Final = 1
_FORMATS: Final = ("v1.2", "v1.3")
_RSA: Final = {5: "SHA1", 7: "SHA1", 8: "SHA256", 10: "SHA512"}
_ECDSA: Final = {13: ("SECP256R1", "SHA256", 32), 14: ("SECP384R1", "SHA384", 48)}
_EDDSA: Final = {15: "ed25519.Ed25519PrivateKey", 16: "ed448.Ed448PrivateKey"}
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A DNSKEY record and what signs with it. `sign` takes octets and returns the signature as an RRSIG holds it."""

    owner: bytes
    ttl: int
    rdata: bytes
    sign: Sign
    tag: int

    @property
    def flags(self) -> int:
        """RFC 4034 §2.1.1."""
        return int.from_bytes(self.rdata[:2], "big")

    @property
    def algorithm(self) -> int:
        """RFC 4034 §2.1.3."""
        return self.rdata[3]

    @property
    def is_zone_key(self) -> bool:
        """Whether it may sign zone data."""
        return bool(self.flags & ZONE_FLAG)

    @property
    def is_entry_point(self) -> bool:
        """Whether the parent refers to it."""
        return bool(self.flags & SEP_FLAG)


def key_tag(rdata: bytes) -> int:
    """Return the tag of a DNSKEY (RFC 4034 appendix B)."""
    total = sum(rdata[0::2]) * 256 + sum(rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF


def base_name(path: str) -> str:
    """Return what the names of both files begin with."""
    for suffix in (".key", ".private"):
        if path.endswith(suffix):
            return path[: -len(suffix)]
    return path


def public(text: str) -> tuple[bytes, int, bytes] | int:
    """Return owner, TTL and rdata of a key file's first record, or its type where that is not DNSKEY.

    Raises ValueError for text that is no record.
    """
    import dns.exception
    import dns.name
    import dns.rdatatype
    import dns.zonefile

    try:
        sets = dns.zonefile.read_rrsets(text, default_ttl=DEFAULT_TTL_S, rdclass=None, origin=dns.name.root)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(str(error)) from None
    if not sets:
        raise ValueError("no record")
    first = sets[0]
    if first.rdtype != dns.rdatatype.DNSKEY:
        return int(first.rdtype)
    owner = first.name.derelativize(dns.name.root).to_wire()
    assert owner is not None
    return owner.lower(), first.ttl, first[0].to_wire()


def private(text: str) -> dict[str, str]:
    """Return the fields of a private key file; raises ValueError for another format."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith(";"):
            fields[name.strip().lower()] = value.strip()
    if fields.get("private-key-format") not in _FORMATS:
        raise ValueError("bad private key")
    return fields


def signer(algorithm: int, fields: Mapping[str, str]) -> Sign:
    """Return the function that signs with a private key; raises ValueError."""
    from importlib import import_module

    if algorithm not in (*_RSA, *_ECDSA, *_EDDSA):
        raise ValueError(f"unsupported algorithm {algorithm}")
    if fields.get("algorithm", "").split(" ")[0] != str(algorithm):
        raise ValueError("bad private key algorithm")
    asymmetric = "cryptography.hazmat.primitives.asymmetric"
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    if algorithm in _RSA:
        key = _rsa_key(fields)
        padding = import_module(f"{asymmetric}.padding").PKCS1v15()
        digest = getattr(hashes, _RSA[algorithm])()
        return lambda data: bytes(key.sign(data, padding, digest))
    if algorithm in _ECDSA:
        ec = import_module(f"{asymmetric}.ec")
        curve, digest_name, size = _ECDSA[algorithm]
        key = ec.derive_private_key(int.from_bytes(_number(fields, "privatekey"), "big"), getattr(ec, curve)())
        how = ec.ECDSA(getattr(hashes, digest_name)())
        return lambda data: _plain(key.sign(data, how), size)
    module, _, name = _EDDSA[algorithm].partition(".")
    made = getattr(import_module(f"{asymmetric}.{module}"), name).from_private_bytes(_number(fields, "privatekey"))
    sign: Sign = made.sign
    return sign


def _rsa_key(fields: Mapping[str, str]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    n, e, d, p, q, dp, dq, qi = (
        int.from_bytes(_number(fields, name), "big")
        for name in (
            "modulus", "publicexponent", "privateexponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient",
        )
    )  # fmt: skip
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()


def _number(fields: Mapping[str, str], name: str) -> bytes:
    try:
        return base64.b64decode(fields[name], validate=True)
    except KeyError:
        raise ValueError("bad private key") from None


def _plain(der: bytes, size: int) -> bytes:
    """RFC 6605 §4: r and s as they are, instead of ASN.1. Its lengths are single octets up to P-384."""
    middle = 4 + der[3]
    r, s = der[4:middle], der[middle + 2 :]
    return r[-size:].rjust(size, b"\0") + s[-size:].rjust(size, b"\0")


def pair(key_text: tuple[bytes, int, bytes], private_text: str) -> KeyPair:
    """Return a usable key pair; raises ValueError."""
    owner, ttl, rdata = key_text
    return KeyPair(owner, ttl, rdata, signer(rdata[3], private(private_text)), key_tag(rdata))


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a signature holds, in s since 1970."""

    inception: int
    expiration: int


def rrsig(
    key: KeyPair, zone: bytes, life: Lifetime, owner: bytes, rtype: int, rclass: int, ttl: int, rdatas: Iterable[bytes]
) -> bytes:
    """Return the rdata of an RRSIG over an RRset, whose original TTL is `ttl` (RFC 4034 §3.1)."""
    head = b"".join((
        rtype.to_bytes(2, "big"), bytes((key.algorithm, label_count(owner))), ttl.to_bytes(4, "big"),
        (life.expiration & 0xFFFFFFFF).to_bytes(4, "big"), (life.inception & 0xFFFFFFFF).to_bytes(4, "big"),
        key.tag.to_bytes(2, "big"), zone,
    ))  # fmt: skip
    return head + key.sign(head + rrset_octets(owner, rtype, rclass, ttl, rdatas))
