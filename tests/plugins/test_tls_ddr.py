"""tls ddr: the records match the listeners that there are."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest

from shardns.config.model import Encryption, Listening
from shardns.plugins.tls.ddr import Designations
from shardns.worker.wire.codes import SVCB, A
from shardns.worker.wire.names import from_text
from tests.plugins.small import message
from tests.worker.fakes import query

SEALED = Encryption("cert.pem", "key.pem")


def at(transport: str, port: int, host: str = "", encryption: Encryption | None = SEALED) -> Listening:
    """A listener."""
    return Listening(transport, host, port, ((b"\0", 0),), encryption=encryption)


def asked(*all_of: Listening, name: str = "_dns.resolver.arpa.", qtype: int = SVCB) -> dns.message.Message:
    """Return what a client is told."""
    one = query(name, qtype)
    return message(one, Designations(from_text("dns.test."), all_of).reply(one))


def records(*all_of: Listening) -> list[str]:
    """Return the records as text."""
    return sorted(rdata.to_text() for rrset in asked(*all_of).answer for rdata in rrset)


def test_every_encrypted_listener_is_told_with_protocol_port_and_path() -> None:
    told = records(at("dns", 53), at("tls", 853), at("https", 443), at("quic", 8853), at("grpc", 444))
    assert told == [
        '1 dns.test. alpn="dot" port="853"',
        '2 dns.test. alpn="h2" port="443" dohpath="/dns-query{?dns}"',
        '3 dns.test. alpn="doq" port="8853"',
    ]


def test_http_of_one_port_is_one_record_and_of_two_ports_are_two() -> None:
    assert records(at("https", 443), at("https3", 443)) == [
        '1 dns.test. alpn="h2,h3" port="443" dohpath="/dns-query{?dns}"'
    ]
    assert len(records(at("https", 443), at("https3", 8443))) == 2


def test_clear_text_is_not_told() -> None:
    assert records(at("tls", 853, encryption=None), at("dns", 53)) == []


def test_addresses_are_told_where_listeners_are_bound() -> None:
    told = records(at("tls", 853, "192.0.2.1"), at("tls", 853, "192.0.2.2"), at("tls", 853, "2001:db8::1"))
    assert told == [
        '1 dns.test. alpn="dot" port="853" ipv4hint="192.0.2.1,192.0.2.2" ipv6hint="2001:db8::1"',
    ]  # fmt: skip
    assert "hint" not in records(at("tls", 853, "192.0.2.1"), at("tls", 853))[0]


@pytest.mark.parametrize(
    ("name", "qtype", "rcode"),
    [
        ("_dns.resolver.arpa.", A, dns.rcode.NOERROR),
        ("resolver.arpa.", SVCB, dns.rcode.NOERROR),
        ("x.resolver.arpa.", SVCB, dns.rcode.NXDOMAIN),
    ],
)
def test_there_is_nothing_else_in_resolver_arpa(name: str, qtype: int, rcode: dns.rcode.Rcode) -> None:
    found = asked(at("tls", 853), name=name, qtype=qtype)
    assert found.rcode() == rcode
    assert not found.answer
    assert found.authority[0].name.to_text() == "resolver.arpa."
    assert found.authority[0][0].minimum == 10800


def test_the_case_of_the_question_is_kept() -> None:
    found = asked(at("tls", 853), name="_DNS.Resolver.ARPA.")
    assert found.answer[0].name.to_text() == "_DNS.Resolver.ARPA."
