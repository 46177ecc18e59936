"""dns64: which answers are made up, and of what."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from shardns.plugins.dns64.dns64 import embed
from shardns.plugins.dns64.options import Options
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole, counted, texts

V6 = "2001:db8::1"
V4 = "10.240.0.1"
A = """template IN A {
    answer "{{ .Name }} 60 IN A 192.0.2.42"
    answer "{{ .Name }} 5000 IN A 192.0.2.43"
    authority "example.org. 7 IN NS ns.example.org."
    additional "ns.example.org. 8 IN A 192.0.2.1"
}
"""
NODATA = 'template IN AAAA {\n authority "example.org. 70 IN SOA ns.x. m.x. 1 2 3 4 5"\n}\n'
AAAA = 'template IN AAAA {\n answer "{{ .Name }} 60 IN AAAA ::1"\n answer "{{ .Name }} 5000 IN AAAA ::2"\n}\n'


def serving(backend: str, line: str = "dns64") -> Whole:
    return Whole(f". {{\n {line}\n {backend}\n}}")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("64:ff9b::/96", "64:ff9b::4040:4040"),
        ("64:ff9b::/64", "64:ff9b::40:4040:4000:0"),
        ("64:ff9b::/56", "64:ff9b:0:40:40:4040::"),
        ("64::/32", "64:0:4040:4040::"),
        ("2001:db8:122:344::/72", "2001:db8:122:344:40:4040:4000::"),
        # RFC 6052 §2.4, with 192.0.2.33 in place of this address:
        ("2001:db8::/32", "2001:db8:4040:4040::"),
        ("2001:db8:100::/40", "2001:db8:140:4040:40::"),
        ("2001:db8:122::/48", "2001:db8:122:4040:40:4000::"),
        ("2001:db8:122:300::/56", "2001:db8:122:340:40:4040::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:40:4040:4000:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::4040:4040"),
    ],
)
def test_addresses_are_embedded_as_rfc_6052_says(prefix: str, expected: str) -> None:
    found = embed(IPv6Network(prefix), IPv4Address("64.64.64.64").packed)
    assert str(IPv6Address(found)) == str(IPv6Address(expected))


def test_names_without_aaaa_get_some() -> None:
    answer = serving(A + NODATA).answered("a.example.org.", "AAAA", ip=V6)
    assert texts(answer.answer) == [
        "a.example.org. 60 IN AAAA 64:ff9b::c000:22a",
        "a.example.org. 70 IN AAAA 64:ff9b::c000:22b",
    ]
    assert texts(answer.authority) == ["example.org. 7 IN NS ns.example.org."]
    assert texts(answer.additional) == ["ns.example.org. 8 IN A 192.0.2.1"]
    assert (answer.rcode(), answer.flags & 0x04B0) == (0, 0)


def test_a_failure_that_was_answered_is_like_no_data_and_the_ttl_is_600_at_most() -> None:
    refused = 'template IN AAAA {\n rcode REFUSED\n additional "x. 1 IN A 192.0.2.9"\n}\n'
    answer = serving(A + refused).answered("a.example.org.", "AAAA", ip=V6)
    assert (answer.rcode(), [rrset.ttl for rrset in answer.answer]) == (0, [60, 600])


def test_neither_a_nor_aaaa() -> None:
    nothing = 'template IN A {\n rcode NXDOMAIN\n authority "example.org. 9 IN SOA a. b. 1 2 3 4 5"\n}\n'
    answer = serving(nothing + NODATA).answered("a.example.org.", "AAAA", ip=V6)
    assert (answer.rcode(), texts(answer.answer)) == (0, [])
    assert texts(answer.authority) == ["example.org. 9 IN SOA a. b. 1 2 3 4 5"]


def test_a_name_that_does_not_exist_stays_so() -> None:
    missing = 'template IN AAAA {\n rcode NXDOMAIN\n authority "example.org. 9 IN SOA a. b. 1 2 3 4 5"\n}\n'
    assert serving(A + missing).answered("a.example.org.", "AAAA", ip=V6).rcode() == 3


def test_names_with_aaaa_keep_them_unless_all_are_translated() -> None:
    found = [rrset.to_text() for rrset in serving(A + AAAA).answered("a.", "AAAA", ip=V6).answer]
    assert found == ["a. 60 IN AAAA ::1", "a. 5000 IN AAAA ::2"]
    line = "dns64 2001:db8:64::/96 {\n translate_all\n }"
    found = [rrset.to_text() for rrset in serving(A + AAAA, line).answered("a.", "AAAA", ip=V6).answer]
    assert found == ["a. 60 IN AAAA 2001:db8:64::c000:22a", "a. 600 IN AAAA 2001:db8:64::c000:22b"]


def test_only_aaaa_queries_over_ipv6_are_served_unless_ipv4_is_allowed() -> None:
    assert not serving(A + NODATA).answered("a.", "AAAA", ip=V4).answer
    assert texts(serving(A + NODATA).answered("a.", "A", ip=V6).answer)[0] == "a. 60 IN A 192.0.2.42"
    assert serving(A + NODATA, "dns64 {\n allow_ipv4\n}").answered("a.", "AAAA", ip=V4).answer


def test_other_records_of_the_answer_stay_in_place() -> None:
    alias = 'template IN A {\n match ^a\\.$\n answer "a. 60 IN CNAME b."\n answer "b. 60 IN A 192.0.2.42"\n}\n'
    answer = serving(alias + NODATA).answered("a.", "AAAA", ip=V6)
    assert texts(answer.answer) == ["a. 60 IN CNAME b.", "b. 60 IN AAAA 64:ff9b::c000:22a"]


def test_a_bare_failure_is_not_translated() -> None:
    assert serving(A).answered("a.", "AAAA", ip=V6).rcode() == 2


def test_the_owner_is_the_lower_case_name_and_the_question_as_typed() -> None:
    answer = serving(A + NODATA).answered("A.Example.ORG.", "AAAA", ip=V6)
    assert answer.question[0].to_text() == "A.Example.ORG. IN AAAA"
    assert texts(answer.answer)[0].startswith("a.example.org. ")


def test_each_translation_counts() -> None:
    whole = Whole(f".:5364 {{\n dns64\n {A + NODATA}\n}}")
    whole.answered("a.", "AAAA", ip=V6)
    whole.budget.flush()
    assert counted("dns64_requests_translated_total", "dns://:5364") == 5


def test_lines_are_brought_together_and_the_last_prefix_counts() -> None:
    whole = serving(A + NODATA, "dns64 {\n prefix 64::/32\n allow_ipv4\n}\n dns64 2001:db8:64::/96")
    assert texts(whole.answered("a.", "AAAA").answer)[0] == "a. 60 IN AAAA 2001:db8:64::c000:22a"


@pytest.mark.parametrize(
    "text",
    [
        "dns64",
        "dns64 64:dead::/96",
        "dns64 {\n prefix 64:ff9b::/32\n prefix 2002:ac12:b083::/96\n}",
        "dns64 {\n prefix 2002:c0a8:a88a::/48\n translate_all\n allow_ipv4\n}",
    ],
)
def test_good_lines(text: str) -> None:
    assert options(Options, text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dns64 foobar", "invalid CIDR address: foobar"),
        ("dns64 foobar {\n prefix 64:ff9b::/96\n}", "invalid CIDR address: foobar"),
        ("dns64 8.8.8.8/24", 'Corefile:1 - Error during parsing: invalid netmask 32 IPv6 address: "8.8.8.0/24"'),
        ("dns64 64:ff9b::/52", 'Corefile:1 - Error during parsing: invalid prefix length "64:ff9b::/52"'),
        (
            "dns64 {\n prefix 64:ff9b::/104\n}",
            'Corefile:2 - Error during parsing: invalid prefix length "64:ff9b::/104"',
        ),
        ("dns64 {\n foobar\n}", "Corefile:2 - Error during parsing: unknown property 'foobar'"),
        (
            "dns64 {\n prefix\n}",
            "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'prefix'",
        ),
    ],
)
def test_bad_lines(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/dns64: {complaint}"
