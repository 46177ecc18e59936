"""`transfer`: set-up, who may transfer what, and what is sent. Real transfers are in the system tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dns.message
import pytest

from shardns.plugins.transfer.options import Options
from shardns.plugins.transfer.transfer import Transfer
from shardns.worker.query import Query
from shardns.worker.reply import Refused, Reply, ServFail
from shardns.worker.store.pins import held
from shardns.worker.stream import Stream, sealed
from shardns.worker.wire.codes import SOA, A
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import read
from tests.plugins.small import options, refusal
from tests.worker.fakes import FakeSite, request
from tests.worker.store.serving import Lines, Stores

ORIGIN = from_text("example.org.")
SOA_RDATA = ORIGIN + ORIGIN + b"".join(n.to_bytes(4, "big") for n in (20, 60, 2, 600, 60))


class Provider:
    """A plugin with one zone."""

    journal_owner = "file/0"

    def __init__(self, stores: Stores) -> None:
        self.table = stores.store.zones("file/0")

    def transferable(self, origin: bytes) -> Any:
        """Return the zone of that name."""
        return self.table.get(origin)


class Set:
    """A `transfer` beside a provider."""

    def __init__(self, text: str, folder: Path, hosts: int = 3) -> None:
        self.stores = Stores(folder)
        with self.stores.staging.zone(ORIGIN, "file/0") as zone:
            zone.add(ORIGIN, SOA, 60, [SOA_RDATA])
            for number in range(hosts):
                zone.add(from_text(f"h{number}.example.org."), A, 60, [number.to_bytes(4, "big")])
        self.log = Lines()
        self.folder = folder
        plugins: list[Any] = [Provider(self.stores)]
        site = FakeSite(
            logger=lambda directive: self.log, plugins=plugins, zones=(b"\0",),
            generation=SimpleNamespace(folder=folder, store=self.stores.store),
        )  # fmt: skip
        self.plugin = Transfer(options(Options, text), cast(Any, site))

    def ask(
        self, name: str, rtype: str = "AXFR", serial: int | None = None, via: str = "tcp", ip: str = "10.240.0.1",
        flows: bool = True,
    ) -> Any:  # fmt: skip
        """Return the outcome."""
        message = dns.message.make_query(name, rtype)
        if serial is not None:
            message.authority.append(dns.rrset.from_text(name, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
        asked = request(via, ip)
        asked.flows = flows and via == "tcp"
        query = read(message.to_wire(), asked)
        assert isinstance(query, Query)
        self.query = query
        self.stores.store.begin()
        try:
            outcome: Any = self.plugin.answer(query)
            return asyncio.run(cast(Any, outcome)) if inspect.isawaitable(outcome) else outcome
        finally:
            self.stores.store.end()

    def records(self, outcome: Any) -> list[list[int]]:
        """Return the types of the records of each message, all messages being taken."""
        assert isinstance(outcome, Stream)
        first = sealed(self.query, outcome)
        rest = [one for one in first.rest if one is not None]  # type: ignore[attr-defined]  # a Flow
        self.stores.store.end()
        messages = [dns.message.from_wire(b"\0\0" + one, one_rr_per_rrset=True, xfr=True) for one in (first, *rest)]
        assert all(message.flags & 0x0400 and len(message.question) == 1 for message in messages)
        return [[int(rrset.rdtype) for rrset in message.answer] for message in messages]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    sets: list[Set] = []

    def make(text: str = "transfer {\n to *\n}", **more: int) -> Set:
        sets.append(Set(text, tmp_path, **more))
        return sets[-1]

    yield make
    for one in sets:
        one.stores.close()


def test_a_zone_begins_and_ends_with_its_soa(made: Any) -> None:
    at = made()
    assert at.records(at.ask("ExAmPlE.OrG.")) == [[SOA, A, A, A, SOA]]
    assert at.log.lines == [
        '[INFO] Outgoing transfer of 5 records of zone "ExAmPlE.OrG." to 10.240.0.1 for 20 SOA serial'
    ]


def test_a_large_zone_takes_several_messages_and_is_pinned_meanwhile(made: Any) -> None:
    at = made(hosts=5000)
    outcome = at.ask("example.org.")
    assert len(held(at.folder)) == 1
    counts = [len(types) for types in at.records(outcome)]
    assert len(counts) > 2 and sum(counts) == 5002
    assert held(at.folder) == set()


def test_a_client_that_is_up_to_date_gets_the_soa_without_aa(made: Any) -> None:
    at = made()
    reply = at.ask("example.org.", "IXFR", 20)
    assert isinstance(reply, Reply) and not reply.aa and reply.answer.count == 1
    assert at.log.lines == [
        '[INFO] Outgoing noop, incremental transfer for up to date zone "example.org." to 10.240.0.1 for 20 SOA serial'
    ]
    for serial in (19, 21, 0):
        assert at.records(at.ask("example.org.", "IXFR", serial)) == [[SOA, A, A, A, SOA]]


def test_an_ixfr_without_a_soa_fails(made: Any) -> None:
    with pytest.raises(ServFail):
        made().ask("example.org.", "IXFR")


def test_udp_is_refused_before_any_rule(made: Any) -> None:
    at = made("transfer example.org {\n to *\n}")
    for name in ("example.org.", "example.test."):
        with pytest.raises(Refused):
            at.ask(name, via="udp")


def test_where_an_answer_is_one_message_a_zone_must_fit_it(made: Any) -> None:
    server = made()
    outcome = server.ask("example.org.", flows=False)
    assert not isinstance(outcome, Stream)
    assert [rrset.rtype for rrset in outcome.answer] == [SOA, A, A, A, SOA]
    assert server.ask("example.org.", "IXFR", serial=20, flows=False).answer.count == 1


def test_a_zone_that_does_not_fit_is_refused_and_let_go(made: Any) -> None:
    server = made(hosts=5000)
    with pytest.raises(Refused):
        server.ask("example.org.", flows=False)
    assert not held(server.folder)


def test_what_is_not_ours_goes_on(made: Any) -> None:
    at = made("transfer example.org {\n to *\n}")
    assert at.ask("sub.example.org.") is None
    assert at.ask("example.test.") is None
    assert at.ask("example.org.", "A") is None


def test_the_longest_zone_s_rule_counts_and_ports_do_not(made: Any) -> None:
    at = made("transfer org {\n to *\n}\ntransfer example.org {\n to 192.0.2.1:5353\n}")
    assert at.ask("example.org.").rcode == 5
    assert isinstance(at.ask("example.org.", ip="192.0.2.1"), Stream)


def test_a_stream_stays_one_when_a_layer_changes_its_first_message(made: Any) -> None:
    outcome = made().ask("example.org.")
    changed = outcome.replace(flags=0x8000)
    assert isinstance(changed, Stream) and changed.parts is outcome.parts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("transfer", "plugin/transfer: plugin/transfer: Corefile:1 - Error during parsing: 'to' is required"),
        ("transfer {\n to\n}",
         "plugin/transfer: Corefile:2 - Error during parsing: Wrong argument count or "
         "unexpected line ending after 'to'"),
        ("transfer {\n to 1.2.3.4\n source example.org\n}",
         'plugin/transfer: plugin/transfer: Corefile:3 - Error during parsing: invalid source address "example.org"'),
        ("transfer {\n to 1.2.3.4\n source 1.1.1.1\n source 1.1.1.2\n}",
         "plugin/transfer: plugin/transfer: Corefile:4 - Error during parsing: source already specified"),
        ("transfer {\n to example.com 1.2.3.4\n}", "plugin/transfer: must specify an IP address: `example.com'"),
        ("transfer {\n to example.com:1053\n}", "plugin/transfer: must specify an IP address: `example.com'"),
        ("transfer {\n to [::1]\n}", "plugin/transfer: must specify an IP address: `[::1]'"),
        ("transfer {\n to :53\n}", "plugin/transfer: must specify an IP address: `'"),
        ("transfer {\n to 1.2.3.4:99999\n}", "plugin/transfer: address 99999: invalid port"),
        ("transfer {\n invalid option\n}",
         'plugin/transfer: plugin/transfer: Corefile:2 - Error during parsing: unknown property "invalid"'),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_the_reference_s_text(text: str, wanted: str) -> None:
    assert refusal(Options, text) == wanted


def test_addresses_have_ports_and_scopes() -> None:
    lines = options(
        Options, "transfer a b {\n to 1.2.3.4 5.6.7.8:1053 [1::2]:34 [fe80::1%eth0]:53\n to 9.9.9.9: ::1\n}\n"
        "transfer {\n to *\n}",
    )  # fmt: skip
    assert lines[0].to == (
        ("1.2.3.4", 53), ("5.6.7.8", 1053), ("1::2", 34), ("fe80::1%eth0", 53), ("9.9.9.9", 53), ("::1", 53),
    )  # fmt: skip
    assert len(lines) == 2
