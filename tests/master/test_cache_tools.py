"""`shardns cache list`, `flush`, `dump` and `load`: what they print, what they change, how they end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shardns.master import cache_tools
from shardns.master.cli import main
from shardns.master.remote import NoServer
from shardns.worker.store.cache import CacheStore
from shardns.worker.store.holdings import notes
from tests.plugins.cached import NXDOMAIN, Lab, reply

SOA_TEXT = "example.net. IN SOA ns. admin. 1 7200 3600 1209600 300"
Captured = pytest.CaptureFixture[str]


class Bench:
    """A server's folder without the server. `told` is what the master was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.lab = Lab(folder)
        self.monkeypatch = monkeypatch
        self.told: list[str] = []
        self.acknowledged = True
        store = self.lab.store
        monkeypatch.setattr(cache_tools, "ask", self.ask)
        monkeypatch.setattr(CacheStore, "open", lambda folder: store)
        monkeypatch.setattr(store, "close", store.flush)
        self.announce()

    def announce(self) -> None:
        self.lab.plugin.sweeper.announce(self.lab.plugin.shelf.note().encode())

    def ask(self, conf: str, request: dict[str, Any], patience_s: float) -> dict[str, Any]:
        self.told.append(request["do"])
        if request["do"] == "where":
            return {"ok": True, "folder": str(self.folder)}
        return {"ok": self.acknowledged, "text": "1 workers did not answer"}

    def fill(self) -> None:
        self.lab.upstream = reply("www.example.org. 60 IN A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.2")
        self.lab.ask("www.example.org.")
        self.lab.ask("www.example.org.", do=True)
        self.lab.upstream = reply("example.org. 90 IN MX 5 mail.example.org.", flags=0x01A0)
        self.lab.ask("Example.ORG.", "MX", ad=True)
        self.lab.upstream = reply(rcode=NXDOMAIN, soa="example.net. 30")
        self.lab.ask("nx.example.net.", "AAAA", cd=True)
        self.lab.upstream = reply("notexample.org. 60 IN A 192.0.2.9")
        self.lab.ask("notexample.org.")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(tmp_path, monkeypatch)
    bench.fill()
    yield bench


def listed(capsys: Captured, *words: str) -> list[list[str]]:
    assert main(["cache", "list", *words]) == 0
    return sorted(line.split("\t") for line in capsys.readouterr().out.splitlines())


def test_list_shows_what_is_cached(bench: Bench, capsys: Captured) -> None:
    bench.lab.clock += 10
    assert listed(capsys) == [
        ["example.org.", "80", "IN", "MX", "NOERROR", "MX 5 mail.example.org."],
        ["notexample.org.", "50", "IN", "A", "NOERROR", "A 192.0.2.9"],
        ["nx.example.net.", "20", "IN", "AAAA +cd", "NXDOMAIN", SOA_TEXT],
        ["www.example.org.", "50", "IN", "A", "NOERROR", "A 192.0.2.1; A 192.0.2.2"],
        ["www.example.org.", "50", "IN", "A +do", "NOERROR", "A 192.0.2.1; A 192.0.2.2"],
    ]  # fmt: skip


def test_list_leaves_out_what_is_over(bench: Bench, capsys: Captured) -> None:
    bench.lab.clock += 60
    assert [row[0] for row in listed(capsys)] == ["example.org."]


@pytest.mark.parametrize(("words", "names"), [
    (["example.org"], ["example.org."]),
    (["EXAMPLE.org.", "--subtree"], ["example.org.", "www.example.org.", "www.example.org."]),
    (["--subtree", "org"], ["example.org.", "notexample.org.", "www.example.org.", "www.example.org."]),
    ([".", "--subtree"], sorted(["example.org.", "notexample.org.", "nx.example.net."] + 2 * ["www.example.org."])),
    (["."], []),
])  # fmt: skip
def test_a_name_means_itself_and_with_subtree_what_is_below(
    bench: Bench, capsys: Captured, words: list[str], names: list[str]
) -> None:
    assert [row[0] for row in listed(capsys, *words)] == names
    before = sum(bench.lab.entries())
    assert main(["cache", "flush", *words]) == 0
    assert capsys.readouterr().out == f"{len(names)} {'entry' if len(names) == 1 else 'entries'} flushed\n"
    assert sum(bench.lab.entries()) == before - len(names)
    assert bench.told[-1] == "forget"
    assert listed(capsys, *words) == []


def test_programs_get_objects(bench: Bench, capsys: Captured) -> None:
    assert main(["cache", "list", "--json", "nx.example.net"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["type"], found["rcode"], found["ttl"], found["cd"], found["denied"]) == (
        "AAAA", "NXDOMAIN", 30, True, True,
    )  # fmt: skip


def test_what_was_dumped_is_loaded_with_its_age(bench: Bench, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "dump"
    bench.lab.clock += 10
    assert main(["cache", "dump", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    before = listed(capsys)
    assert main(["cache", "flush", ".", "--subtree"]) == 0
    head = json.loads(file.read_text().splitlines()[0])
    bench.monkeypatch.setattr(time, "time", lambda: head["taken"] + 25)
    bench.lab.clock += 5  # the other server's clock began at another time
    capsys.readouterr()
    assert main(["cache", "load", str(file)]) == 0
    assert capsys.readouterr().out == "4 loaded, 1 too old, 0 belong to no cache of this configuration\n"
    after = listed(capsys)
    assert [row[:1] + row[2:] for row in after] == [row[:1] + row[2:] for row in before if row[0] != "nx.example.net."]
    assert [row[1] for row in after] == ["55", "25", "25", "25"]
    bench.lab.calls()
    found = bench.lab.ask("example.org.", "MX", ad=True)
    assert found.flags & 0x20 and found.answer[0].ttl == 55 and bench.lab.calls() == 0


def test_what_came_since_the_dump_stays(bench: Bench, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "dump"
    assert main(["cache", "dump", str(file)]) == 0
    assert main(["cache", "load", str(file)]) == 0
    assert capsys.readouterr().out == "0 loaded, 5 too old, 0 belong to no cache of this configuration\n"


def test_a_dump_finds_the_cache_of_the_same_names(bench: Bench, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "dump"
    assert main(["cache", "dump", str(file)]) == 0
    main(["cache", "flush", ".", "--subtree"])
    head, *rest = file.read_text().splitlines()
    told = json.loads(head)
    told["caches"][0]["like"] = "00" * 8  # another upstream, say
    file.write_text("\n".join([json.dumps(told), *rest]))
    assert main(["cache", "load", str(file)]) == 0
    told["caches"][0]["keys"] = ["dns://other.:53"]
    main(["cache", "flush", ".", "--subtree"])
    file.write_text("\n".join([json.dumps(told), *rest]))
    capsys.readouterr()
    assert main(["cache", "load", str(file)]) == 1
    assert capsys.readouterr().out == "0 loaded, 0 too old, 5 belong to no cache of this configuration\n"


def spoil(text: str, **fields: object) -> str:
    head, first, *rest = text.splitlines()
    return "\n".join([head, json.dumps(json.loads(first) | fields), *rest])


@pytest.mark.parametrize("fields", [
    {"message": "AAAA"}, {"message": "?"}, {"message": ""}, {"name": "other.example."}, {"lifetime": 0},
    {"rcode": "WHAT"},
    {"lifetime": 1 << 40}, {"age": "x"}, {"cache": None}, {"rcode": "RCODE999"},
])  # fmt: skip
def test_a_spoilt_entry_is_told_with_its_line(
    bench: Bench, tmp_path: Path, capsys: Captured, fields: dict[str, object]
) -> None:
    file = tmp_path / "dump"
    assert main(["cache", "dump", str(file)]) == 0
    file.write_text(spoil(file.read_text(), **fields))
    assert main(["cache", "load", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}:2: no entry of a cache; 0 were loaded before it\n"


def test_what_is_no_dump_is_refused(bench: Bench, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "dump"
    file.write_text("$ORIGIN example.org.\n")
    assert main(["cache", "load", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: no dump of a cache\n"
    file.write_text('{"shardns_cache": 2, "taken": 0, "caches": []}\n')
    assert main(["cache", "load", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: a dump of format 2, this program knows 1\n"
    assert main(["cache", "load", str(tmp_path / "nowhere")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_worker_that_does_not_forget_is_told(bench: Bench, capsys: Captured) -> None:
    bench.acknowledged = False
    assert main(["cache", "flush", "example.org"]) == 1
    assert capsys.readouterr() == ("", "1 workers did not answer\n")


def test_a_cache_that_is_not_in_force_is_not_shown_but_flushed(bench: Bench, capsys: Captured) -> None:
    bench.lab.plugin.sweeper.retire()
    assert notes(bench.lab.store) == {} and listed(capsys) == []
    assert main(["cache", "flush", ".", "--subtree"]) == 0
    assert capsys.readouterr().out == "5 entries flushed\n"


def test_without_server_or_cache_the_status_is_1(
    bench: Bench, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.folder = tmp_path / "empty"
    assert main(["cache", "list"]) == 1
    assert capsys.readouterr().err == "the configuration has no cache\n"

    def nobody(*_: object) -> dict[str, Any]:
        raise NoServer("no running server found for Corefile")

    monkeypatch.setattr(cache_tools, "ask", nobody)
    for words in (["list"], ["flush", "a"], ["dump"]):
        assert main(["cache", *words]) == 1
        assert capsys.readouterr().err == "no running server found for Corefile\n"


@pytest.mark.parametrize("words", [
    [], ["drop"], ["flush"], ["flush", "a", "b"], ["list", "a", "b"], ["load"], ["list", "--what"], ["dump", "a", "b"],
    ["flush", "a..b"], ["flush", "x" * 64],
])  # fmt: skip
def test_a_wrong_command_line_ends_with_2(bench: Bench, capsys: Captured, words: list[str]) -> None:
    assert main(["cache", *words]) == 2
    out, err = capsys.readouterr()
    assert not out and "shardns cache flush [-conf FILE] NAME [--subtree]" in err


def test_help_ends_with_0(capsys: Captured) -> None:
    for words in (["-h"], ["list", "-h"]):
        assert main(["cache", *words]) == 0
        assert "shardns cache list" in capsys.readouterr().err


def test_a_dump_goes_through_a_pipe(bench: Bench, tmp_path: Path, capsys: Captured) -> None:
    assert main(["cache", "dump"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 6
