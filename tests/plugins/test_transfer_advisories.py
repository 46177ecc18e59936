"""What has hurt others: advisories and crash fixes about transfers, secondaries and loops in zones, a test each."""

from __future__ import annotations

import asyncio
from itertools import permutations
from pathlib import Path
from typing import Any

import dns.message
import pytest

from shardns.worker.stream import Stream
from shardns.worker.wire.codes import NS, SOA, A
from shardns.worker.wire.names import from_text
from shardns.worker.zone import transfer
from tests.plugins.test_secondary import Play, play
from tests.plugins.test_transfer import ORIGIN, SOA_RDATA, made
from tests.worker.store.serving import Server
from tests.worker.zone.test_transfer import Taken, host, message, start

__all__ = ["made", "play"]  # fixtures

STANZAS = (
    "transfer {zone} {{\n to *\n}}".format(zone="ORG"),
    "transfer {zone} {{\n to 192.0.2.1\n}}".format(zone="Example.Org"),
    "transfer {zone} {{\n to *\n}}".format(zone="aaa.example.org zzz.example.org"),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("name", ["example.org.", "eXample.ORG."])
def test_a_zone_s_own_rule_counts_in_any_order_and_case(order: tuple[int, ...], name: str, made: Any) -> None:
    """CVE-2026-33489: the rule was chosen by the order of strings, so the parent's let everybody in."""
    at = made("\n".join(STANZAS[number] for number in order))
    assert at.ask(name, ip="127.0.0.1").rcode == 5
    assert isinstance(at.ask(name, ip="192.0.2.1"), Stream)


def test_a_zone_of_nothing_but_a_soa_record_goes_out_whole(made: Any) -> None:
    """CVE-2026-62994: a source without records ended the server."""
    at = made(hosts=0)
    assert at.records(at.ask("example.org.")) == [[SOA, SOA]]


def test_empty_messages_in_the_middle_of_a_transfer_are_harmless() -> None:
    """CVE-2026-62994, the other way round."""
    taken = Taken().feed(message(start(5)), message(), message(host("a")), message(), message(start(5)))
    assert taken.inbound.done and taken.records == [start(5), host("a")]


def test_all_name_servers_stand_in_front(made: Any) -> None:
    """coredns#8256: a zone with several NS records."""
    at = made(hosts=1)
    with at.stores.staging.zone(ORIGIN, "file/0") as zone:
        zone.add(ORIGIN, SOA, 60, [SOA_RDATA])
        zone.add(ORIGIN, NS, 60, [from_text(f"ns{number}.example.net.") for number in range(13)])
        zone.add(from_text("a.example.org."), A, 60, [b"1234"])
    assert at.records(at.ask("example.org.")) == [[SOA, *[NS] * 13, A, SOA]]


def test_timers_of_zero_do_not_ask_without_a_pause(play: Play) -> None:
    """coredns#8276: a refresh of 0 made the server ask for ever."""
    follower = play.follower()
    follower.soa = ORIGIN + ORIGIN + (1).to_bytes(4, "big") + bytes(16)
    follower.checked = play.now
    assert follower._until_refresh() >= 1
    assert follower.expires >= play.now + 1


@pytest.mark.parametrize(
    ("bound", "limit"), [pytest.param("MAX_RECORDS", 3, id="records"), pytest.param("MAX_BYTES", 100, id="octets")]
)
def test_a_transfer_past_its_bounds_changes_nothing_and_says_why(
    bound: str, limit: int, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endless transfers (Cure53): the log names zone, primary and reason."""
    play.answers = {"192.0.2.1": [message(start(1), host("a"), start(1))]}
    follower = play.follower()
    asyncio.run(follower.transfer())
    play.log.lines.clear()
    monkeypatch.setattr(transfer, bound, limit)
    play.answers["192.0.2.1"] = [message(start(2), host("b"), host("c"), start(2))]
    with pytest.raises(transfer.TransferError):
        asyncio.run(follower.transfer(whole=True))
    assert play.owners() == ["a"] and follower.times.serial == 1
    reason = 'Failed to transfer `example.org.\' from "192.0.2.1:53": the zone is too large'
    assert play.log.lines[0] == f"[ERROR] {reason}"


LOOPS = """$ORIGIN loop.test.
@ 60 SOA ns1 host 1 60 60 60 60
@ 60 NS ns1
ns1 60 A 192.0.2.1
*.w 60 CNAME x.w
*.v 60 CNAME x.y.v
d 60 DNAME d
e 60 DNAME x.e
f 60 DNAME g
g 60 DNAME f
a 60 CNAME b
b 60 CNAME a
c 60 CNAME c
"""


@pytest.mark.parametrize("name", ["q.w", "q.v", "x.d", "y.e", "z.f", "z.g", "a", "c", "x.w", "x.y.v"])
@pytest.mark.parametrize("do", [False, True])
def test_loops_in_a_zone_have_an_end(name: str, do: bool, tmp_path: Path) -> None:
    """coredns#4378, #8418: wildcards, CNAMEs and DNAMEs that lead to themselves."""
    (tmp_path / "db").write_text(LOOPS)
    server = Server(f"loop.test {{\n file {tmp_path}/db\n}}", tmp_path)
    server.load()
    query = dns.message.make_query(f"{name}.loop.test.", "A", want_dnssec=do, payload=1232)
    answer = server.exchange(query.to_wire())
    server.stores.close()
    assert answer is not None
    assert len(dns.message.from_wire(answer).answer) < 40
