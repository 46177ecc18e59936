"""grpc: what the line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.grpc.options import Options
from shardns.plugins.grpc.targets import Target
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"
UNKNOWN = "Corefile:2 - Error during parsing: unknown property"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("127.0.0.1", Target("127.0.0.1:53", "127.0.0.1", 53)),
        ("127.0.0.1:8080", Target("127.0.0.1:8080", "127.0.0.1", 8080)),
        ("[::1]:53", Target("[::1]:53", "::1", 53)),
        ("::1", Target("[::1]:53", "::1", 53)),
        ("[2003::1]:53", Target("[2003::1]:53", "2003::1", 53)),
        ("unix:///var/run/g.sock", Target("unix:///var/run/g.sock", path="/var/run/g.sock")),
        ("grpc://127.0.0.1", Target("grpc://127.0.0.1:443", "127.0.0.1", 443)),
        ("tls://127.0.0.1", Target("tls://127.0.0.1:853", "127.0.0.1", 853, spoken=False)),
    ],
)
def test_upstreams_are_read(to: str, expected: Target) -> None:
    assert options(Options, f"grpc . {to}").targets == (expected,)


def test_a_file_gives_its_nameservers(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.10.255.252\nsearch example.org\nnameserver 10.10.255.253\n")
    found = options(Options, f"grpc . {path} 127.0.0.1 127.0.0.1").targets
    assert [target.text for target in found] == [
        "10.10.255.252:53",
        "10.10.255.253:53",
        "127.0.0.1:53",
        "127.0.0.1:53",
    ]


def test_properties_are_read() -> None:
    found = options(
        Options,
        "grpc example.org 127.0.0.1 {\n except a.example.org\n except b.example.org c.example.org\n"
        " tls_servername dns.example\n policy sequential\n fallthrough example.org\n fallthrough a.org b.org\n}",
    )
    assert found.zone == b"\7example\3org\0"
    assert found.except_zones == (b"\1a\7example\3org\0", b"\1b\7example\3org\0", b"\1c\7example\3org\0")
    assert (found.tls_servername, found.encrypts, found.policy) == ("dns.example", True, "sequential")
    assert found.fallthrough == (b"\1a\3org\0", b"\1b\3org\0")
    assert options(Options, "grpc . 127.0.0.1 {\n fallthrough\n}").fallthrough == (b"\0",)
    plain = options(Options, "grpc . 127.0.0.1")
    assert (plain.fallthrough, plain.policy, plain.encrypts) == (None, "random", False)
    assert options(Options, "grpc . 127.0.0.1 {\n tls\n}").encrypts


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("grpc", f"Corefile:1 - Error during parsing: {COUNT} 'grpc'"),
        ("grpc .", f"Corefile:1 - Error during parsing: {COUNT} '.'"),
        (
            "grpc . a27.0.0.1",
            'not an IP address or file "a27.0.0.1": failed to open file "a27.0.0.1": '
            '"open a27.0.0.1: no such file or directory"',
        ),
        ("grpc . /", 'not an IP address or file "/": read /: is a directory'),
        (f"grpc {'x' * 64} 127.0.0.1", f"unable to normalize '{'x' * 64}'"),
        ("grpc . /dev/null", "no nameservers found"),
        (f"grpc . {'127.0.0.1 ' * 16}", "more than 15 TOs configured: 16"),
        ("grpc . 127.0.0.1 {\n blaatl\n}", "Corefile:2 - Error during parsing: unknown property 'blaatl'"),
        ("grpc . 127.0.0.1 {\n policy best\n}", "Corefile:2 - Error during parsing: unknown policy 'best'"),
        ("grpc . 127.0.0.1 {\n policy random sequential\n}", f"{UNKNOWN} 'sequential'"),
        ("grpc . 127.0.0.1 {\n tls_servername a b\n}", f"{UNKNOWN} 'b'"),
        ("grpc . 127.0.0.1 {\n except\n}", f"Corefile:2 - Error during parsing: {COUNT} 'except'"),
        ("grpc . 127.0.0.1 {\n tls a b c d\n}", f"Corefile:2 - Error during parsing: {COUNT} 'd'"),
        ("grpc . 127.0.0.1\ngrpc . 127.0.0.2", "this plugin can only be used once per Server Block"),
    ],
)
def test_wrong_lines_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/grpc: {complaint}"


def test_tls_files_stand_below_the_root() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"):
        options(Options, "grpc . 127.0.0.1 {\n tls ca.pem\n}", Draft(root="/nowhere"))
