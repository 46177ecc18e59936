"""`file`: set-up, loading, reloading, and what the plugin adds to the look-up engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.file.options import Options
from shardns.plugins.file.zones import falls_through, zone_files
from shardns.worker.plugin import SetupError
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Refused, Reply, ServFail
from shardns.worker.scope import Scope
from shardns.worker.wire.codes import AXFR, NS, SOA, A, Rcode
from shardns.worker.wire.names import from_text
from tests.worker.fakes import query
from tests.worker.store.serving import Server

ZONE = "@ 60 IN SOA ns1 host {serial} 7200 3600 1209600 300\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.53\n{more}"


def write(path: Path, serial: int = 1, more: str = "", mtime_s: int = 1) -> None:
    """Write a zone file with a modification time of its own."""
    path.write_text(ZONE.format(serial=serial, more=more))
    os.utime(path, (mtime_s, mtime_s))


class Start(Protocol):
    """Starts a server for a Corefile in which DIR is the folder."""

    def __call__(self, corefile: str, *, load: bool = True) -> Server: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "db", 1, "www 60 IN A 192.0.2.1\n*.wild 60 IN A 192.0.2.2\nx.ent 60 IN A 192.0.2.3\n")
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Start]:
    made: list[Server] = []

    def start(corefile: str, *, load: bool = True) -> Server:
        server = Server(corefile.replace("DIR", str(folder)), folder)
        made.append(server)
        if load:
            server.load()
        return server

    yield start
    for server in made:
        server.stores.close()


def ask(server: Server, name: str, qtype: int = A) -> Reply:
    """Return what the plugin answers."""
    server.stores.store.begin()
    try:
        outcome = server.files[0].answer(query(name, qtype))
    finally:
        server.stores.store.end()
    assert isinstance(outcome, Reply)
    return outcome


def addresses(reply: Reply) -> list[bytes]:
    """Return the rdatas of the answer."""
    return [rdata for rrset in reply.answer for rdata in rrset.rdatas]


def reload(server: Server, zone: str = "example.org.") -> None:
    """Let the keeper look at a zone's file."""
    asyncio.run(server.files[0].keeping.reload(from_text(zone)))


# Set-up ------------------------------------------------------------------------------------------------------------


def test_a_cidr_is_a_reverse_zone_and_the_default_reload_is_a_minute() -> None:
    lines = Options.read("file db 10.0.0.0/8")
    assert [(f.origin, f.reload_s) for f in zone_files(lines)] == [(from_text("10.in-addr.arpa."), 60.0)]


def test_reload_carries_over_to_following_lines_that_do_not_set_it() -> None:
    lines = Options.read("file a a.org\nfile b b.org {\n reload 5s\n}\nfile c c.org\nfile d d.org {\n reload 0\n}")
    assert [f.reload_s for f in zone_files(lines)] == [60.0, 5.0, 5.0, 0.0]


def test_the_last_fallthrough_of_the_block_counts() -> None:
    lines = Options.read(
        "file a a.org {\n fallthrough\n}\nfile b b.org {\n fallthrough www.example.org\n}\nfile c c.org"
    )
    assert falls_through(lines) == (from_text("www.example.org."),)
    assert falls_through(Options.read("file a a.org")) == ()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("file", "plugin/file: Corefile:1 - Error during parsing: Wrong argument count or unexpected line ending "
                 "after 'file'"),
        ("file db {\n no_reload\n}", "plugin/file: Corefile:2 - Error during parsing: unknown property 'no_reload'"),
        ("file db {\n no_rebloat\n}", "plugin/file: Corefile:2 - Error during parsing: unknown property 'no_rebloat'"),
        ("file db {\n transfer from 192.0.2.1\n}",
         "plugin/file: Corefile:2 - Error during parsing: unknown property 'transfer'"),
        ("file db {\n reload\n}", "plugin/file: reload duration value is expected"),
        ("file db {\n reload 5\n}", 'plugin/file: plugin/file: time: missing unit in duration "5"'),
        ("file db {\n reload_by_mtime yes\n}",
         "plugin/file: Corefile:2 - Error during parsing: unknown property 'yes'"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_the_reference_s_text(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text, Draft())
    assert caught.value.text == wanted


def test_upstream_and_more_words_after_reload_are_ignored() -> None:
    (line,) = Options.read("file db {\n upstream 1.2.3.4 5.6.7.8\n reload 5s please\n}")
    assert line.reload == 5.0


# Loading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("@ 60 IN NS ns1\n", 'plugin/file: file "DIR/bad" has no SOA record for origin example.org.'),
        (ZONE.format(serial=0, more=""),
         "plugin/file: no change in SOA serial for origin example.org. in file DIR/bad, with 0 SOA serial"),
        (ZONE.format(serial=1, more="A 0 IN NSEC3PARAM 1 0 0 -\n"),
         "plugin/file: NSEC3 zone is not supported, dropping RR: a.example.org. for zone: example.org."),
        (ZONE.format(serial=1, more="www 60 IN A not-an-address\n"),
         'plugin/file: failed to parse file "DIR/bad" for origin example.org. with error DIR/bad: dns: bad A A: '
         '"not-an-address" at line: 4:26\n  --> DIR/bad:4:26\n    |\n  4 | www 60 IN A not-an-address\n'
         "    |                          ^"),
        ("# comment\n", 'plugin/file: failed to parse file "DIR/bad" for origin example.org. with error DIR/bad: '
         'dns: not a TTL: "comment" at line: 1:9\n  --> DIR/bad:1:9\n    |\n  1 | # comment\n    |         ^'),
        (ZONE.format(serial="abc", more=""),
         'plugin/file: failed to parse file "DIR/bad" for origin example.org. with error DIR/bad: dns: bad SOA zone '
         'parameter: "abc" at line: 1:25\n  --> DIR/bad:1:25\n    |\n  1 | @ 60 IN SOA ns1 host abc 7200 3600 '
         "1209600 300\n    |                         ^"),
    ],
)  # fmt: skip
def test_a_bad_zone_file_refuses_the_generation(content: str, wanted: str, serve: Start, folder: Path) -> None:
    (folder / "bad").write_text(content)
    server = serve("example.org {\n file DIR/bad\n}", load=False)
    with pytest.raises(SetupError) as caught:
        server.load()
    assert str(caught.value) == wanted.replace("DIR", str(folder))


def test_a_missing_file_is_an_empty_zone_until_it_appears(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/late {\n reload 300ms\n }\n}")
    assert server.log.lines == [
        f'[WARNING] Failed to open "open {folder}/late: no such file or directory": trying again in 300ms'
    ]
    with pytest.raises(ServFail):
        ask(server, "www.example.org.")
    assert server.files[0].answer(query("example.org.", SOA, flags=0x2000)) is DROP
    write(folder / "late", 0, "www 60 IN A 192.0.2.7\n")
    reload(server)
    assert addresses(ask(server, "www.example.org.")) == [bytes((192, 0, 2, 7))]


def test_a_missing_file_that_is_never_looked_at_again_refuses_the_generation(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/late {\n reload 0\n }\n}", load=False)
    with pytest.raises(SetupError, match=f"open {folder}/late: no such file or directory"):
        server.load()


# Reloading ---------------------------------------------------------------------------------------------------------


def test_another_serial_replaces_the_zone_and_the_same_one_does_not(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    write(folder / "db", 1, "www 60 IN A 192.0.2.99\n", mtime_s=2)
    reload(server)
    assert addresses(ask(server, "www.example.org.")) == [bytes((192, 0, 2, 1))]
    write(folder / "db", 7, "www 60 IN A 192.0.2.99\n", mtime_s=3)
    reload(server)
    assert addresses(ask(server, "www.example.org.")) == [bytes((192, 0, 2, 99))]
    write(folder / "db", 3, "", mtime_s=4)
    reload(server)
    assert ask(server, "www.example.org.").rcode == Rcode.NXDOMAIN
    assert server.log.lines == [
        f'[INFO] Successfully reloaded zone "example.org." in "{folder}/db" with {serial} SOA serial'
        for serial in (7, 3)
    ]


def test_a_broken_or_vanished_file_is_logged_every_time_and_the_old_zone_stays(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    write(folder / "db", 2, "www 60 IN A x\n", mtime_s=2)
    reload(server)
    reload(server)
    (folder / "db").unlink()
    reload(server)
    assert server.log.lines == [
        f'[ERROR] Parsing zone "example.org.": failed to parse file "{folder}/db" for origin example.org. with error '
        f'{folder}/db: dns: bad A A: "x" at line: 4:13',
    ] * 2 + [
        f'[ERROR] Failed to open zone "example.org." in "{folder}/db": open {folder}/db: no such file or directory'
    ]
    assert addresses(ask(server, "www.example.org.")) == [bytes((192, 0, 2, 1))]


def test_by_modification_time_the_serial_does_not_matter(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/db {\n reload_by_mtime\n }\n}")
    write(folder / "db", 1, "www 60 IN A 192.0.2.8\n", mtime_s=9)
    reload(server)
    assert addresses(ask(server, "www.example.org.")) == [bytes((192, 0, 2, 8))]
    (folder / "db").unlink()
    reload(server)
    assert server.log.lines[1:] == [
        f'[ERROR] Failed to stat zone "example.org." in "{folder}/db": stat {folder}/db: no such file or directory'
    ]


def test_a_soa_record_in_an_included_file_is_looked_at_too(serve: Start, folder: Path) -> None:
    write(folder / "apex", 1)
    (folder / "main").write_text("$INCLUDE apex\nwww 60 IN A 192.0.2.9\n")
    server = serve("example.org {\n file DIR/main\n}")
    reload(server)
    assert server.log.lines == []
    write(folder / "apex", 2, mtime_s=2)
    reload(server)
    reload(server)
    assert server.log.lines == [
        f'[INFO] Successfully reloaded zone "example.org." in "{folder}/main" with 2 SOA serial'
    ]
    (folder / "apex").unlink()
    reload(server)
    assert "failed to open `apex'" in server.log.lines[1]


def test_secondaries_are_told_at_the_start_and_when_a_reload_came_to_nothing(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/db a.org b.org {\n reload 0\n }\n}")
    plugin = server.files[0]
    told: list[bytes] = []

    async def notify(origin: bytes) -> None:
        told.append(origin)

    async def live() -> None:
        scope = Scope(cast(Any, None))
        await plugin.refused()
        await plugin.start(scope)
        await plugin.refused()
        await asyncio.sleep(0)
        await scope.close()

    plugin.keeping.notify = notify
    asyncio.run(live())
    assert told == [from_text("a.org."), from_text("b.org.")] * 2


def test_an_answer_s_zone_is_noted_and_stale_once_it_is_replaced(serve: Start, folder: Path) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    asked = query("www.example.org.")
    server.stores.store.begin()
    server.files[0].answer(asked)
    server.stores.store.end()
    assert asked.request.zones is not None
    (zone,) = asked.request.zones
    assert not zone.stale
    write(folder / "db", 2, mtime_s=2)
    reload(server)
    server.stores.store.begin()
    assert zone.stale
    server.stores.store.end()


# Answering ---------------------------------------------------------------------------------------------------------


def test_a_name_in_no_zone_is_refused_unless_another_plugin_follows(serve: Start) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    plugin = server.files[0]
    with pytest.raises(Refused):
        plugin.answer(query("www.example.net."))
    plugin.site.plugins.append(plugin.site.plugins.pop(0))
    plugin.site.plugins.append(cast(Any, object()))
    assert plugin.answer(query("www.example.net.")) is None


@pytest.mark.parametrize(
    ("falls", "name", "passes"),
    [
        ("fallthrough", "nothere.example.org.", True),
        ("fallthrough", "ent.example.org.", True),
        ("fallthrough", "www.example.org.", False),
        ("fallthrough", "any.wild.example.org.", False),
        ("fallthrough ent.example.org", "nothere.example.org.", False),
        ("fallthrough ent.example.org", "ent.example.org.", True),
        ("", "nothere.example.org.", False),
    ],
)
def test_only_missing_names_fall_through_and_only_in_its_zones(
    falls: str, name: str, passes: bool, serve: Start
) -> None:
    server = serve(f"example.org {{\n file DIR/db {{\n {falls}\n }}\n}}")
    server.stores.store.begin()
    assert (server.files[0].answer(query(name, 16 if name.startswith("ent") else A)) is None) is passes
    server.stores.store.end()


def test_transfers_that_nobody_took_are_refused_and_notify_is_ignored(serve: Start) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    server.stores.store.begin()
    with pytest.raises(Refused):
        server.files[0].answer(query("example.org.", AXFR))
    assert server.files[0].answer(query("example.org.", SOA, flags=0x2000)) is DROP
    server.stores.store.end()


def test_an_expired_zone_is_servfail_and_logged(serve: Start) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    plugin = server.files[0]
    server.stores.staging.expire(from_text("example.org."), plugin.owner)
    with pytest.raises(ServFail):
        ask(server, "www.example.org.")
    assert server.log.lines == ["[ERROR] Zone example.org. is expired"]
    server.stores.staging.expire(from_text("example.org."), plugin.owner, False)
    assert ask(server, "www.example.org.").rcode == 0


def test_the_wildcard_is_offered_as_metadata(serve: Start) -> None:
    server = serve("example.org {\n file DIR/db\n}")
    asked = query("some.wild.example.org.")
    asked.request.metadata = {}
    server.stores.store.begin()
    server.files[0].answer(asked)
    server.stores.store.end()
    assert asked.metadata("zone/wildcard") == "*.wild.example.org."


def test_an_alias_out_of_the_zone_may_wait_for_the_server(serve: Start, folder: Path) -> None:
    write(folder / "db", 1, "out 60 IN CNAME www.example.net.\n")
    server = serve("example.org {\n file DIR/db\n}")
    plugin = server.files[0]

    async def slow(asked: Query, name: bytes, qtype: int) -> Reply:
        return asked.reply(Rcode.NXDOMAIN)

    cast(Any, plugin.site).lookup = slow
    server.stores.store.begin()
    waiting = plugin.answer(query("out.example.org."))
    server.stores.store.end()
    reply: object = asyncio.run(cast(Any, waiting))
    server.stores.store.end()
    assert isinstance(reply, Reply)
    assert (reply.rcode, reply.answer.count, [r.rtype for r in reply.authority]) == (Rcode.NXDOMAIN, 1, [SOA])


def test_thousands_of_zones_are_found_by_suffix(serve: Start, folder: Path) -> None:
    zones = " ".join(f"z{i}.example.org" for i in range(300))
    server = serve(f"example.org {{\n file DIR/db {zones} example.org\n}}")
    assert ask(server, "www.z250.example.org.").answer[0].owner == from_text("www.z250.example.org.")
    assert ask(server, "z7.example.org.", NS).answer[0].owner == from_text("z7.example.org.")
