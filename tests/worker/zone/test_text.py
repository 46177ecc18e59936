"""Zone text: what is accepted, what it means, and what the reference says of what is not."""

from __future__ import annotations

import re
from pathlib import Path

import dns.rdata
import dns.rdataclass
import pytest
from dns.rdatatype import RdataType

from shardns.worker.wire.codes import type_text
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.zone import plain
from shardns.worker.zone.errors import ZoneTextError, quoted
from shardns.worker.zone.rdata import ttl
from shardns.worker.zone.sources import Sources
from shardns.worker.zone.text import Reader

ORIGIN = from_text("example.org.")


class Sink:
    """Keeps records as (owner, TTL, class, type, rdata) in file order."""

    origin = ORIGIN

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.count = 0
        self.found: dict[int, tuple[bytes, bytes]] = {}

    def add_record(self, owner: bytes, record: bytes) -> None:
        self.found[self.count] = (owner.lower(), record)
        self.count += 1

    def rows(self) -> list[str]:
        """Return all records as text."""
        from shardns.worker.store.nodes import name_of

        found = dict(self.found)
        for entry in self.entries:
            at = entry.index(b"\0\0")
            found[int.from_bytes(entry[at + 2 : at + 6], "big")] = (name_of(entry[:at]), entry[at + 6 :])
        return [_row(*found[place]) for place in sorted(found)]


def _row(owner: bytes, record: bytes) -> str:
    rtype, rclass, seconds = (int.from_bytes(record[a:b], "big") for a, b in ((0, 2), (2, 4), (4, 8)))
    rdata = record[10:]
    assert len(rdata) == int.from_bytes(record[8:10], "big")
    text = dns.rdata.from_wire(dns.rdataclass.IN, RdataType.make(rtype), rdata, 0, len(rdata)).to_text()
    return f"{to_text(owner)} {seconds} {rclass} {type_text(rtype)} {text}"


def parse(text: str | bytes, folder: Path | None = None) -> list[str]:
    """Return the records of a zone text."""
    sink = Sink()
    reader = Reader(Sources(), str((folder or Path("/none")) / "db"), ORIGIN, sink)
    for _ in reader.read(text.encode() if isinstance(text, str) else text):
        pass
    return sink.rows()


def refusal(text: str, folder: Path | None = None) -> str:
    """Return the error for a zone text, without the file's name."""
    with pytest.raises(ZoneTextError) as caught:
        parse(text, folder)
    return str(caught.value).partition(": ")[2]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a 60 IN A 192.0.2.1", ["a.example.org. 60 1 A 192.0.2.1"]),
        ("a IN 60 A 192.0.2.1", ["a.example.org. 60 1 A 192.0.2.1"]),
        ("a 1h30m a 192.0.2.1", ["a.example.org. 5400 1 A 192.0.2.1"]),
        ("a IN A 192.0.2.1", ["a.example.org. 0 1 A 192.0.2.1"]),
        ("a 60 A 192.0.2.1\nb IN A 192.0.2.2", ["a.example.org. 60 1 A 192.0.2.1", "b.example.org. 60 1 A 192.0.2.2"]),
        ("$TTL 5\na 60 A 192.0.2.1\nb A 192.0.2.2",
         ["a.example.org. 60 1 A 192.0.2.1", "b.example.org. 5 1 A 192.0.2.2"]),
        ("a 60 A 192.0.2.1\n\tA 192.0.2.2", ["a.example.org. 60 1 A 192.0.2.1", "a.example.org. 60 1 A 192.0.2.2"]),
        ("A.B.example.ORG. 60 A 192.0.2.1", ["a.b.example.org. 60 1 A 192.0.2.1"]),
        ("a.b 60 AAAA 2001:db8::1", ["a.b.example.org. 60 1 AAAA 2001:db8::1"]),
        ("@ 60 NS NS1\n@ 60 MX 10 Mail", ["example.org. 60 1 NS ns1.example.org.",
                                         "example.org. 60 1 MX 10 mail.example.org."]),
        ("p 60 PTR Host\nd 60 DNAME New\ns 60 SRV 1 2 3 Host", ["p.example.org. 60 1 PTR Host.example.org.",
         "d.example.org. 60 1 DNAME New.example.org.", "s.example.org. 60 1 SRV 1 2 3 Host.example.org."]),
        ('t 60 TXT "a b" c "d\\"e" ; comment', ['t.example.org. 60 1 TXT "a b" "c" "d\\"e"']),
        ('t 60 TXT "a b" "c"\n  TXT "next"', ['t.example.org. 60 1 TXT "a b" "c"', 't.example.org. 60 1 TXT "next"']),
        ('t 60 TXT ( "a"\n  "b" )', ['t.example.org. 60 1 TXT "a" "b"']),
        ("a 60 CLASS1 TYPE1 \\# 4 c0000201", ["a.example.org. 60 1 A 192.0.2.1"]),
        ("a 60 TYPE65280 \\# 0", ["a.example.org. 60 1 TYPE65280 \\# 0 "]),
        ("a\\046b 60 A 192.0.2.1\nc\\@d 60 A 192.0.2.2", ["a\\.b.example.org. 60 1 A 192.0.2.1",
                                                         "c\\@d.example.org. 60 1 A 192.0.2.2"]),
        ("$ORIGIN sub\na 60 A 192.0.2.1", ["a.sub.example.org. 60 1 A 192.0.2.1"]),
        ("$ORIGIN .\na.net 60 A 192.0.2.1", ["a.net. 60 1 A 192.0.2.1"]),
        ("$GENERATE 1-2 h$ A 192.0.2.$", ["h1.example.org. 3600 1 A 192.0.2.1", "h2.example.org. 3600 1 A 192.0.2.2"]),
        ("$GENERATE 0-4/2 ${1,3,d} 60 CNAME $$",
         [f"{n:03}.example.org. 60 1 CNAME \\$.example.org." for n in (1, 3, 5)]),
        ("$GENERATE 10-10 ${0,0,x} TXT \"n $\"", ['a.example.org. 3600 1 TXT "n 10"']),
        ("a 60 A 192.0.2.1\r\nb 60 A 192.0.2.2\r\n", ["a.example.org. 60 1 A 192.0.2.1",
                                                     "b.example.org. 60 1 A 192.0.2.2"]),
        ('s 60 SVCB 1 t alpn="h2,h3" port=8443',
         ['s.example.org. 60 1 SVCB 1 t.example.org. alpn="h2,h3" port="8443"']),
        ("d 60 DS 1 13 99 0102 0304\nn 60 NSEC b A TYPE1234", ["d.example.org. 60 1 DS 1 13 99 01020304",
                                                              "n.example.org. 60 1 NSEC b.example.org. A TYPE1234"]),
        ("", []), ("\n; only a comment\n   \n", []),
    ],
)  # fmt: skip
def test_text_means(text: str, rows: list[str]) -> None:
    assert parse(text) == rows


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a A 192.0.2.1", 'dns: missing TTL with no previous value: "A" at line: 1:4'),
        ("# comment", 'dns: not a TTL: "comment" at line: 1:9'),
        ("a 60 IN A 192.0.2.256", 'dns: bad A A: "192.0.2.256" at line: 1:21'),
        ("a 60 IN A 010.0.2.1", 'dns: bad A A: "010.0.2.1" at line: 1:19'),
        ("a 60 AAAA 192.0.2.1", 'dns: bad AAAA AAAA: "192.0.2.1" at line: 1:19'),
        ("a 60 IN A 192.0.2.1 more", 'dns: garbage after rdata: "more" at line: 1:24'),
        ("a 60 IN A", 'dns: unexpected newline: "\\n" at line: 1:9'),
        ("a 60 IN NOTHING x", 'dns: unknown RR type: "NOTHING" at line: 1:16'),
        ("a 60 TYPEX x", 'dns: unknown RR type: "unknown RR type" at line: 1:11'),
        ("a 60 MX ten b", 'dns: bad MX Pref: "ten" at line: 1:12'),
        ("a..b 60 A 192.0.2.1", 'dns: bad owner name: "a..b" at line: 1:5'),
        ("a 60 NS b..c", 'dns: bad NS Ns: "b..c" at line: 1:12'),
        ("@ 60 SOA a b 202512200817 1 1 1 1", 'dns: bad SOA zone parameter: "202512200817" at line: 1:26'),
        ("a 60 TXT (", 'dns: unbalanced brace: "unbalanced brace" at line: 1:10'),
        ("a 60 TXT )", 'dns: extra closing brace: "extra closing brace" at line: 1:10'),
        ("$TTL x", 'dns: expecting $TTL value, not this...: "x" at line: 1:6'),
        ("$TTL 60 70", 'dns: garbage after rdata: "70" at line: 1:10'),
        ("$GENERATE 5-1 a A 192.0.2.$", 'dns: bad range in $GENERATE range: "5-1" at line: 1:14'),
        ("$GENERATE 1-2 a${0,0,q} A 192.0.2.$", 'dns: bad base in $GENERATE: "1-2" at line: 1:14'),
        ("a 60 A 192.0.2.1\n\nb 60 A x", 'dns: bad A A: "x" at line: 3:8'),
        ("a 60 A 192.0.2.1\nc 60 TXT ( a\n b )\nb 60 A x", 'dns: bad A A: "x" at line: 4:8'),
    ],
)  # fmt: skip
def test_text_is_refused_with_word_and_place(text: str, wanted: str) -> None:
    assert refusal(text + "\n") == wanted


def test_includes_are_relative_keep_their_changes_and_nest_seven_deep(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one").write_text("$TTL 7\n$ORIGIN x\na A 192.0.2.1\n$INCLUDE two\n")
    (tmp_path / "sub" / "two").write_text("b A 192.0.2.2\n")
    assert parse("$TTL 60\n$INCLUDE sub/one\nc A 192.0.2.3\n$INCLUDE sub/two y\n", tmp_path) == [
        "a.x.example.org. 7 1 A 192.0.2.1", "b.x.example.org. 7 1 A 192.0.2.2",
        "c.example.org. 60 1 A 192.0.2.3", "b.y.example.org. 60 1 A 192.0.2.2",
    ]  # fmt: skip
    (tmp_path / "self").write_text("$INCLUDE self\n")
    assert refusal("$INCLUDE self\n", tmp_path) == 'dns: too deeply nested $INCLUDE: "self" at line: 1:13'
    assert refusal("$INCLUDE none\n", tmp_path) == (
        f"dns: failed to open `none' as `{tmp_path}/none': open {tmp_path}/none: no such file or directory: "
        '"none" at line: 1:13'
    )


def test_the_fast_way_and_the_full_grammar_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    types = ("A 192.0.2.1", "AAAA 2001:db8::1", "NS Ns", "CNAME Www.Example.net.", "MX 5 @", "PTR p", "SRV 1 2 3 t",
             'TXT "a" "b;c"', "NSEC z A MX RRSIG", "DS 1 2 99 abcd",
             "RRSIG A 13 2 60 20450101000000 20240101000000 1 @ AAAA")  # fmt: skip
    owners = ("a", "A.b", "@", "", "x.example.org.", "other.net.", "*.w")
    fields = ("", "60 ", "IN ", "60 IN ", "IN 60 ", "1h ")
    text = "$TTL 300\nfirst A 192.0.2.9\n" + "".join(f"{o} {f}{t}\n" for o in owners for f in fields for t in types)
    fast = parse(text)
    monkeypatch.setattr(plain, "_TYPES", {})
    monkeypatch.setattr(plain, "_TEXT", re.compile(rb"(?!)"))
    assert parse(text) == fast
    assert len(fast) == 1 + len(types) * len(owners) * len(fields)


@pytest.mark.parametrize(
    ("word", "seconds"),
    [(b"0", 0), (b"1w2d3h4m5s", 788645), (b"10M", 600), (b"4294967295", 0xFFFFFFFF), (b"4294967296", None),
     (b"x", None), (b"1y", None)],
)  # fmt: skip
def test_a_ttl_has_units(word: bytes, seconds: int | None) -> None:
    assert ttl(word) == seconds


def test_words_are_quoted_as_go_quotes_them() -> None:
    assert quoted('a"b\\c\n\x01é\U0001f600'.encode() + b"\xff") == '"a\\"b\\\\c\\n\\x01\\u00e9\\U0001f600\\xff"'
