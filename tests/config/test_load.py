"""Spec core §9, checks 18 to 41, and the order of problems."""

from __future__ import annotations

import pickle

import pytest

from shardns.config.load import digest_of
from shardns.config.model import Endpoint, Key, listeners
from shardns.config.source import Source
from tests.config.small import first_line, model, refusal, zones

W = "{\n whoami\n}\n"
SERVED = [
    (".:1053\nwhoami", ["dns://.:1053"]),
    (".:1053\n" + W, ["dns://.:1053"]),
    (f"a.org, b.org {W}", ["dns://a.org.:1053", "dns://b.org.:1053"]),
    (f"a.org,b.org {W}", ["dns://a.org,b.org.:1053"]),
    (f"EXAMPLE.ORG {W}", ["dns://example.org.:1053"]),
    (f"a b:53 {W}", ["dns://a.:1053", "dns://b.:53"]),
    (f"a:0053 {W}", ["dns://a.:53"]),
    (f"tls://a quic://b grpc://c https://d https3://e {W}", [
        "tls://a.:853", "quic://b.:853", "grpc://c.:443", "https://d.:443", "https3://e.:443"]),
    (f"http://x {W}", ["dns://http://x.:1053"]),
    (f"10.0.0.0/15:53 z {W}", ["dns://0.10.in-addr.arpa.:53", "dns://1.10.in-addr.arpa.:53", "dns://z.:1053"]),
    (f"example.org {W} example.org:53 {W}", ["dns://example.org.:1053", "dns://example.org.:53"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "keys"), SERVED, ids=[text for text, _ in SERVED])
def test_keys_become_zones_and_ports(text: str, keys: list[str]) -> None:
    assert zones(model(text)) == keys


CLASH = "cannot serve dns://example.org.:1053"
OVERLAP = "cannot serve dns://.:1053{} - zone overlap listener capacity with dns://.:1053{}"
COUNT = "Wrong argument count or unexpected line ending after '{}'"
INSPECT = "error inspecting server blocks: "
REFUSED = [
    (". {\n x\n}", "Corefile:2 - Error during parsing: Unknown directive 'x'"),
    (f"{{$UNSET}}:1053 {W}", INSPECT + "zone is not a valid domain name: "),
    (f"example.org {W}EXAMPLE.org:1053 {W}", CLASH + " - it is already defined"),
    (f"example.org example.org. {W}", CLASH + " - it is already defined"),
    (f". {W}. {{\n bind 127.0.0.1\n}}", OVERLAP.format(" on 127.0.0.1", "")),
    (f". {{\n bind 127.0.0.1\n}}\n. {W}", OVERLAP.format("", " on 127.0.0.1")),
    (". {\n bind ::1 ::1\n}", "cannot serve dns://.:1053 on ::1 - it is already defined"),
    (f". {W}. {{\n bind ::1\n view a\n}}", OVERLAP.format(" on ::1", "")),
    (f"::1/64 {W}", INSPECT + "invalid CIDR ::1/64"),
    (f"example.org: {W}", INSPECT + 'expecting data after last colon: "example.org:"'),
    (f"example.org:99999 {W}", "address 99999: invalid port"),
    (f"{'a.' * 128} {W}", INSPECT + "specified zone is too long: 256 > 255"),
    (". {\n view a\n view b\n}", "plugin/view: this plugin can only be used once per Server Block"),
    (". {\n forward . 1.1.1.1\n}", "plugin/forward: not implemented yet"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), REFUSED, ids=[error for _, error in REFUSED])
def test_a_refusal_has_the_reference_s_text(text: str, error: str) -> None:
    assert first_line(text) == error


FINE = [
    "a {\n bind 127.0.0.1\n}\na {\n bind 127.0.0.2\n}",
    f". {{\n view a\n}}\n. {{\n view b\n}}\n. {W}",
    f". {W}. {{\n view a\n}}\n. {{\n view b\n}}",
    f". {{\n view a\n}}\n. {W}. {{\n view b\n}}",
    f"a {W}b {{\n bind 127.0.0.1\n}}",
    f"a {W}tls://a {W}",
]


@pytest.mark.parametrize("text", FINE)
def test_these_may_share_an_address(text: str) -> None:
    model(text)


@pytest.mark.parametrize("text", ["", "# nothing", "(s) {\n whoami\n}", "{$UNSET} {\n whoami\n}"])
def test_without_a_block_whoami_and_log_are_served(text: str) -> None:
    found = model(text)
    assert zones(found) == ["dns://.:1053"]
    assert [directive.name for directive in found.blocks[0].directives] == ["log", "whoami"]
    assert found.built_in


def test_directives_stand_in_the_order_of_the_chain() -> None:
    found = model(". {\n whoami\n log\n hosts\n}")
    assert [directive.name for directive in found.blocks[0].directives] == ["log", "hosts", "whoami"]


def test_root_is_known_to_directives_above_it() -> None:
    found = model(". {\n hosts x /b/y\n root /a\n root /c\n}").blocks[0].directive("hosts")
    assert found is not None
    assert found.options.path == "/c/x"


def test_problems_come_in_the_reference_s_order_and_all_of_them() -> None:
    error = refusal(". x: {\n hosts {\n ttl 0\n }\n debug off\n}\na {\n debug on\n log {\n class x\n }\n}")
    assert [(problem.text, problem.place and problem.place.line) for problem in error.problems] == [
        ('error inspecting server blocks: expecting data after last colon: "x:"', 1),
        (
            "plugin/debug: Corefile:5 - Error during parsing: " + COUNT.format("off"),
            5,
        ),
        (
            "plugin/debug: Corefile:8 - Error during parsing: " + COUNT.format("on"),
            8,
        ),
        ("plugin/log: invalid Class: x", 10),
        ("plugin/hosts: ttl provided is invalid", 3),
    ]


def test_a_broken_structure_is_told_alone_with_what_is_before_it() -> None:
    error = refusal(". {\n nope\n whoami")
    assert len(error.problems) == 2
    assert error.problems[1].text == "Corefile:3 - Syntax error: Unexpected token 'whoami', expecting '}'"


def test_excluding_every_address_leaves_no_listener() -> None:
    found = model(". {\n bind 127.0.0.1 {\n  except 127.0.0.1\n }\n}")
    assert listeners(found) == ()


def test_endpoints_and_warnings_are_collected_once() -> None:
    found = model(". {\n health :1\n}\na {\n health :1\n}\nb {\n health :2\n}")
    assert found.endpoints == (Endpoint("health", ":1", False), Endpoint("health", ":2", False))
    assert found.warnings == ("[WARNING] plugin/health: just a word",)


def test_models_with_one_meaning_are_equal_and_pickle() -> None:
    one = model("a {\n log x\n hosts f\n}")
    other = model("\n\nA. {\n hosts f # a comment\n\n log x\n}\n")
    assert one == other
    assert one.digest != other.digest
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != model("a {\n log y\n hosts f\n}")


def test_addresses_that_are_spelt_differently_are_one_listener() -> None:
    found = model("a {\n bind ::0001 ::1\n}\nb {\n bind ::1\n}\nc {\n bind ::ffff:127.0.0.1 2001:DB8::\n}")
    assert [(one.label, [zone for zone, _ in one.zones]) for one in listeners(found)] == [
        ("dns://[::1]:1053", [b"\1a\0", b"\1b\0"]),
        ("dns://127.0.0.1:1053", [b"\1c\0"]),
        ("dns://[2001:db8::]:1053", [b"\1c\0"]),
    ]


def test_listeners_group_keys_in_the_order_of_the_file() -> None:
    found = listeners(model("a b:53 {\n bind ::1 127.0.0.1\n debug\n}\nc {\n bind 127.0.0.1\n}\ntls://a {\n whoami\n}"))
    assert [(one.label, one.zones, one.debug) for one in found] == [
        ("dns://[::1]:1053", ((b"\1a\0", 0),), True),
        ("dns://127.0.0.1:1053", ((b"\1a\0", 0), (b"\1c\0", 1)), True),
        ("dns://[::1]:53", ((b"\1b\0", 0),), True),
        ("dns://127.0.0.1:53", ((b"\1b\0", 0),), True),
        ("tls://:853", ((b"\1a\0", 2),), False),
    ]


def test_a_key_prints_as_plugins_see_it() -> None:
    assert str(Key("dns", b"\7example\3org\0", 53)) == "dns://example.org.:53"


def test_the_digest_sees_lines_and_words_and_no_comments() -> None:
    text = ". {\n whoami\n}"
    same = digest_of(Source("Corefile", text + " # a comment\n\n"))
    assert digest_of(Source("Corefile", text)) == same == model(text).digest
    assert digest_of(Source("Corefile", "\n" + text)) != same
    assert digest_of(Source("Corefile", ". {\n unknown\n}"))
