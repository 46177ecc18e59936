"""DNS messages in HTTP exchanges (RFC 8484), whatever version of HTTP carries them: `doh` and `quic.doh3` share this.

A request gives the DNS message or the error to answer with; an answer gives the header fields that go with it.
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from .classify import MAXIMAL_TTL_S, MINIMAL_TTL_S, signature_valid
from .wire.codes import AXFR, IXFR, NS, OPT, RRSIG, SOA, Opcode, Rcode

PATH: Final = b"/dns-query"
MAX_PARAMETER: Final = 87382  # characters: 65536 octets in base64
MAX_BODY_BYTES: Final = 65536
CONTENT_TYPE: Final = b"application/dns-message"
_USUAL: Final = PATH + b"?dns="
_BASE64URL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")
_DO: Final = 0x8000


class HttpError(NamedTuple):
    """An answer without a DNS message; its body is text."""

    status: int
    body: bytes

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields beside the status."""
        return [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", b"%d" % len(self.body)),
        ]


NOT_FOUND: Final = HttpError(404, b"\n")
INVALID: Final = HttpError(400, b"invalid request\n")
TOO_LARGE: Final = HttpError(431, b"431 Request Header Fields Too Large")
NO_RESPONSE: Final = HttpError(500, b"No response\n")


def refusal(method: bytes, target: bytes, size: int) -> HttpError | None:
    """Return what a request is answered whose body, of so many octets as it says, need not be waited for."""
    if _path(target) != PATH:
        return NOT_FOUND
    return INVALID if size > MAX_BODY_BYTES or method not in (b"GET", b"POST") else None


def message(method: bytes, target: bytes, body: bytes) -> bytes | HttpError:
    """Return the DNS message of a request; `target` is its path with the query string."""
    if method == b"GET" and target.startswith(_USUAL) and b"&" not in target and b"%" not in target:
        return _decoded(target[len(_USUAL) :])
    if _path(target) != PATH:
        return NOT_FOUND
    if method == b"POST":
        return body if len(body) <= MAX_BODY_BYTES else INVALID
    return _parameter(target.partition(b"?")[2]) if method == b"GET" else INVALID


def _path(target: bytes) -> bytes:
    path = target.partition(b"?")[0]
    return unquote_to_bytes(path) if b"%" in path else path


def _parameter(parameters: bytes) -> bytes | HttpError:
    parts = [part.partition(b"=") for part in parameters.split(b"&")]
    found = [value for name, _, value in parts if name == b"dns"]
    if len(found) != 1 or len(found[0]) > 3 * MAX_PARAMETER:
        return INVALID
    return _decoded(unquote_to_bytes(found[0]) if b"%" in found[0] else found[0])


def _decoded(text: bytes) -> bytes | HttpError:
    # RFC 8484 §6: base64url without padding
    if len(text) > MAX_PARAMETER or len(text) % 4 == 1 or text.translate(None, _BASE64URL):
        return INVALID
    return a2b_base64(text.translate(_TO_BASE64) + b"=" * (-len(text) % 4))


def headers(answer: bytes, now: float) -> list[tuple[bytes, bytes]]:
    """Return the fields that go with an answer (given without its message ID); `now` is in s since 1970."""
    return [
        (b"content-type", CONTENT_TYPE),
        (b"content-length", b"%d" % (len(answer) + 2)),
        (b"cache-control", b"max-age=%d" % max_age(answer, now)),
    ]


def max_age(answer: bytes, now: float) -> int:
    """Return how many seconds an answer may be kept: its least TTL (RFC 8484 §5.1), 5 s for failures."""
    flags, questions, *counts = (int.from_bytes(answer[at : at + 2], "big") for at in range(0, 10, 2))
    at, qtype = 10, 0
    for _ in range(questions):
        at = _behind_name(answer, at) + 4
        qtype = int.from_bytes(answer[at - 4 : at - 2], "big")
    if (flags >> 11) & 15 == Opcode.NOTIFY or qtype in (AXFR, IXFR):
        return MINIMAL_TTL_S
    ttls: list[int] = []
    types: set[int] = set()  # of the authority section
    do = stale = False
    for section, count in enumerate(counts):
        for _ in range(count):
            at = _behind_name(answer, at)
            rtype = int.from_bytes(answer[at : at + 2], "big")
            end = at + 10 + int.from_bytes(answer[at + 8 : at + 10], "big")
            if rtype == OPT:
                do = do or bool(int.from_bytes(answer[at + 6 : at + 8], "big") & _DO)
            else:
                ttls.append(int.from_bytes(answer[at + 4 : at + 8], "big"))
                stale = stale or (rtype == RRSIG and not signature_valid(answer[at + 10 : end], now))
                if section == 1:
                    types.add(rtype)
            at = end
    lasting = ttls and _lasts(flags & 15, bool(counts[0]), types) and not (do and stale)
    return min(*ttls, MAXIMAL_TTL_S) if lasting else MINIMAL_TTL_S


def _lasts(rcode: int, answers: bool, authority: set[int]) -> bool:
    if rcode == Rcode.NOERROR:
        return answers or SOA in authority or NS not in authority
    return rcode == Rcode.NXDOMAIN and not answers


def _behind_name(wire: bytes, at: int) -> int:
    while size := wire[at]:
        if size >= 0xC0:
            return at + 2
        at += size + 1
    return at + 1
