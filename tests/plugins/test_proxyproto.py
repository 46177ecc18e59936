"""proxyproto: whose headers name the client."""

from __future__ import annotations

import pytest

from shardns.config.load import load
from shardns.config.model import Model
from shardns.config.source import Source
from shardns.plugins import order, schema
from shardns.plugins.proxyproto.proxyproto import Options, Tracking
from shardns.worker.address import Address
from shardns.worker.proxyproto.policy import Verdict, policy
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxyproto", Options()),
        ("proxyproto {\n}", Options()),
        ("proxyproto {\n allow\n}", Options()),
        ("proxyproto {\n allow 127.0.0.1/8 ::1/128\n}", Options(allow=("127.0.0.0/8", "::1/128"))),
        ("proxyproto {\n allow 10.0.0.0/8\n allow ::/0\n}", Options(allow=("10.0.0.0/8", "::/0"))),
        ("proxyproto {\n allow ::1/128\n default ignore\n}", Options(allow=("::1/128",), default="ignore")),
        ("proxyproto {\n default USE\n default ReJect\n}", Options(default="reject")),
        (
            "proxyproto {\n default skip\n}\nproxyproto {\n allow ::1/128\n}",
            Options(allow=("::1/128",), default="skip"),
        ),
        ("proxyproto {\n udp_session_tracking 28s\n}", Options(udp_session_tracking=Tracking(28.0, 10_240))),
        ("proxyproto {\n udp_session_tracking 1m 500\n}", Options(udp_session_tracking=Tracking(60.0, 500))),
        ("proxyproto {\n udp_session_tracking 28s 20000\n}", Options(udp_session_tracking=Tracking(28.0, 20_000))),
        ("proxyproto {\n udp_session_tracking -1s\n}", Options(udp_session_tracking=Tracking(-1.0, 10_240))),
    ],
)
def test_options_are_read(text: str, expected: Options) -> None:
    assert options(Options, text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("proxyproto {\n unknown\n}", "Corefile:2 - Error during parsing: unknown option 'unknown'"),
        ("proxyproto extra", f"plugin/proxyproto: Corefile:1 - Error during parsing: {COUNT} 'extra'"),
        ("proxyproto {\n allow 127.0.0.1\n}", "plugin/proxyproto: 127.0.0.1: invalid CIDR address: 127.0.0.1"),
        ("proxyproto {\n default maybe\n}", f"plugin/proxyproto: Corefile:2 - Error during parsing: {COUNT} 'maybe'"),
        ("proxyproto {\n default\n}", f"plugin/proxyproto: Corefile:2 - Error during parsing: {COUNT} 'default'"),
        ("proxyproto {\n default use use\n}", f"plugin/proxyproto: Corefile:2 - Error during parsing: {COUNT} 'use'"),
        (
            "proxyproto {\n udp_session_tracking\n}",
            f"plugin/proxyproto: Corefile:2 - Error during parsing: {COUNT} 'udp_session_tracking'",
        ),
        (
            "proxyproto {\n udp_session_tracking 1s 2 3\n}",
            f"plugin/proxyproto: Corefile:2 - Error during parsing: {COUNT} '3'",
        ),
        (
            "proxyproto {\n udp_session_tracking notaduration\n}",
            'plugin/proxyproto: udp_session_tracking: invalid duration "notaduration": time: invalid duration '
            '"notaduration"',
        ),
        *[
            (
                f"proxyproto {{\n udp_session_tracking 1s {most}\n}}",
                f'plugin/proxyproto: udp_session_tracking: invalid max sessions "{most}": must be a positive integer',
            )
            for most in ("notanumber", "0", "-1")
        ],
    ],
)
def test_wrong_options_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


def model(text: str) -> Model:
    names = order()
    return load(Source("Corefile", text), {name: schema(name) for name in names}, names)


def verdict(lines: str, ip: str) -> Verdict | None:
    """Return what becomes of a peer's header where a block has these lines."""
    found = policy(model(f".:53 {{\n proxyproto {{\n{lines}\n}}\n whoami\n}}"), 0)
    return None if found is None else found.verdict(Address(ip, 4242))


@pytest.mark.parametrize(
    ("lines", "ip", "expected"),
    [
        ("", "192.0.2.1", Verdict.USE),
        ("default reject", "192.0.2.1", Verdict.REJECT),
        ("allow 192.0.2.0/24", "192.0.2.1", Verdict.USE),
        ("allow 192.0.2.0/24", "192.0.3.1", Verdict.IGNORE),
        ("allow 192.0.2.0/24\ndefault reject", "192.0.3.1", Verdict.REJECT),
        ("allow 192.0.2.0/24\ndefault skip", "192.0.3.1", Verdict.SKIP),
        ("allow 192.0.2.0/24\ndefault skip", "192.0.2.255", Verdict.USE),
        ("allow ::/0", "192.0.2.1", Verdict.IGNORE),
        ("allow ::ffff:192.0.2.0/120", "192.0.2.1", Verdict.USE),
        ("allow fe80::/10", "fe80::1%2", Verdict.USE),
        ("default skip", "192.0.2.1", None),
    ],
)
def test_a_peer_is_judged_by_its_network(lines: str, ip: str, expected: Verdict | None) -> None:
    assert verdict(lines, ip) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".:53 {\n whoami\n}", [None]),
        ("dns://.:53 tls://.:853 {\n proxyproto\n whoami\n}", [Verdict.USE, None]),
        ("a.:53 b.:53 {\n proxyproto\n whoami\n}", [Verdict.USE]),
        ("a.:53 {\n proxyproto\n whoami\n}\nb.:53 {\n proxyproto {\n default reject\n }\n whoami\n}", [Verdict.REJECT]),
        ("a.:53 {\n proxyproto\n whoami\n}\nb.:53 {\n whoami\n}", [Verdict.USE]),
        (".:53 {\n bind 127.0.0.1 127.0.0.2\n proxyproto\n whoami\n}", [Verdict.USE, Verdict.USE]),
    ],
)
def test_the_line_is_about_the_first_key_s_address_and_the_last_one_counts(
    text: str, expected: list[Verdict | None]
) -> None:
    made = model(text)
    found = [policy(made, index) for index in range(len(expected))]
    assert [one and one.verdict(Address("192.0.2.1", 1)) for one in found] == expected
