"""Rdata of the types that are met seldom, by dnspython; and the generic form of any type (RFC 3597 §5).

dnspython is loaded when the first such record appears.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..wire.codes import HINFO, HTTPS, SVCB, TXT, type_text
from .errors import Bad, Token
from .rdata import COMMON, Words, ascii_text, hex_of, unescape
from .service import service
from .signed import SIGNED
from .tokens import QUOTED


def rdata_of(rtype: int, words: Words) -> bytes:
    """Return the wire form of the words behind a type; raises `Bad`."""
    if words.words and words.words[0].text == b"\\#" and words.words[0].kind != QUOTED:
        return _generic(words)
    reader = COMMON.get(rtype) or _READERS.get(rtype)
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


def _hinfo(words: Words) -> bytes:
    """RFC 1035 §3.3.2; one text may hold both, and what follows the first belongs to the second."""
    texts = [unescape(token.text) for token in words.rest()]
    if len(texts) == 1:
        split = texts[0].split()
        texts = split if len(split) > 1 else [*texts, b""]
    both = texts[0], b" ".join(texts[1:])
    if any(len(text) > 255 for text in both):
        raise Bad("bad HINFO Fields", words.end)
    return b"".join(bytes((len(text),)) + text for text in both)


def _hashed(kind: str, data: str, *fields: tuple[str, int]) -> Callable[[Words], bytes]:
    """Read numbers (name, bits) and hexadecimal data of any length."""

    def read(words: Words) -> bytes:
        numbers = [words.number(f"bad {kind} {field}", bits) for field, bits in fields]
        return b"".join(numbers) + hex_of(words, f"bad {kind} {data}")

    return read


def unclosed(rtype: int) -> str:
    """Return the text for a quote that is never closed."""
    kind = type_text(rtype)
    return f"bad {kind} {_TEXTS.get(rtype, 'rdata')}"


_TEXTS: Final = {**dict.fromkeys((TXT, 56, 99, 258, 261), "Txt"), HINFO: "Fields", 257: "Value"}
_CERTIFICATE: Final = (("Usage", 8), ("Selector", 8), ("MatchingType", 8))
_READERS: Final[dict[int, Callable[[Words], bytes]]] = {
    HINFO: _hinfo,
    44: _hashed("SSHFP", "Fingerprint", ("Algorithm", 8), ("Type", 8)),
    52: _hashed("TLSA", "Certificate", *_CERTIFICATE),
    53: _hashed("SMIMEA", "Certificate", *_CERTIFICATE),
    63: _hashed("ZONEMD", "Digest", ("Serial", 32), ("Scheme", 8), ("Hash Algorithm", 8)),
    SVCB: service,
    HTTPS: service,
}
