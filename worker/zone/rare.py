"""Rdata of the types that are met seldom, by dnspython; and the generic form of any type (RFC 3597 §5).

dnspython is loaded when the first such record appears.
"""

from __future__ import annotations

from ..wire.codes import type_text
from .errors import Bad, Token
from .rdata import COMMON, Words, ascii_text
from .signed import SIGNED
from .tokens import QUOTED


def rdata_of(rtype: int, words: Words) -> bytes:
    """Return the wire form of the words behind a type; raises `Bad`."""
    if words.words and words.words[0].text == b"\\#" and words.words[0].kind != QUOTED:
        return _generic(words)
    reader = COMMON.get(rtype)
    if reader is not None:
        return reader(words)
    plain = SIGNED.get(rtype)
    if plain is not None:
        try:
            rdata = plain([token.text for token in words.words], words.origin)
        except (ValueError, IndexError):
            return _by_dnspython(rtype, words)
        words.rest()
        return rdata
    return _by_dnspython(rtype, words)


def _generic(words: Words) -> bytes:
    words.next()
    token = words.next()
    if not token.text.isdigit():
        raise Bad("bad RFC3597 Rdata ", token)
    try:
        data = bytes.fromhex(words.joined().decode("ascii", "replace"))
    except ValueError:
        raise Bad("bad RFC3597 Rdata", token) from None
    if len(data) != int(token.text):
        raise Bad("bad RFC3597 Rdata", token)
    return data


def _by_dnspython(rtype: int, words: Words) -> bytes:
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    kind = type_text(rtype)
    tokens = words.rest()
    if kind.startswith("TYPE"):  # RFC 3597 §5: a type without mnemonic has only the generic form
        raise Bad("bad RFC3597 Rdata", tokens[0] if tokens else words.end)
    origin, _ = dns.name.from_wire(words.origin, 0)
    text = "".join([_text(token) for token in words.tokens])
    try:
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), text, origin=origin, relativize=False
        )
        wire = rdata.to_wire(origin=origin)
    except (dns.exception.DNSException, ValueError, KeyError, IndexError):
        raise Bad(f"bad {kind} rdata", tokens[0] if tokens else words.end) from None
    assert wire is not None
    return wire


def _text(token: Token) -> str:
    text = ascii_text(token.text)
    return f'"{text}"' if token.kind == QUOTED else text
