"""DNS messages in HTTP exchanges (RFC 8484), whatever version of HTTP carries them: `doh` and `quic.doh3` share this.

A request gives the DNS message or the error to answer with; an answer gives the header fields that go with it.
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from . import log
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


class Invalid(HttpError):
    """The answer to a request without a DNS message, the same whatever the `reason`, which only the log tells."""

    reason: str = ""


def invalid(reason: str) -> Invalid:
    """Return the answer to a request without a DNS message."""
    made = Invalid(*INVALID)
    made.reason = reason
    return made


def explain(error: HttpError, name: str) -> None:
    """Log why a request has no DNS message, at debug level."""
    if log.debugging and isinstance(error, Invalid):
        log.debug(f"{name} request could not be parsed: {error.reason}")


NOT_FOUND: Final = HttpError(404, b"\n")
INVALID: Final = HttpError(400, b"invalid request\n")
TOO_LONG: Final = "http: request body too large"
LATE: Final = "i/o timeout"
TOO_LARGE: Final = HttpError(431, b"431 Request Header Fields Too Large")
NO_RESPONSE: Final = HttpError(500, b"No response\n")


def refusal(method: bytes, target: bytes, size: int) -> HttpError | None:
    """Return what a request is answered whose body, of so many octets as it says, need not be waited for."""
    if _path(target) != PATH:
        return NOT_FOUND
    if method not in (b"GET", b"POST"):
        return _wrong_method(method)
    return invalid(TOO_LONG) if size > MAX_BODY_BYTES else None


def message(method: bytes, target: bytes, body: bytes) -> bytes | HttpError:
    """Return the DNS message of a request; `target` is its path with the query string."""
    if method == b"GET" and target.startswith(_USUAL) and b"&" not in target and b"%" not in target:
        return _decoded(target[len(_USUAL) :])
    if _path(target) != PATH:
        return NOT_FOUND
    if method == b"POST":
        return body if len(body) <= MAX_BODY_BYTES else invalid(TOO_LONG)
    return _parameter(target.partition(b"?")[2]) if method == b"GET" else _wrong_method(method)


def _wrong_method(method: bytes) -> HttpError:
    return invalid(f"method not allowed: {method.decode('ascii', 'backslashreplace')}")


def _path(target: bytes) -> bytes:
    path = target.partition(b"?")[0]
    return unquote_to_bytes(path) if b"%" in path else path


def _parameter(parameters: bytes) -> bytes | HttpError:
    parts = [part.partition(b"=") for part in parameters.split(b"&")]
    found = [value for name, _, value in parts if name == b"dns" or unquote_to_bytes(name) == b"dns"]
    if len(found) != 1:
        return invalid("multiple 'dns' query values found" if found else "no 'dns' query parameter found")
    if len(found[0]) > 3 * MAX_PARAMETER:
        return invalid("the 'dns' query value is too long")
    return _decoded(unquote_to_bytes(found[0]) if b"%" in found[0] else found[0])


def _decoded(text: bytes) -> bytes | HttpError:
    # RFC 8484 §6: base64url without padding
    if len(text) > MAX_PARAMETER:
        return invalid("the 'dns' query value is too long")
    wrong = text.translate(None, _BASE64URL)[:1]
    if wrong or len(text) % 4 == 1:
        return invalid(f"illegal base64 data at input byte {text.index(wrong) if wrong else len(text) - 1}")
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
