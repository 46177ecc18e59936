"""Transaction signatures, with dnspython on the other side."""

from __future__ import annotations

import struct
import time
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import pytest

from shardns.worker import tsig
from shardns.worker.tsig import BADKEY, BADSIG, BADTIME, BADTRUNC, Exchange, Key, Signer, TsigError
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import Malformed

NAME = from_text("key.example.")
SECRET = b"0123456789abcdef0123456789abcdef"
RING = {dns.name.from_text("key.example."): SECRET}
ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")


def signed(algorithm: str = "hmac-sha256", secret: bytes = SECRET, key: str = "key.example.", **more: Any) -> Any:
    """Return dnspython's query with a signature put on."""
    query = dns.message.make_query("example.org.", "AXFR", use_edns=0)
    query.use_tsig({dns.name.from_text(key): secret}, keyname=key, algorithm=algorithm, **more)
    query.to_wire()
    return query


def verified(wire: bytes, now: float | None = None, secrets: tsig.Secrets | None = None) -> tsig.Tsig:
    """Verify a query that holds a record."""
    at = tsig.find(wire)
    assert at
    return tsig.verify(wire, at, {NAME: SECRET} if secrets is None else secrets, int(now or time.time()))


def answer(query: Any, text: str = "example.org. 60 IN A 192.0.2.1") -> bytes:
    """Return an unsigned answer without its ID."""
    reply = dns.message.make_response(query)
    reply.use_edns(False)
    reply.tsig = None
    name, ttl, rclass, rtype, rdata = text.split(maxsplit=4)
    reply.answer.append(dns.rrset.from_text(name, int(ttl), rclass, rtype, rdata))
    wire: bytes = reply.to_wire()
    return wire[2:]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_dnspython_signs_verifies_and_the_other_way_round(algorithm: str) -> None:
    query = signed(algorithm)
    record = verified(query.to_wire())
    signer = Signer(record, query.id, SECRET, int(time.time()))
    wire = query.id.to_bytes(2, "big") + signer.sign(answer(query))
    reply = dns.message.from_wire(wire, keyring=RING, request_mac=query.mac)
    assert reply.had_tsig and reply.tsig_error == 0 and reply.answer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_messages_of_a_stream_are_signed_one_over_the_other(algorithm: str) -> None:
    query = signed(algorithm)
    signer = Signer(verified(query.to_wire()), query.id, SECRET, int(time.time()))
    context = None
    for number in range(3):
        body = answer(query, f"example.org. 60 IN A 192.0.2.{number}")
        reply = dns.message.from_wire(
            query.id.to_bytes(2, "big") + signer.sign(body), keyring=RING, request_mac=query.mac, xfr=True,
            multi=True, tsig_ctx=context,
        )  # fmt: skip
        context = reply.tsig_ctx
        assert reply.had_tsig


def failure(wire: bytes, **more: Any) -> int:
    """Return the error with which a query is turned down."""
    with pytest.raises(TsigError) as caught:
        verified(wire, **more)
    return caught.value.code


def changed_mac(wire: bytes, mac: bytes) -> bytes:
    """Return a signed query with another MAC."""
    at = tsig.find(wire)
    record = tsig.parse(wire, at)
    return wire[:at] + tsig.Tsig(
        record.name, record.algorithm, record.signed, record.fudge, mac, record.original_id
    ).wire  # fmt: skip


def test_a_signature_that_does_not_hold_says_why() -> None:
    wire = signed().to_wire()
    assert failure(wire, secrets={}) == BADKEY
    assert failure(signed(key="KEY.example.").to_wire()) == BADKEY
    assert failure(signed(secret=b"other").to_wire()) == BADSIG
    assert failure(wire, secrets={NAME: None}) == BADSIG
    assert failure(wire[:13] + b"f" + wire[14:]) == BADSIG
    assert failure(wire, now=time.time() + 600) == BADTIME
    assert failure(wire, now=time.time() - 600) == BADTIME


def test_a_bad_signature_counts_before_a_bad_time() -> None:
    assert failure(signed(secret=b"other").to_wire(), now=time.time() + 600) == BADSIG


def test_a_good_signature_that_was_cut_is_told_so_and_a_stub_is_not() -> None:
    wire = signed().to_wire()
    mac = tsig.parse(wire, tsig.find(wire)).mac
    assert failure(changed_mac(wire, mac[:16])) == BADTRUNC
    assert failure(changed_mac(wire, mac[:15])) == BADSIG
    assert failure(changed_mac(wire, mac[:15] + b"x")) == BADSIG
    assert failure(changed_mac(wire, b"")) == BADSIG


def test_md5_is_refused() -> None:
    wire = signed().to_wire()
    at = tsig.find(wire)
    record = tsig.parse(wire, at)
    other = tsig.Tsig(NAME, from_text("hmac-md5.sig-alg.reg.int."), record.signed, 300, record.mac, record.original_id)
    assert failure(wire[:at] + other.wire) == BADSIG


def test_the_original_id_counts() -> None:
    wire = signed().to_wire()
    verified(b"\xab\xcd" + wire[2:])


@pytest.mark.parametrize(("code", "error"), [(BADKEY, dns.tsig.PeerBadKey), (BADSIG, dns.tsig.PeerBadSignature)])
def test_an_error_of_the_key_goes_out_unsigned(code: int, error: type[Exception]) -> None:
    query = signed()
    record = tsig.parse(query.to_wire(), tsig.find(query.to_wire()))
    wire = query.id.to_bytes(2, "big") + Signer(record, query.id, None, int(time.time()), code).sign(answer(query))
    found = tsig.parse(wire, tsig.find(wire))
    assert (found.mac, found.signed, found.error, found.original_id) == (b"", 0, code, query.id)
    with pytest.raises(error):
        dns.message.from_wire(wire, keyring=RING, request_mac=query.mac)


def test_an_error_of_the_time_goes_out_signed_with_both_times() -> None:
    query = signed()
    record = tsig.parse(query.to_wire(), tsig.find(query.to_wire()))
    now = record.signed + 600
    rest = answer(query)
    wire = query.id.to_bytes(2, "big") + Signer(record, query.id, SECRET, now, BADTIME).sign(rest)
    found = tsig.parse(wire, tsig.find(wire))
    assert (found.signed, found.other, len(found.mac)) == (record.signed, now.to_bytes(6, "big"), 32)
    bare = tsig.stripped(wire, tsig.find(wire), query.id)
    data = struct.pack("!H", 32) + record.mac + bare + found.variables(False)
    tsig.check(found, data, {NAME: SECRET}, record.signed)


def test_our_own_queries_are_understood_and_the_answers_checked() -> None:
    exchange = Exchange(Key(NAME, SECRET))
    wire = exchange.sign(dns.message.make_query("example.org.", "AXFR").to_wire(), int(time.time()))
    query = dns.message.from_wire(wire, keyring=RING)
    assert query.had_tsig
    context = None
    for number in range(3):
        reply = dns.message.make_response(query)
        reply.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "A", f"192.0.2.{number}"))
        sent = reply.to_wire(multi=True, tsig_ctx=context)
        context = reply.tsig_ctx
        plain = exchange.check(sent, int(time.time()))
        assert not dns.message.from_wire(plain).had_tsig
    exchange.finish()


def test_a_stream_may_leave_out_signatures_but_not_the_last_one() -> None:
    query = signed()
    now = int(time.time())
    exchange = Exchange(Key(NAME, SECRET))
    exchange.sign(dns.message.make_query("example.org.", "AXFR").to_wire(), now)
    signer = Signer(tsig.Tsig(NAME, tsig.DEFAULT_ALGORITHM, now, 300, exchange._mac, 7), 7, SECRET, now)
    rest = answer(query)
    exchange.check(b"\0\7" + signer.sign(rest), now)
    exchange.check(b"\0\7" + rest, now)
    with pytest.raises(TsigError):
        exchange.finish()


def test_an_unsigned_answer_to_a_signed_query_is_refused() -> None:
    exchange = Exchange(Key(NAME, SECRET))
    exchange.sign(dns.message.make_query("example.org.", "SOA").to_wire(), int(time.time()))
    with pytest.raises(TsigError):
        exchange.check(b"\0\1" + answer(signed()), int(time.time()))


def test_a_record_that_runs_over_the_end_is_malformed() -> None:
    wire = signed().to_wire()
    at = tsig.find(wire)
    for end in range(at + 1, len(wire)):
        with pytest.raises(Malformed):
            tsig.parse(wire[:end], at)
