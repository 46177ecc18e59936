"""hosts: the data, the queries, the file as it changes, and what is refused."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import dns.rdatatype
import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.model import ServerBlock
from shardns.config.zones import normalise
from shardns.plugins.hosts.entries import MAX_LINE_BYTES, address, records, reversed_address
from shardns.plugins.hosts.hosts import Hosts, entries, reloaded
from shardns.plugins.hosts.options import Options
from shardns.worker import metrics
from shardns.worker.log import PluginLog
from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.site import Site
from shardns.worker.store.environment import Sequence, open_zones
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Store
from shardns.worker.wire.names import from_text
from tests.plugins.small import lines, message
from tests.worker import fakes

FILE = """
127.0.0.1 localhost localhost.domain
::1 localhost localhost.domain
10.0.0.1 example.org
::FFFF:10.0.0.2 example.com
10.0.0.3 fallthrough-example.org
"""
IP6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."


class Bench:
    """A keeper and a worker of one block."""

    def __init__(self, folder: Path, text: str | None = FILE, *block: str, zones: str = "") -> None:
        self.path = folder / "hosts"
        if text is not None:
            self.path.write_text(text)
        body = "".join(f"    {line}\n" for line in block)
        self.options: Options = Options.read(f"hosts {self.path} {zones} {{\n{body}}}", Draft())
        environment, sequence = open_zones(folder, map_size=1 << 24), Sequence(folder)
        self.store = Store(environment, sequence, 1)
        generation = SimpleNamespace(store=self.store)
        site = SimpleNamespace(block=ServerBlock(0, ()), generation=generation, zones=(b"\0",), logger=PluginLog)
        self.keeper = Hosts(self.options, cast(Site, site))
        self.worker = Hosts(self.options, cast(Site, site))
        asyncio.run(self.keeper.load(Staging(environment, sequence, 1)))

    def change(self, text: str, mtime: float = 0.0) -> None:
        self.path.write_text(text)
        if mtime:
            os.utime(self.path, (mtime, mtime))
        self.look()

    def look(self) -> None:
        asyncio.run(self.keeper.reread())

    def query(self, name: str, rtype: str = "A") -> Query:
        return fakes.query(name, dns.rdatatype.from_text(rtype))

    def outcome(self, query: Query) -> Reply | None:
        try:
            found = self.worker.answer(query)
        finally:
            self.store.end()
        assert found is None or isinstance(found, Reply)
        return found

    def ask(self, name: str, rtype: str = "A") -> list[str] | str:
        """The answer's data, or what became of the query instead."""
        query = self.query(name, rtype)
        try:
            found = self.outcome(query)
        except ServFail as failure:
            assert failure.text == ""
            return "SERVFAIL"
        if found is None:
            return "next"
        assert found.rcode == 0 and found.aa and not found.ra and not found.authority
        answer = [line.split(None, 4) for line in lines(message(query, found).answer)]
        assert all(words[0] == name.lower() for words in answer)
        return [words[4] for words in answer]


@pytest.mark.parametrize(
    ("name", "rtype", "answer"),
    [
        ("example.org.", "A", ["10.0.0.1"]),
        ("EXAMPLE.org.", "A", ["10.0.0.1"]),
        ("example.com.", "A", ["10.0.0.2"]),
        ("localhost.", "AAAA", ["::1"]),
        ("1.0.0.10.in-addr.arpa.", "PTR", ["example.org."]),
        ("2.0.0.10.in-addr.arpa.", "PTR", ["example.com."]),
        ("1.0.0.127.in-addr.arpa.", "PTR", ["localhost.", "localhost.domain."]),
        (IP6, "PTR", ["localhost.", "localhost.domain."]),
        ("9.0.0.10.in-addr.arpa.", "PTR", "next"),
        ("0.10.in-addr.arpa.", "PTR", "next"),
        ("example.org.", "PTR", "next"),
        ("example.org.", "AAAA", []),
        ("example.org.", "MX", []),
        ("example.com.", "AAAA", []),
        ("missing.org.", "A", "SERVFAIL"),
        ("missing.org.", "MX", "SERVFAIL"),
    ],
)
def test_answers(name: str, rtype: str, answer: list[str] | str, tmp_path: Path) -> None:
    assert Bench(tmp_path).ask(name, rtype) == answer


def test_the_ttl_is_the_configured_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FILE, "ttl 77", "10.0.0.9 inline.org")
    for name in ("example.org.", "inline.org."):
        found = bench.outcome(bench.query(name))
        assert found is not None and found.answer[0].ttl == 77


@pytest.mark.parametrize(
    ("block", "name", "rtype", "answer"),
    [
        (["fallthrough"], "missing.example.org.", "TXT", "next"),
        (["fallthrough"], "example.org.", "TXT", []),
        (["fallthrough"], "missing.org.", "A", "next"),
        (["fallthrough net"], "missing.org.", "A", "SERVFAIL"),
        (["fallthrough", "fallthrough_unsupported"], "example.org.", "TXT", "next"),
        (["fallthrough", "fallthrough_unsupported"], "example.org.", "AAAA", []),
        (["fallthrough example.net", "fallthrough_unsupported"], "example.org.", "TXT", []),
        (["fallthrough_unsupported", "fallthrough"], "example.org.", "TXT", "next"),
        (["fallthrough net", "fallthrough org"], "missing.org.", "A", "next"),
        (["no_reverse"], "1.0.0.10.in-addr.arpa.", "PTR", "next"),
    ],
)
def test_what_goes_to_the_next_plugin(
    block: list[str], name: str, rtype: str, answer: list[str] | str, tmp_path: Path
) -> None:
    assert Bench(tmp_path, FILE, *block).ask(name, rtype) == answer


def test_names_outside_the_zones_are_left_out_and_pass(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "10.0.0.1 a.example.org b.example.net", zones="example.org")
    assert bench.ask("a.example.org.") == ["10.0.0.1"]
    assert bench.ask("b.example.net.") == "next"
    assert bench.ask("1.0.0.10.in-addr.arpa.", "PTR") == ["a.example.org."]


@pytest.mark.parametrize("inline", [True, False])
def test_wildcards_stand_for_one_label(inline: bool, tmp_path: Path) -> None:
    data = [
        "10.0.0.1 *.example.org",
        "::1 *.example.org",
        "10.0.0.2 foo.example.org",
        "10.0.0.3 *.intern.example.org",
    ]
    bench = Bench(tmp_path, None, *data) if inline else Bench(tmp_path, "\n".join(data))
    answers = {
        "bar.example.org.": ["10.0.0.1"],
        "foo.example.org.": ["10.0.0.2"],
        "bar.intern.example.org.": ["10.0.0.3"],
        "intern.example.org.": ["10.0.0.1"],
        "example.org.": "SERVFAIL",
        "deep.foo.example.org.": "SERVFAIL",
        "*.example.org.": ["10.0.0.1"],
    }
    assert {name: bench.ask(name) for name in answers} == answers
    assert bench.ask("foo.example.org.", "AAAA") == ["::1"]
    assert bench.ask("bar.intern.example.org.", "AAAA") == []
    assert bench.ask("1.0.0.10.in-addr.arpa.", "PTR") == "next"


def test_several_lines_of_a_name_keep_their_order_and_duplicates(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "127.0.0.3 odin\n127.0.0.2 odin\n127.0.0.3 odin", "127.0.0.1 odin")
    assert bench.ask("odin.") == ["127.0.0.3", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
    assert bench.ask("2.0.0.127.in-addr.arpa.", "PTR") == ["odin."]
    assert bench.ask("3.0.0.127.in-addr.arpa.", "PTR") == ["odin.", "odin."]


def test_a_missing_file_leaves_the_inline_lines(tmp_path: Path) -> None:
    bench = Bench(tmp_path, None, "10.0.0.1 example.org")
    assert bench.ask("example.org.") == ["10.0.0.1"]
    assert bench.ask("1.0.0.10.in-addr.arpa.", "PTR") == ["example.org."]
    query = bench.query("example.org.")
    bench.outcome(query)
    assert query.request.zones and not query.request.once  # the memo hears of the file when it appears
    bench.change("10.0.0.2 example.org")
    assert bench.ask("example.org.") == ["10.0.0.2", "10.0.0.1"]


def test_a_directory_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    assert Bench(tmp_path, None, "10.0.0.1 example.org").ask("example.org.") == ["10.0.0.1"]


def test_the_file_is_read_again_when_it_changes_and_kept_when_it_goes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "10.0.0.1 a\n10.0.0.1 b")
    assert bench.ask("a.") == ["10.0.0.1"]
    bench.change("10.0.0.22 a")
    assert (bench.ask("a."), bench.ask("b.")) == (["10.0.0.22"], "SERVFAIL")
    bench.path.unlink()
    bench.look()
    assert bench.ask("a.") == ["10.0.0.22"]
    bench.change("10.0.0.3 a", mtime=1_600_000_000)
    assert bench.ask("a.") == ["10.0.0.3"]
    bench.change("10.0.0.4 a", mtime=1_600_000_000)  # neither time nor size differ
    assert bench.ask("a.") == ["10.0.0.3"]


def test_an_equal_file_is_not_written_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "10.0.0.1 a")
    bench.ask("a.")
    table = dict(bench.store.zones("hosts/0"))
    bench.change("10.0.0.1 a", mtime=1_600_000_000)
    bench.ask("a.")
    assert dict(bench.store.zones("hosts/0")) == table


def test_what_is_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "10.0.0.1 a b\n::1 a\n10.0.0.2 *.c\nnonsense", "10.0.0.3 d")
    assert metrics.values[entries.cell(str(bench.path))] == 3 + 3 + 1 + 2
    bench.change("10.0.0.1 a", mtime=1_600_000_000.5)
    assert metrics.values[entries.cell(str(bench.path))] == 2 + 2
    assert metrics.values[reloaded.cell()] == 1_600_000_000.5
    bench.change("10.0.0.1 a b\n::1 a\n10.0.0.2 *.c\nnonsense", mtime=1_600_000_001)  # still in the store
    assert metrics.values[entries.cell(str(bench.path))] == 3 + 3 + 1 + 2
    assert metrics.values[reloaded.cell()] == 1_600_000_001


def test_answers_depend_on_the_published_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    query = bench.query("example.org.")
    bench.outcome(query)
    assert query.request.zones is not None
    (zone,) = query.request.zones
    assert not zone.stale
    bench.change("10.0.0.9 example.org")
    bench.ask("example.org.")
    assert zone.stale


# Lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("1.2.3.4", b"\1\2\3\4"),
        ("::ffff:1.2.3.4", b"\1\2\3\4"),
        ("fe80::1%lo0", b"\xfe\x80" + bytes(13) + b"\1"),
        ("123.123.123", None),
        ("01.2.3.4", None),
        ("300.1.2.3", None),
        ("1.2.3.4.5", None),
        (":::1", None),
        ("", None),
        ("name", None),
    ],
)
def test_addresses(text: str, packed: bytes | None) -> None:
    assert address(text) == packed


def test_lines_that_do_not_fit_are_skipped() -> None:
    text = b"# comment\n\n1.2.3.4\n1.2.3.4 a#b c\n1.2.3.4 ok..bad good\n\t5.6.7.8\ttab\r\nname 1.2.3.4\n"
    found = [(r.owner, r.rdata) for r in records(text.split(b"\n"), (b"\0",), False)]
    assert found == [(b"\1a\0", b"\1\2\3\4"), (b"\4good\0", b"\1\2\3\4"), (b"\3tab\0", b"\5\6\7\x08")]


def test_reading_ends_at_an_endless_line() -> None:
    text = [b"1.2.3.4 a", b"1.2.3.4 " + b"b" * MAX_LINE_BYTES, b"1.2.3.4 c"]
    assert [r.owner for r in records(text, (b"\0",), False)] == [b"\1a\0"]


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("4.3.2.1.in-addr.arpa.", b"\1\2\3\4"),
        ("3.2.1.in-addr.arpa.", None),
        ("5.4.3.2.1.in-addr.arpa.", None),
        ("x.3.2.1.in-addr.arpa.", None),
        ("in-addr.arpa.", None),
        ("1.ip6.arpa.", None),
        (IP6, bytes(15) + b"\1"),
        ("10.0.0.1.", None),
    ],
)
def test_reverse_names(name: str, packed: bytes | None) -> None:
    assert reversed_address(from_text(name)) == packed


# Options -----------------------------------------------------------------------------------------------------------


def test_a_network_is_a_reverse_zone() -> None:
    found = Options.read("hosts /etc/hosts miek.nl. 10.0.0.9/8", Draft())
    assert found.zones == (from_text("miek.nl."), *normalise("10.0.0.0/8"))


def test_the_file_stands_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    draft = Draft(root=str(tmp_path))
    assert Options.read("hosts x", draft).path == str(tmp_path / "x") and not draft.warnings


def test_words_behind_no_reverse_begin_an_inline_line() -> None:
    found = Options.read("hosts {\n no_reverse 10.0.0.1 a\n ttl 5 b c\n 10.0.0.2 d\n}", Draft())
    assert found.no_reverse and found.ttl == 5
    assert found.inline == (("10.0.0.1", "a"), ("10.0.0.2", "d"))


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_warnings(kind: str, tmp_path: Path) -> None:
    draft = Draft(directive="hosts")
    path = tmp_path if kind == "directory" else tmp_path / "none"
    Options.read(f"hosts {path}", draft)
    text = f'Hosts file "{path}" is a directory' if kind == "directory" else f"File does not exist: {path}"
    assert draft.warnings == [f"[WARNING] plugin/hosts: {text}"]


AT = "Corefile:{} - Error during parsing: {}"
COUNT = "Wrong argument count or unexpected line ending after '{}'"
REFUSED = {
    "hosts\nhosts": "this plugin can only be used once per Server Block",
    "hosts {\n ttl\n}": AT.format(2, "ttl needs a time in second"),
    "hosts {\n ttl x\n}": AT.format(2, "ttl needs a number of second"),
    "hosts {\n ttl 0\n}": AT.format(2, "ttl provided is invalid"),
    "hosts {\n ttl 65536\n}": AT.format(2, "ttl provided is invalid"),
    "hosts {\n reload\n}": AT.format(2, "reload needs a duration (zero seconds to disable)"),
    "hosts {\n reload 1s 2s\n}": AT.format(2, "reload needs a duration (zero seconds to disable)"),
    "hosts {\n reload 20\n}": AT.format(2, "invalid duration for reload '20'"),
    "hosts {\n reload -20s\n}": AT.format(2, "invalid negative duration for reload '-20s'"),
    "hosts {\n fallthrough\n 10.0.0.1 a\n}": AT.format(3, "unknown property '10.0.0.1'"),
    "hosts {\n fallthrough\n fallthrough_unsupported x\n}": AT.format(3, COUNT.format("x")),
    "hosts /etc/passwd/x": AT.format(
        1, "unable to access hosts file '/etc/passwd/x': stat /etc/passwd/x: not a directory"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text, Draft())
    assert caught.value.text == f"plugin/hosts: {REFUSED[text]}"


def test_fallthrough_unsupported_needs_fallthrough() -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read("hosts {\n fallthrough_unsupported\n}", Draft())
    assert caught.value.text.endswith("Error during parsing: fallthrough_unsupported requires fallthrough")
