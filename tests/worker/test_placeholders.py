"""Formats: what is a placeholder, what it becomes, and what repetitions render again."""

import re
from typing import Any

import pytest

from shardns.worker.address import to_sockaddr
from shardns.worker.listener import Listener
from shardns.worker.placeholders import COMBINED, COMMON, Format, flags_text, parse, span_text
from shardns.worker.query import Query, Request
from shardns.worker.reply import Reply
from shardns.worker.wire.edns import DO, Edns

NAME = b"\1a\7example\3org\0"


def query(ip: str = "192.0.2.1", name: bytes = NAME, edns: Edns | None = None, via: str = "udp") -> Query:
    listener = Listener(0, "dns://:53", "dns", "", 53)
    request = Request(listener, to_sockaddr(ip, 40212), 2 if ":" in ip else 1, via, 0.0, 31)
    return Query(request, 4711, 0x0100, name, name, 1, 1, edns)


def repeated(
    form: Format, asked: Query, reply: Reply | None, size: int, ip: str, ident: int, *, port: int = 40212
) -> str:
    """Return the text for a repetition."""
    texts: list[str] = []
    form.repeater(asked, reply, size, texts.append, ("<", ">"))(to_sockaddr(ip or "192.0.2.1", port), ident)
    (text,) = texts
    return text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{{remote}}", ["{", "<{remote}>", "}"]),
        ("{ A {remote} A }", ["{ A ", "<{remote}>", " A }"]),
        ("A {A}", ["A {A}"]),
        ("} Foo", ["} Foo"]),
        ("{type} {Type} {/a/b}", ["<{type}>", " {Type} ", "<a/b>"]),
        ("{", ["{"]),
        ("", []),
    ],
)
def test_a_placeholder_ends_at_a_brace_and_begins_at_the_nearest_before(text: str, parts: list[str]) -> None:
    assert [p.text if p.kind == "literal" else f"<{p.text}>" for p in parse(text)] == parts


def test_the_common_format_is_the_reference_s() -> None:
    text = Format(COMMON).text(query(), Reply(0, 0x8580), 54, 37_990_251)
    assert text == '192.0.2.1:40212 - 4711 "A IN a.example.org. udp 31 false 512" NOERROR qr,aa,rd,ra 54 0.037990251s'


def test_the_combined_format_adds_the_opcode() -> None:
    assert Format(COMBINED).text(query(via="tcp"), None, 0, 0).endswith('tcp 31 false 65535" - - 0 0s "0"')


def test_every_placeholder_has_its_value() -> None:
    asked = query("2001:db8::1", edns=Edns(size=1400, flags=DO))
    text = Format("{remote}|{local}|{>do}|{>bufsize}|{rcode}|{nope}|'\"\\").text(asked, Reply(99), 0, 0)
    assert text == "[2001:db8::1]|[::]|true|1400|99|{nope}|'\"\\"


def test_names_are_inserted_as_data() -> None:
    asked = query(name=b"\2%s\6{port}\3org\0")
    for text in (
        Format("{name} {port}").text(asked, None, 0, 0),
        repeated(Format("{name} {port}"), asked, None, 0, "", 0),
    ):
        assert text.strip("<>") == "%s.{port}.org. 40212"


def test_metadata_that_is_not_set_is_a_dash() -> None:
    asked = query()
    asked.request.metadata = {"test/meta2": lambda: "two", "test/empty": lambda: ""}
    assert Format("{/test/meta2} {/test/key4} <{/test/empty}>").text(asked, None, 0, 0) == "two - <>"
    assert Format("{/a'b\\\\c\"}").text(asked, None, 0, 0) == "-"


def test_a_repetition_renders_only_what_varies() -> None:
    form = Format("{port} " + COMMON + " {remote}")
    text = repeated(form, query(), Reply(3, 0x8180), 31, "192.0.2.9", 8, port=7)
    assert re.fullmatch(
        r'<7 192\.0\.2\.9:7 - 8 "A IN a\.example\.org\. udp 31 false 512" NXDOMAIN qr,rd,ra 31 0\.0\d*s 192\.0\.2\.9>',
        text,
    )
    assert repeated(Format("{remote}"), query(), None, 0, "2001:db8::9", 8) == "<[2001:db8::9]>"
    assert repeated(Format("none"), query(), None, 0, "2001:db8::9", 8) == "<none>"


def test_type_size_and_do_are_those_of_the_rewritten_query_but_not_the_name() -> None:
    asked: Any = query()
    asked.request.rewritten = asked.ask(name=b"\1b\0", qtype=28, edns=Edns())
    assert Format("{type} {name} {size}").text(asked, None, 0, 0) == "AAAA a.example.org. 31".replace(
        "31", str(31 - 12 + 11)
    )


@pytest.mark.parametrize(
    ("took_ns", "text"), [(0, "0s"), (1, "0.000000001s"), (1_500_000_000, "1.5s"), (10**10, "10s")]
)
def test_durations_are_plain_decimals(took_ns: int, text: str) -> None:
    assert span_text(took_ns) == text


def test_flags_have_the_order_of_the_header() -> None:
    assert flags_text(0x87F0) == "qr,aa,tc,rd,ra,z,ad,cd"
    assert flags_text(0) == ""
