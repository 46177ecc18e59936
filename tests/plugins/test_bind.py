"""bind: listen addresses."""

from __future__ import annotations

import pytest

from shardns.config.draft import Draft
from shardns.plugins.bind.bind import Options
from tests.plugins.small import options, refusal

INTERFACES = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["192.0.2.7", "2001:db8::7", "fe80::7%eth0"],
    "10.0.0.1": ["198.51.100.1"],
}


def hosts(text: str) -> list[str]:
    draft = Draft(shared={"interfaces": INTERFACES})
    options(Options, text, draft)
    return list(draft.hosts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bind 1.2.3.4", ["1.2.3.4"]),
        ("bind 1.2.3.4 ::5", ["1.2.3.4", "::5"]),
        ("bind ::1 1.2.3.4 ::5 127.9.9.0", ["::1", "1.2.3.4", "::5", "127.9.9.0"]),
        ("bind 1.2.3.4 lo", ["1.2.3.4", "127.0.0.1", "::1"]),
        ("bind eth0", ["192.0.2.7", "2001:db8::7", "fe80::7%eth0"]),
        ("bind 10.0.0.1", ["198.51.100.1"]),
        ("bind lo {\n except 127.0.0.1\n}", ["::1"]),
        ("bind lo {\n except ::0001\n}", ["127.0.0.1", "::1"]),
        ("bind lo eth0 {\n except lo\n except eth0\n}", ["127.0.0.1", "::1"]),
        ("bind lo {\n except ::1\n}\nbind ::1", ["127.0.0.1", "::1"]),
        ("bind 127.0.0.1\nbind ::1", ["127.0.0.1", "::1"]),
        ("bind lo\nbind 127.0.0.1", ["127.0.0.1", "::1", "127.0.0.1"]),
        ("bind 127.0.0.1 {\n except 127.0.0.1\n}", []),
        ("bind lo {\n except noone\n except ::1\n}", ["127.0.0.1"]),
    ],
)
def test_lines_give_addresses_in_order(text: str, expected: list[str]) -> None:
    assert hosts(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bind", "at least one address or interface name is expected"),
        ("bind 1.2.3.invalid", 'not a valid IP address or interface name: "1.2.3.invalid"'),
        ("bind ::1 1.2.3.4 noone", 'not a valid IP address or interface name: "noone"'),
        ("bind fe80::1%lo", 'not a valid IP address or interface name: "fe80::1%lo"'),
        ("bind ::1 {\n except\n}", "at least one address or interface must be given to except subdirective"),
        ("bind ::1 {\n x\n}", 'invalid option "x"'),
        ("bind noone {\n x\n}", 'invalid option "x"'),  # the line is read before its addresses are judged
        ("bind noone {\n except\n}", "at least one address or interface must be given to except subdirective"),
        ("bind ::1 {\n except noone\n}", 'not a valid IP address or interface name: "noone"'),
        ('bind a"b', 'not a valid IP address or interface name: "a\\"b"'),
    ],
)
def test_wrong_lines_are_refused_without_a_place_in_the_text(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/bind: {complaint}"


def test_a_block_without_bind_listens_on_the_wildcard() -> None:
    assert Draft().hosts == ("",)


def test_the_interfaces_of_this_machine_are_found() -> None:
    draft = Draft()
    options(Options, "bind lo", draft)
    assert "127.0.0.1" in draft.hosts
