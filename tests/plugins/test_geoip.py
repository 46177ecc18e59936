"""geoip: labels from made-up databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.plugins.geoip.database import Unusable, decimal, schema_of
from shardns.plugins.geoip.geoip import Options, subnet
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole, texts

DATA = Path(__file__).parent / "data"
CITY, ASN = DATA / "city.mmdb", DATA / "asn.mmdb"
PARSE = "plugin/geoip: Corefile:{} - Error during parsing: {}"


def labels(
    database: Path, *names: str, ip: str = "127.0.0.1", option: bytes = b"", more: str = "metadata"
) -> list[str]:
    """Return the values of labels, as a template shows them."""
    shown = "|".join(f"{{{{ .Meta `geoip/{name}` }}}}" for name in names)
    subnet = "{\n edns-subnet\n }" if option else ""
    answer = f'template IN TXT {{\n answer "{{{{ .Name }}}} 60 IN TXT \\"{shown}\\""\n }}'
    whole = Whole(f". {{\n {more}\n geoip {database} {subnet}\n {answer}\n}}")
    found = whole.answered("a.", "TXT", ip=ip, options=((8, option),) if option else ())
    assert not more or not whole.is_memorised()
    return texts(found.answer)[0].split('"')[1].split("|")


def test_a_city_database_gives_places() -> None:
    names = (
        "city/name", "country/code", "country/name", "country/is_in_european_union", "continent/code",
        "continent/name", "latitude", "longitude", "timezone", "postalcode", "subdivisions/code",
    )  # fmt: skip
    assert labels(CITY, *names) == [
        "Exampleville", "XE", "Examplia", "true", "EU", "Europe", "52.2242", "-0.1315", "Europe/London", "EX4",
        "ENG,CAM",
    ]  # fmt: skip
    assert labels(CITY, *names, ip="192.0.3.1") == ["", "", "", "false", "", "", "", "", "", "", ""]


def test_labels_of_the_other_schema_are_not_there() -> None:
    assert labels(CITY, "city/name", "asn/number") == ["Exampleville", ""]
    assert labels(ASN, "city/name", "asn/number") == ["", "64500"]


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("127.0.0.1", ["64500", "Example Networks Ltd"]),
        ("127.0.0.2", ["4294967295", ""]),
        ("127.0.0.3", ["0", "Org without number"]),
        ("203.0.113.1", ["0", ""]),
        ("2001:db8:1::1", ["64496", "Six Net"]),
    ],
)
def test_an_asn_database_gives_networks(ip: str, expected: list[str]) -> None:
    assert labels(ASN, "asn/number", "asn/org", ip=ip) == expected


@pytest.mark.parametrize(
    ("option", "number"),
    [
        ("00012000c6336409", "65551"),
        ("00011800c63364", "65551"),
        ("0002300020010db80001", "64496"),
        ("00010000", "0"),
    ],
)
def test_the_address_of_a_client_subnet_option_is_looked_up(option: str, number: str) -> None:
    assert labels(ASN, "asn/number", option=bytes.fromhex(option)) == [number]


def test_without_metadata_there_are_no_labels() -> None:
    assert labels(CITY, "city/name", more="") == [""]


def test_a_view_may_decide_by_a_label() -> None:
    view = "view here {\n expr metadata('geoip/city/name') == 'Exampleville'\n}"
    whole = Whole(f"a. {{\n metadata\n geoip {CITY}\n {view}\n whoami\n}}\na. {{\n any\n}}")
    for _ in range(3):
        assert whole.answered("a.", ip="127.0.0.1").rcode() == 0
        assert whole.answered("a.", ip="127.0.0.2").rcode() == 2


@pytest.mark.parametrize(
    ("number", "text"),
    [(52.2242, "52.2242"), (-34.6, "-34.6"), (10.0, "10"), (0.0, "0"), (1e-7, "0.0000001"), (None, "")],
)
def test_numbers_are_short_decimals(number: float | None, text: str) -> None:
    assert decimal(number) == text


@pytest.mark.parametrize("value", [b"", b"\0\3\0\0", b"\0\1\x20\0" + bytes(5)])
def test_options_that_hold_no_address(value: bytes) -> None:
    assert subnet(value) is None


def test_kinds_of_databases() -> None:
    assert schema_of("DBIP-Location-ISP (compat=Enterprise)") == "city"
    with pytest.raises(Unusable, match=r"does not provide any supported schema \(city, asn\)"):
        schema_of("GeoIP2-Domain")
    with pytest.raises(Unusable, match='geoip2: reader does not support the "Unknown" database type'):
        schema_of("Unknown")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("geoip", PARSE.format(1, "Wrong argument count or unexpected line ending after 'geoip'")),
        ("geoip 1 2 3", PARSE.format(1, "Wrong argument count or unexpected line ending after '3'")),
        (f"geoip {CITY} {{\n languages en\n}}", PARSE.format(2, 'unknown property "languages"')),
        (f"geoip {CITY}\ngeoip {ASN}", PARSE.format(2, "configuring multiple databases is not supported")),
        (
            "geoip /no/such.mmdb",
            PARSE.format(1, "failed to open database file: open /no/such.mmdb: no such file or directory"),
        ),
        ("geoip /no/such.mmdb {\n languages en\n}", PARSE.format(2, 'unknown property "languages"')),
        ("geoip /no\ngeoip /no", PARSE.format(2, "configuring multiple databases is not supported")),
        ("geoip { }", PARSE.format(1, "Wrong argument count or unexpected line ending after '}'")),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database")
    assert "invalid MaxMind DB file" in refusal(Options, f"geoip {tmp_path}/x")


def test_a_broken_database_is_refused(tmp_path: Path) -> None:
    """The first step of the search, 96 zero bits that stand for IPv4, leads out of the file."""
    octets = bytearray(ASN.read_bytes())
    octets[:6] = b"\xff\xff\xff\xff\xff\xff"
    (tmp_path / "x.mmdb").write_bytes(octets)
    found = refusal(Options, f"geoip {tmp_path}/x.mmdb")
    assert found.startswith(PARSE.format(1, 'unexpected failure looking up database "x.mmdb" schema "asn": '))


def test_the_option_may_stand_twice() -> None:
    assert options(Options, f"geoip {CITY} {{\n edns-subnet edns-subnet\n}}").edns_subnet
