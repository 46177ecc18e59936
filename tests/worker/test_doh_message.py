"""Requests of DNS over HTTP and what goes with their answers (spec https)."""

from __future__ import annotations

import base64

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from shardns.worker import log
from shardns.worker.doh_message import INVALID, NOT_FOUND, HttpError, explain, headers, max_age, message, refusal

WIRE = dns.message.make_query("a.test", "A", id=0).to_wire()
TEXT = base64.urlsafe_b64encode(WIRE).rstrip(b"=")
LONGEST = base64.urlsafe_b64encode(bytes(65536)).rstrip(b"=")


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        (b"POST", b"/dns-query", WIRE, WIRE),
        (b"POST", b"/dns-query?whatever", WIRE, WIRE),
        (b"POST", b"/dns-query", bytes(65536), bytes(65536)),
        (b"POST", b"/dns-query", bytes(65537), INVALID),
        (b"POST", b"/adb10c", WIRE, NOT_FOUND),
        (b"POST", b"/dns-query/", WIRE, NOT_FOUND),
        (b"GET", b"/dns-query?dns=" + TEXT, b"", WIRE),
        (b"GET", b"/dns-query?a=b&dns=" + TEXT + b"&c", b"", WIRE),
        (b"GET", b"/dns-query?d%6es=" + TEXT, b"", WIRE),
        (b"GET", b"/dns-query?d%6es=" + TEXT + b"&dns=" + TEXT, b"", INVALID),
        (b"GET", b"/dns-query?dns=" + LONGEST, b"", bytes(65536)),
        (b"GET", b"/dns-query?dns=" + LONGEST + b"A", b"", INVALID),
        (b"GET", b"/dns-query?dns=" + TEXT + b"&dns=" + TEXT, b"", INVALID),
        (b"GET", b"/dns-query", b"", INVALID),
        (b"GET", b"/dns-query?dns=AAA=", b"", INVALID),
        (b"GET", b"/dns-query?dns=AA+/", b"", INVALID),
        (b"GET", b"/dns-query?dns=A", b"", INVALID),
        (b"GET", b"/?dns=" + TEXT, b"", NOT_FOUND),
        (b"HEAD", b"/dns-query?dns=" + TEXT, b"", INVALID),
        (b"PUT", b"/dns-query", WIRE, INVALID),
    ],
)
def test_requests_give_messages_or_errors(
    method: bytes, target: bytes, body: bytes, expected: bytes | HttpError
) -> None:
    assert message(method, target, body) == expected


@pytest.mark.parametrize(
    ("method", "target", "reason"),
    [
        (b"GET", b"/dns-query", "no 'dns' query parameter found"),
        (b"GET", b"/dns-query?dns=AAAA&dns=AAAA", "multiple 'dns' query values found"),
        (b"GET", b"/dns-query?dns=AAA=", "illegal base64 data at input byte 3"),
        (b"GET", b"/dns-query?dns=A", "illegal base64 data at input byte 0"),
        (b"PUT", b"/dns-query", "method not allowed: PUT"),
        (b"GET", b"/dns-query?dns=" + LONGEST + b"A", "the 'dns' query value is too long"),
    ],
)
def test_the_log_tells_the_reason(
    method: bytes,
    target: bytes,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    refused = message(method, target, b"")
    assert isinstance(refused, HttpError)
    explain(refused, "DoH")
    assert capfdbinary.readouterr().out == b""
    monkeypatch.setattr(log, "debugging", True)
    explain(refused, "DoH")
    explain(NOT_FOUND, "DoH")
    assert capfdbinary.readouterr().out.decode() == f"[DEBUG] DoH request could not be parsed: {reason}\n"


def test_a_body_that_is_too_long_is_refused_before_it_comes() -> None:
    assert refusal(b"POST", b"/dns-query", 65536) is None
    assert refusal(b"POST", b"/dns-query", 65537) == INVALID


def rrset(text: str) -> dns.rrset.RRset:
    owner, ttl, cls, rdtype, rdata = text.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl), cls, rdtype, rdata)


def answer(*records: str, authority: tuple[str, ...] = (), rcode: int = 0, edns: bool = False) -> bytes:
    """Return an answer without its ID."""
    made = dns.message.make_response(dns.message.from_wire(WIRE))
    made.answer = [rrset(text) for text in records]
    made.authority = [rrset(text) for text in authority]
    made.set_rcode(dns.rcode.Rcode(rcode))
    if edns:
        made.use_edns(0)
    return made.to_wire()[2:]


SOA = "test. 300 IN SOA ns.test. root.test. 1 2 3 4 5"
NS = "test. 200 IN NS ns.test."


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (answer("a.test. 60 IN A 192.0.2.1", "a.test. 30 IN TXT x"), 30),
        (answer("a.test. 9999 IN A 192.0.2.1"), 3600),
        (answer("a.test. 60 IN A 192.0.2.1", edns=True), 60),
        (answer("a.test. 60 IN A 192.0.2.1", authority=(NS,)), 60),
        (answer(authority=(SOA,)), 300),
        (answer(authority=(SOA,), rcode=3), 300),
        (answer("a.test. 60 IN A 192.0.2.1", rcode=3), 5),
        (answer(authority=(NS,)), 5),
        (answer(), 5),
        (answer(edns=True), 5),
        (answer(rcode=2), 5),
        (answer("a.test. 0 IN A 192.0.2.1"), 0),
    ],
)
def test_an_answer_may_be_kept_as_long_as_its_shortest_record(wire: bytes, expected: int) -> None:
    assert max_age(wire, 0.0) == expected
    table = dict(headers(wire, 0.0))
    assert table[b"cache-control"] == b"max-age=%d" % expected
    assert table[b"content-length"] == b"%d" % (len(wire) + 2)
