"""The plain way in: whatever it answers is what the whole way answers, octet by octet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shardns.worker import log
from shardns.worker.address import to_sockaddr
from shardns.worker.memo import Budget, Memo, folded
from shardns.worker.plain import Plain
from shardns.worker.query import Request
from tests.plugins.whole import Whole, question
from tests.worker.store.serving import Stores

ZONE = """$ORIGIN example.org.
$TTL 3600
@ SOA ns1 hostmaster 1 7200 3600 1209600 900
@ NS ns1
@ MX 10 mail
ns1 A 192.0.2.1
mail A 192.0.2.2
mail AAAA 2001:db8::2
*.wild A 192.0.2.3
a.b.ent A 192.0.2.4
alias CNAME mail
away CNAME www.example.net.
tree DNAME ent
cut NS ns.cut
ns.cut A 192.0.2.5
cut DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
odd\\000label A 192.0.2.6
"""
DEEP = "$TTL 3600\n@ SOA ns1 hostmaster 1 7200 3600 1209600 900\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.7\n"
COREFILE = """example.org:5300 {{
    {before}
    file {folder}/db {{
        {more}
    }}
}}
sub.example.org:5300 {{
    whoami
}}
"""
# Zones without a key of their own; in a zone above; with another block's key above; and one outside the block's keys.
BELOW_KEYS = """org:5300 net:5300 {{
    file {folder}/db example.org
    file {folder}/deep sub.example.org deep.example.org other.example.net example.com
}}
example.net:5300 {{
    whoami
}}
in.deep.example.org:5300 {{
    file {folder}/deep in.deep.example.org
}}
"""
LONG = "".join(f'long TXT "{n:0200d}"\n' for n in range(12)) + "".join(f'some TXT "{n:0200d}"\n' for n in range(4))
NAMES = ["", "mail", "MAIL", "ns1", "nope", "x.wild", "wild", "ent", "b.ent", "a.b.ent", "alias", "away", "x.tree",
         "tree", "cut", "x.cut", "ns.cut", "long", "some", "x.nope", "odd\\000label", "sub", "x.sub"]  # fmt: skip
TYPES = ("A", "AAAA", "MX", "TXT", "SOA", "NS", "DS", "CNAME", "AXFR", "IXFR", "ANY")
SIZES: tuple[dict[str, Any], ...] = (
    {}, {"rd": False}, {"size": 100}, {"size": 1232}, {"size": 4096}, {"size": 1232, "do": True},
    {"size": 1232, "options": ((3, b""),)}, {"rdclass": "CH"}, {"rdclass": "ANY"},
)  # fmt: skip


class Ways:
    """A server of one zone, asked on both ways."""

    def __init__(self, folder: Path, before: str = "", more: str = "", corefile: str = COREFILE) -> None:
        (folder / "db").write_text(ZONE + LONG)
        (folder / "deep").write_text(DEEP)
        self.whole = Whole(corefile.format(before=before, more=more, folder=folder))
        self.stores = Stores(folder)
        self.whole.generation.store = self.stores.store
        self.whole.generation.folder = folder
        self.publish()
        self.dispatch = self.whole.generation.dispatches[0]
        self.plain = Plain(self.dispatch.listener)
        self.both(question("mail.example.org."))  # the first query opens the store

    def publish(self) -> None:
        """Load all zone files."""
        for site in self.whole.generation.sites:
            source: Any = site.find("file")
            if source is not None:
                asyncio.run(source.load(self.stores.staging))

    def both(self, wire: bytes, family: int = 1, memo: Memo | None = None) -> tuple[bytes | None, bytes | None]:
        """Return the answers on the plain way, if it takes the query, and on the whole way."""
        sender = to_sockaddr("127.0.0.1" if family == 1 else "::1", 40000)
        self.stores.store.begin()
        try:
            plain = self.plain.answer(wire[2:], family, memo)
            whole = self.dispatch.handle(
                wire, Request(self.dispatch.listener, sender, family, "udp", 0.0, len(wire)), None
            )
        finally:
            self.stores.store.end()
        assert whole is None or isinstance(whole, bytes)
        return plain, whole


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[Ways]:
    made = Ways(tmp_path)
    yield made
    made.stores.close()


def test_every_answer_is_that_of_the_whole_way(ways: Ways) -> None:
    taken = 0
    for name in NAMES:
        for qtype in TYPES:
            for how in SIZES:
                for family in (1, 2):
                    wire = question(f"{name}.example.org." if name else "example.org.", qtype, **how)
                    for _ in range(2):
                        plain, whole = ways.both(wire, family)
                        assert plain in (None, whole), (name, qtype, how)
                        taken += plain is not None
    assert taken > 2000


def test_a_denial_kept_ready_is_none_for_a_name_above_others(ways: Ways) -> None:
    for name in ("nope", "ent", "nope2", "ent", "b.ent", "mail", "nope", "a.ent", "wild", "zz"):
        plain, whole = ways.both(question(f"{name}.example.org."))
        assert plain is not None and plain == whole, name


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("www.deep.example.org", True),
        ("deep.example.org", True),
        ("nope.deep.example.org", True),
        ("a.b.deep.example.org", True),
        ("www.in.deep.example.org", True),
        ("in.deep.example.org", True),
        ("x.sub.example.org", True),
        ("mail.example.org", True),
        ("example.org", True),
        ("org", False),
        ("nothing.org", False),
        ("www.example.com", False),
        ("www.other.example.net", False),
        ("other.example.net", False),
        ("www.example.net", False),
        ("www.net", False),
    ],
)
def test_the_longest_zone_answers_where_zones_have_no_keys(name: str, taken: bool, tmp_path: Path) -> None:
    ways = Ways(tmp_path, corefile=BELOW_KEYS)
    ways.both(question("in.deep.example.org."))  # its source opens the store, too
    for qtype in TYPES:
        for _ in range(2):
            plain, whole = ways.both(question(f"{name}.", qtype))
            assert plain in (None, whole)
            assert (plain is not None) is (taken and qtype not in ("DS", "AXFR", "IXFR")), qtype
    ways.stores.close()


def test_a_zone_that_is_published_anew_is_answered_from_anew(ways: Ways, tmp_path: Path) -> None:
    names = ("nope", "mail", "new", "b.ent", "nope.wild.x")
    before = {name: ways.both(question(f"{name}.example.org."))[0] for name in names}
    (tmp_path / "db").write_text(ZONE.replace("900", "901").replace("192.0.2.2", "192.0.2.22") + "new A 192.0.2.9\n")
    ways.publish()
    for name in names:
        plain, whole = ways.both(question(f"{name}.example.org."))
        assert plain == whole != before[name], name


def test_what_is_kept_of_a_denial_is_for_the_flags_and_proofs_asked_for(ways: Ways) -> None:
    for _ in range(3):
        for how in SIZES[:7]:
            plain, whole = ways.both(question("nope.example.org.", **how))
            assert plain in (None, whole)


@pytest.mark.parametrize("name", ["mail", "NoPe", "x.wild", "ent", "x.cut", "alias", "some"])
@pytest.mark.parametrize("how", [{}, {"size": 1232}, {"size": 1232, "do": True}])
def test_what_takes_a_look_up_and_no_more_is_answered(name: str, how: dict[str, Any], ways: Ways) -> None:
    if how or name != "some":  # which does not fit into 512 octets
        wire = question(f"{name}.example.org.", "TXT", **how)
        ways.both(wire)  # whose header and OPT record are known from then on
        assert ways.both(wire)[0] is not None


@pytest.mark.parametrize(
    ("name", "qtype", "how"),
    [
        ("mail.example.org.", "AXFR", {}),
        ("mail.example.org.", "DS", {}),
        ("mail.example.org.", "A", {"options": ((3, b""),)}),
        ("mail.example.org.", "A", {"rdclass": "CH"}),
        ("away.example.org.", "A", {}),
        ("long.example.org.", "TXT", {"size": 4096}),
        ("example.net.", "A", {}),
        ("x.sub.example.org.", "A", {}),
        (".", "NS", {}),
    ],
)  # fmt: skip
def test_what_takes_more_goes_the_whole_way(name: str, qtype: str, how: dict[str, Any], ways: Ways) -> None:
    for _ in range(2):
        assert ways.both(question(name, qtype, **how))[0] is None


def test_no_octets_are_answered_differently(ways: Ways) -> None:
    chance = random.Random(3)
    seeds = [question(f"{name}.example.org.", "A", **how) for name in NAMES if name for how in SIZES[:6]]
    for _ in range(20_000):
        wire = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 3)):
            at = chance.randrange(2, max(len(wire), 3))
            wire += bytes(max(0, 3 - len(wire)))
            match chance.randrange(4):
                case 0:
                    wire[at] = chance.randrange(256)
                case 1:
                    del wire[at]
                case 2:
                    wire.insert(at, chance.randrange(256))
                case _:
                    del wire[at:]
        if len(wire) > 2:
            plain, whole = ways.both(bytes(wire))
            assert plain in (None, whole), bytes(wire).hex()


@pytest.mark.parametrize(
    ("before", "more", "is_open"),
    [
        ("", "", True),
        ("errors", "", True),
        ("errors\n cancel\n transfer {\n to *\n }", "", True),
        ("log", "", False),
        ("prometheus 127.0.0.1:0", "", False),
        ("acl {\n block net 10.0.0.0/8\n }", "", False),
        ("view v {\n expr true\n }", "", False),
        ("", "fallthrough", False),
    ],
)
def test_it_is_open_where_no_plugin_cares(before: str, more: str, is_open: bool, tmp_path: Path) -> None:
    ways = Ways(tmp_path, before, more)
    assert ways.plain.open is is_open
    ways.stores.close()


def test_all_spellings_of_a_name_share_what_is_kept(ways: Ways) -> None:
    memo = Memo(Budget(1 << 20))
    spellings = ["mail", "Mail", "mAil", "MAIL", "maIl"]
    wires = [question(f"{name}.example.org.") for name in spellings]
    firsts = [ways.both(wire, memo=memo) for wire in wires[1:3]]
    assert firsts[0][0] == firsts[0][1]
    assert firsts[1][0] is None  # seen before: whoever goes the whole way offers its answer
    kept = folded(wires[0][2:], wires[0][12:-4], len(wires[0]) - 2)
    assert firsts[1][1] is not None
    memo.young[kept] = firsts[1][1]
    for wire in wires[3:]:
        plain, whole = ways.both(wire, memo=memo)
        assert plain == whole is not None


def test_what_has_no_plain_answer_stays_unseen(ways: Ways) -> None:
    memo = Memo(Budget(1 << 20))
    wire = question("away.example.org.")
    assert ways.both(wire, memo=memo)[0] is None
    assert not memo.budget.seen


def test_a_fault_on_the_way_is_told_and_the_whole_way_answers(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ways.plain, "answer", lambda *_: 1 // 0)
    assert ways.dispatch.plain(ways.plain, question("mail.example.org.")[2:], 1, None) is None
    log.flush()
    said = capfd.readouterr()
    assert "ZeroDivisionError" in said.out + said.err
