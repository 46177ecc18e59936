from __future__ import annotations

import pytest

from shardns.config.names import to_text
from shardns.config.zones import normalise, split_port

ZONES = [
    ("example.org", ["example.org."]),
    ("EXAMPLE.org.", ["example.org."]),
    ("tls://example.org:853", ["example.org."]),
    (".", ["."]),
    ("10.0.0.0/24", ["0.0.10.in-addr.arpa."]),
    ("10.0.0.0/08:53", ["10.in-addr.arpa."]),
    ("0.0.0.0/0", ["in-addr.arpa."]),
    ("10.0.0.0/15", ["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]),
    ("192.0.2.1/32", ["1.2.0.192.in-addr.arpa."]),
    ("2001:db8::/31", ["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]),
    ("2001:db8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa."]),
    ("10.0.0.1", ["10.0.0.1."]),
    ("a:b", ["a:b."]),
    ("TLS://x", ["tls://x."]),
    ("zone{", ["zone{."]),
    ("::1/64", []),
    ("a..b", []),
    ("", []),
    ("x:", []),
]


@pytest.mark.parametrize(("text", "zones"), ZONES)
def test_a_zone_argument_becomes_names(text: str, zones: list[str]) -> None:
    assert [to_text(zone) for zone in normalise(text)] == zones


def test_half_an_octet_makes_128_zones() -> None:
    found = [to_text(zone) for zone in normalise("192.168.1.0/25")]
    assert found == [f"{n}.1.168.192.in-addr.arpa." for n in range(128)]


BAD = [
    ("a:", 'expecting data after last colon: "a:"'),
    (":53", "zone is not a valid domain name: "),
    ("::1/64", "invalid CIDR ::1/64"),
    ("0::/16", "invalid CIDR 0::/16"),
    ("a..b", "zone is not a valid domain name: a..b"),
    ("x" * 64, f"zone is not a valid domain name: {'x' * 64}"),
    ("a." * 128, "specified zone is too long: 256 > 255"),
]


@pytest.mark.parametrize(("text", "error"), BAD)
def test_a_bad_key_has_the_reference_s_text(text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        split_port(text)
    assert str(caught.value) == error


def test_only_the_last_digits_are_a_port() -> None:
    assert split_port("a:1:053") == (["a:1"], 53)
    assert split_port("example.org:99999") == (["example.org"], 99999)
