"""`loop`: names, sightings, and what the third one does."""

from __future__ import annotations

import pickle
from typing import Any, cast

import pytest

from shardns.config.draft import Draft
from shardns.config.model import Key
from shardns.plugins.loop import probe
from shardns.plugins.loop.loop import Loop, Options, probe_name
from shardns.worker.address import Address
from shardns.worker.query import Query
from shardns.worker.reply import DROP, ServFail
from shardns.worker.shared import Cells
from shardns.worker.site import Site
from shardns.worker.wire.codes import HINFO
from shardns.worker.wire.names import from_text, to_text
from tests.plugins.peer import Peer, awaited
from tests.plugins.small import refusal
from tests.worker.fakes import FakeSite, query

ORG = Draft(keys=(Key("dns", from_text("example.org."), 1053), Key("dns", b"\0", 53)))


def loop(text: str = "loop", draft: Draft = ORG, host: str = "") -> tuple[Loop, list[str]]:
    cells = Cells(bytearray(512), 1, 0)
    fatal: list[str] = []
    block = FakeSite(hosts=(host,), keys=draft.keys)
    site = FakeSite(shared=lambda name, directive="": cells.shared(0, directive, name), block=block, fatal=fatal.append)
    return Loop(Options.read(text, draft), cast(Site, site)), fatal


def through(plugin: Loop, asked: Query) -> Any:
    """Let a query pass; the chain below answers with an empty reply."""
    steps = plugin.around(asked)
    item = next(steps)
    return steps.send(asked.reply()) if item is asked else item


def sighting(plugin: Loop) -> Query:
    return query(to_text(plugin.options.probe), HINFO)


def test_an_argument_is_refused() -> None:
    count = "Wrong argument count or unexpected line ending after 'argument'"
    assert refusal(Options, "loop argument").endswith(count)
    assert refusal(Options, "loop\nloop") == "plugin/loop: this plugin can only be used once per Server Block"


def test_the_first_zone_is_probed_and_the_name_is_the_same_in_all_processes() -> None:
    options = Options.read("loop", ORG)
    assert options.zone == from_text("example.org.")
    assert pickle.loads(pickle.dumps(options)).probe == options.probe
    labels = to_text(options.probe).split(".")
    assert labels[2:] == ["example", "org", ""] and all(label.isdigit() and int(label) < 2**64 for label in labels[:2])


def test_models_that_differ_in_the_random_name_alone_are_equal() -> None:
    one, two = Options.read("loop", ORG), Options.read("loop", ORG)
    assert one == two and one.probe != two.probe


def test_the_third_sighting_ends_the_server() -> None:
    plugin, fatal = loop()
    for _ in range(2):
        assert through(plugin, sighting(plugin)) is not DROP
    assert not fatal
    assert through(plugin, sighting(plugin)) is DROP
    name = to_text(plugin.options.probe)
    assert fatal == [
        'plugin/loop: Loop (10.240.0.1:40212 -> :1053) detected for zone "example.org.", '
        f'see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO {name}"'
    ]


@pytest.mark.parametrize(
    ("name", "qtype"), [("a.example.org.", 1), ("a.example.net.", HINFO), ("a.example.org.", HINFO)]
)
def test_other_queries_pass_uncounted(name: str, qtype: int) -> None:
    plugin, fatal = loop()
    for _ in range(5):
        assert through(plugin, query(name, qtype)) is not DROP
    assert plugin.seen.get() == 0 and not fatal


def test_only_hinfo_queries_in_the_zone_are_kept_out_of_the_memo() -> None:
    plugin, _ = loop()
    probed, other = sighting(plugin), query("a.example.org.")
    through(plugin, probed)
    through(plugin, other)
    assert probed.request.once and not other.request.once


def test_nothing_is_counted_once_detection_is_over() -> None:
    plugin, fatal = loop()
    plugin.off.set(1)
    for _ in range(5):
        through(plugin, sighting(plugin))
    assert plugin.seen.get() == 0 and not fatal


def test_a_contained_loop_answers_servfail_and_names_the_culprit(capfd: pytest.CaptureFixture[str]) -> None:
    plugin, fatal = loop("loop contain")
    for _ in range(2):
        through(plugin, sighting(plugin))
    with pytest.raises(ServFail):
        through(plugin, sighting(plugin))
    assert not fatal
    with pytest.raises(ServFail) as caught:
        through(plugin, query("www.example.org."))
    assert caught.value.ede == (0, "forwarding loop detected")
    assert through(plugin, query("www.example.net.")) is not DROP
    assert "The query came back from 10.240.0.1;" in capfd.readouterr().out


def test_the_probe_goes_to_the_first_listen_address() -> None:
    assert str(loop(host="127.0.0.9")[0].target) == "127.0.0.9:1053"
    assert probe_name(b"\0").endswith(b"\0")


@pytest.mark.system
@awaited
async def test_any_answer_ends_detection() -> None:
    plugin, _ = loop()
    async with Peer() as peer:
        await probe.watch(plugin.options.probe, Address("", peer.port), plugin.seen, plugin.off)
        assert plugin.off.get() == 1
        flags_and_counts = b"\1\0\0\1\0\0\0\0\0\0"
        assert peer.seen[0][1][2:] == flags_and_counts + plugin.options.probe + b"\0\x0d\0\1"


@pytest.mark.system
@awaited
async def test_a_mute_server_sets_the_sightings_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.1)
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.03)
    monkeypatch.setattr(probe, "PAUSE_S", 0.01)
    plugin, _ = loop()
    plugin.seen.set(2)
    async with Peer(lambda wire, via: []) as peer:
        await probe.watch(plugin.options.probe, Address("127.0.0.1", peer.port), plugin.seen, plugin.off)
        assert len(peer.seen) > 1
    assert plugin.seen.get() == 0 and plugin.off.get() == 1
