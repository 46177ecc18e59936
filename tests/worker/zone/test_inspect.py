"""What `shardns zone check` finds in a zone: all broken lines with their place, and what no line alone shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.worker.wire.names import from_text, to_text
from shardns.worker.zone.inspect import Inspection, inspect, origin_of
from shardns.worker.zone.listing import difference, rdata_text, rows, serials
from shardns.worker.zone.rules import rises
from shardns.worker.zone.sources import Sources

ORIGIN = from_text("example.org.")
HEAD = "$TTL 300\n@ SOA ns1 host 5 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"


class Texts(Sources):
    """Files that are only texts."""

    def __init__(self, **texts: str) -> None:
        super().__init__()
        self._files = {path: text.encode() for path, text in texts.items()}


def look(text: str, **more: str) -> Inspection:
    return inspect(Texts(zone=text, **more), "zone", ORIGIN)


def errors(text: str) -> list[str]:
    return [problem.text for problem in look(HEAD + text).errors]


def warnings(text: str) -> list[str]:
    found = look(HEAD + text)
    assert found.errors == ()
    return [problem.text for problem in found.warnings]


def test_a_good_zone_has_nothing_to_tell() -> None:
    found = look(HEAD + "www CNAME ns1\nsub NS ns.sub\nns.sub A 192.0.2.2\nmail MX 0 .\nto NS ns.elsewhere.test.\n")
    assert (found.errors, found.warnings) == ((), ())
    assert found.summary() == "zone: zone example.org., serial 5, 8 records"


def test_all_broken_lines_are_found_each_with_its_line_and_a_caret() -> None:
    found = look(HEAD + 'www A 192.0.2.300\nmail  MX ten mail\ntxt TXT "a"\nbad BOGUS 1\n')
    assert [str(problem) for problem in found.errors] == [
        'bad A A: "192.0.2.300"\n  --> zone:5:7\n    |\n  5 | www A 192.0.2.300\n    |       ^',
        'bad MX Pref: "ten"\n  --> zone:6:10\n    |\n  6 | mail  MX ten mail\n    |          ^',
        'not a TTL: "BOGUS"\n  --> zone:8:5\n    |\n  8 | bad BOGUS 1\n    |     ^',
    ]
    assert found.syntax == found.errors and len(list(found.contents.records)) == 4


def test_a_parenthesis_that_is_never_closed_is_shown_where_it_opens() -> None:
    first = look("$TTL 300\n@ NS ns1\n@ SOA ns1 host (1 2 3 4 5\nns1 A 192.0.2.1\n").errors[0]
    assert (first.text, first.place and first.place[1:]) == ("unbalanced brace", (3, 16))


def test_reading_stops_where_nothing_makes_sense() -> None:
    assert len(look("x\n" * 5000).syntax) == 100


def test_a_broken_line_does_not_make_others_miss_what_it_says() -> None:
    assert errors("@ NS ns2\nns2 A 1.2.3\n") == ['bad A A: "1.2.3"']


def test_included_and_generated_lines_have_their_places() -> None:
    text = HEAD + "$INCLUDE more\n$GENERATE 1-2 a$ A 1.2.3\n"
    found = look(text, more="x A 1.2.3.4\ny A nothing\n")
    places = [tuple(problem.place) for problem in found.errors if problem.place]
    assert places[:2] == [("more", 2, 5), ("zone", 6, 1)]


def test_a_missing_include_is_located() -> None:
    (problem,) = look(HEAD + "$INCLUDE nowhere.inc\n").errors
    assert problem.text.startswith("failed to open `nowhere.inc'") and problem.place == ("zone", 5, 10)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("www CNAME ns1\nwww A 192.0.2.9\n", "www.example.org. has CNAME and other data (A)"),
        ("www CNAME ns1\nwww CNAME ns2.test.\n", "www.example.org. has more than one CNAME record"),
        ("@ CNAME ns1\n", "example.org. has CNAME and other data (NS, SOA)"),
        ("d DNAME a.test.\nd DNAME b.test.\n", "d.example.org. has more than one DNAME record"),
        ("@ NS ns2\n", "NS of example.org.: ns2.example.org. has no address"),
        ("ns2 CNAME ns1\n@ NS ns2\n", "NS of example.org.: ns2.example.org. is an alias (CNAME or DNAME)"),
        ("sub NS ns.sub\n", "NS of sub.example.org.: ns.sub.example.org. has no glue"),
        ("sub NS nowhere\n", "NS of sub.example.org.: nowhere.example.org. has no address"),
        ("d DNAME a.test.\nx.d A 192.0.2.9\n", "x.d.example.org. is occluded by the DNAME at d.example.org."),
        ("www.example.net. A 192.0.2.9\n", "www.example.net. is out of zone example.org."),
        ("www CH TXT x\n", "record of class CH in a zone of class IN"),
        ("sub DS 1 13 2 " + "00" * 32 + "\n", "DS without NS: sub.example.org. is no delegation"),
        ("@ SOA a b 6 1 1 1 1\n", "example.org. has more than one SOA record"),
        ("x SOA a b 6 1 1 1 1\n", "SOA record below the apex of example.org.: x.example.org."),
        ("@ NSEC ns1 A\nAAAAAAAA NSEC3 1 0 0 - AAAAAAAA A\n", "NSEC and NSEC3 records in one zone"),
        ("AAAAAAAA NSEC3 1 0 0 - AAAAAAAA A\n", "NSEC3 records without an NSEC3PARAM record at the apex"),
    ],
)
def test_what_makes_a_zone_bad(text: str, found: str) -> None:
    assert errors(text) == [found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("www 60 A 192.0.2.8\nwww 90 A 192.0.2.9\n", "RRset www.example.org. A has different TTLs (60 and 90)"),
        ("www A 192.0.2.8\nwww A 192.0.2.8\n", "duplicate record: www.example.org. A"),
        ("@ MX 5 mail\n", "MX of example.org.: mail.example.org. has no address"),
        ("_s._tcp SRV 0 0 1 Host\n", "SRV of _s._tcp.example.org.: host.example.org. has no address"),
        ("m CNAME ns1\n@ MX 5 m\n", "MX of example.org.: m.example.org. is an alias (CNAME or DNAME)"),
        ("s NS n.test.\nx.s TXT a\n", "x.s.example.org. TXT is occluded by the zone cut s.example.org."),
        ("s NS n.test.\nx.s A 192.0.2.9\n", "x.s.example.org. A is occluded by the zone cut s.example.org."),
        ("s NS n.test.\ns TXT a\n", "s.example.org. TXT is occluded: NS records make the name a zone cut"),
        (
            "a NS n.b\nb NS x.test.\n",
            "NS of a.example.org.: n.b.example.org. lies below another cut and has no glue",
        ),
    ],
)
def test_what_only_warns(text: str, found: str) -> None:
    assert warnings(text) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "*.w A 192.0.2.9\n@ MX 5 mail.w\n",  # a wildcard has the address
        "s NS n.test.\n@ MX 5 mail.s\n",  # delegated away
        "a NS n.b\nb NS n.b\nn.b A 192.0.2.9\n",  # glue of a sibling
        "s NS s\ns A 192.0.2.9\n",  # glue at the cut itself
        "www CNAME ns1\nwww NSEC @ CNAME RRSIG NSEC\n",  # may stand beside a CNAME
    ],
)
def test_what_is_right_though_it_looks_odd(text: str) -> None:
    assert warnings(text) == []


def test_what_the_apex_must_have() -> None:
    assert [problem.text for problem in look("$TTL 5\nwww A 192.0.2.1\n").errors] == [
        "zone: example.org. has no SOA record",
        "zone: example.org. has no NS record",
    ]


def test_a_semantic_problem_shows_the_line_of_its_record() -> None:
    (problem,) = look(HEAD + "www A 192.0.2.9\n    CNAME ns1\n").errors
    assert str(problem).splitlines()[1:] == ["  --> zone:6:5", "    |", "  6 |     CNAME ns1", "    |     ^"]


@pytest.mark.parametrize(
    ("serial", "more", "texts"),
    [
        (5, "", []),
        (6, "www A 192.0.2.9\n", []),
        (5, "www A 192.0.2.9\n", ["serial did not increase: 5 before, 5 now, but the zone changed"]),
        (4, "", ["serial did not increase: 5 before, 4 now, but the zone changed"]),
    ],
)
def test_a_changed_zone_needs_a_higher_serial(serial: int, more: str, texts: list[str]) -> None:
    new = HEAD.replace("host 5", f"host {serial}") + more
    found = inspect(Texts(zone=new), "zone", ORIGIN, look(HEAD).contents)
    assert [problem.text for problem in found.errors] == texts


@pytest.mark.parametrize(
    ("before", "now", "up"), [(1, 2, True), (2, 2, False), (0xFFFFFFFF, 0, True), (0, 1 << 31, False)]
)
def test_serials_wrap(before: int, now: int, up: bool) -> None:
    assert rises(before, now) is up


@pytest.mark.parametrize(
    ("text", "path", "origin"),
    [
        ("$ORIGIN example.org.\n@ SOA a b 1 1 1 1 1\n", "x", "example.org."),
        ("$ORIGIN org.\nexample 300 IN SOA a b 1 1 1 1 1\n", "x", "example.org."),
        ("; $ORIGIN no.\nEXAMPLE.org. IN SOA a b 1 1 1 1 1\n$ORIGIN sub.example.org.\n", "x", "example.org."),
        ("$ORIGIN example.org.\nwww A 192.0.2.1\n", "x", "example.org."),
        ("@ SOA a b 1 1 1 1 1\n", "/etc/zones/db.Example.org", "example.org."),
        ("@ SOA a b 1 1 1 1 1\n$ORIGIN sub.example.org.\n", "example.org.zone", "example.org."),
        ("", "example.org", "example.org."),
    ],
)
def test_the_origin_is_guessed(text: str, path: str, origin: str) -> None:
    assert to_text(origin_of(text.encode(), path)) == origin


def test_a_listing_is_canonical_and_reads_back() -> None:
    text = (
        HEAD
        + 'z A 192.0.2.3\nZ A 192.0.2.2\na.z TXT "x y" "\\""\n*.z MX 1 Mail\nodd TYPE65280 \\# 2 abcd\nz A 192.0.2.2\n'
    )
    listed = list(rows(look(text).contents))
    assert listed == [
        "example.org.\t300\tIN\tSOA\tns1.example.org. host.example.org. 5 7200 3600 1209600 300",
        "example.org.\t300\tIN\tNS\tns1.example.org.",
        "ns1.example.org.\t300\tIN\tA\t192.0.2.1",
        "odd.example.org.\t300\tIN\tTYPE65280\t\\# 2 abcd",
        "z.example.org.\t300\tIN\tA\t192.0.2.2",
        "z.example.org.\t300\tIN\tA\t192.0.2.3",
        "*.z.example.org.\t300\tIN\tMX\t1 mail.example.org.",
        'a.z.example.org.\t300\tIN\tTXT\t"x y" "\\""',
    ]
    assert list(rows(look("\n".join(listed)).contents)) == listed


def test_the_worked_example_is_good_and_its_listing_reads_back() -> None:
    path = Path(__file__).parents[3] / "config/examples/db.example.org"
    found = inspect(Sources(), str(path), origin_of(path.read_bytes(), str(path)))
    assert (found.errors, found.warnings) == ((), ())
    listed = list(rows(found.contents))
    assert list(rows(look("\n".join(listed)).contents)) == listed


def test_rdata_that_is_not_its_type_is_written_in_the_generic_form() -> None:
    assert rdata_text(1, b"\1\2") == r"\# 2 0102"


def test_a_difference_is_told_by_rrset() -> None:
    old = look(HEAD + "a A 192.0.2.1\na A 192.0.2.2\nb TXT x\nc 60 A 192.0.2.1\n").contents
    new = look(
        HEAD.replace("host 5", "host 6") + "a A 192.0.2.2\na A 192.0.2.3\nc 90 A 192.0.2.1\nD A 192.0.2.1\n"
    ).contents
    assert [line.replace("\t", " ") for line in difference(old, new)] == [
        "- example.org. 300 IN SOA ns1.example.org. host.example.org. 5 7200 3600 1209600 300",
        "+ example.org. 300 IN SOA ns1.example.org. host.example.org. 6 7200 3600 1209600 300",
        "- a.example.org. 300 IN A 192.0.2.1",
        "+ a.example.org. 300 IN A 192.0.2.3",
        '- b.example.org. 300 IN TXT "x"',
        "- c.example.org. 60 IN A 192.0.2.1",
        "+ c.example.org. 90 IN A 192.0.2.1",
        "+ d.example.org. 300 IN A 192.0.2.1",
    ]
    assert serials(old, new) == "serial 5 -> 6 (increased)"
    assert serials(new, old) == "serial 6 -> 5 (decreased)"
    assert list(difference(old, old)) == []
