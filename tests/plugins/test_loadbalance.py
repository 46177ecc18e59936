"""loadbalance: the order of addresses and MX records."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any, cast

import pytest

from shardns.plugins.loadbalance.loadbalance import LoadBalance
from shardns.plugins.loadbalance.options import Options
from shardns.plugins.loadbalance.order import drawn, weighted
from shardns.plugins.loadbalance.weights import BadWeights, parse
from shardns.worker.plugin import SetupError
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Reply
from shardns.worker.wire.codes import AXFR, CNAME, IXFR, MX, SRV, TXT, A
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section
from tests.plugins.small import message, refusal
from tests.worker.fakes import FakeSite, query


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(f"INFO {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"WARNING {text}")

    def error(self, text: str) -> None:
        self.lines.append(f"ERROR {text}")


def plugin(text: str = "loadbalance") -> LoadBalance:
    log = Log()
    return LoadBalance(Options.read(text), cast(Any, FakeSite(logger=lambda directive: log, log=log)))


def logged(of: LoadBalance) -> list[str]:
    return cast(Any, of.site).log.lines  # type: ignore[no-any-return]  # a stand-in


def address(text: str, owner: str = "www.example.org.") -> RRset:
    import ipaddress

    packed = ipaddress.ip_address(text).packed
    return RRset(from_text(owner), A if len(packed) == 4 else 28, 60, (packed,))


def addresses(section: Section) -> list[str]:
    import ipaddress

    return [str(ipaddress.ip_address(r)) for rrset in section if rrset.rtype in (1, 28) for r in rrset.rdatas]


def other(rtype: int, number: int = 0, count: int = 1) -> RRset:
    rdata = {MX: b"\0\n\1m\0", CNAME: b"\1c\0", TXT: b"\1t", SRV: b"\0\0\0\0\0\1\1s\0"}[rtype]
    return RRset(b"\1" + bytes((0x61 + number,)) + b"\0", rtype, 60, (rdata,) * count)


def kinds(section: Section) -> list[int]:
    return [rrset.rtype for rrset in section for _ in rrset.rdatas]


def ordered(layer: LoadBalance, reply: Any, asked: Query | None = None) -> Any:
    steps = layer.around(asked or query("www.example.org."))
    next(steps)
    return steps.send(reply)


def test_a_mixed_section_is_grouped_and_nothing_is_lost() -> None:
    mixed = [
        other(MX, 1),
        address("192.0.2.1"),
        address("192.0.2.2"),
        other(MX, 2),
        other(CNAME),
        address("192.0.2.3"),
        other(MX, 3),
    ]
    for order in itertools.islice(itertools.permutations(mixed), 0, 5040, 101):
        section = Section(order)
        found = ordered(plugin(), Reply(answer=section, additional=section, authority=section))
        for part in (found.answer, found.additional, found.authority):
            assert kinds(part) == [CNAME, A, A, A, MX, MX, MX]
            assert sorted(addresses(part)) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        assert section == Section(order)


def test_other_types_keep_their_order_behind_the_aliases() -> None:
    section = Section(
        [address("192.0.2.1"), other(TXT, 1), other(SRV), other(CNAME, 2), other(TXT, 3), other(CNAME, 4)]
    )
    found = ordered(plugin(), Reply(answer=section)).answer
    assert [rrset.owner for rrset in found] == [section[i].owner for i in (3, 5, 1, 2, 4, 0)]


def test_every_order_comes_up() -> None:
    rrset = RRset(from_text("www.example.org."), A, 60, tuple(bytes((192, 0, 2, n)) for n in range(3)))
    layer = plugin()
    seen = {tuple(addresses(ordered(layer, Reply(answer=Section([rrset]))).answer)) for _ in range(300)}
    assert len(seen) == 6
    assert rrset.rdatas == tuple(bytes((192, 0, 2, n)) for n in range(3))


def test_the_memo_may_keep_several_orders() -> None:
    asked = query("www.example.org.")
    ordered(plugin(), Reply(answer=Section([address("192.0.2.1"), address("192.0.2.2")])), asked)
    assert (asked.request.variants, asked.request.until, asked.request.once) == (2, None, False)


def test_of_too_many_orders_the_memo_keeps_some_for_a_moment() -> None:
    asked = query("www.example.org.")
    many = [address(f"192.0.2.{i}") for i in range(5)]
    ordered(plugin(), Reply(answer=Section(many)), asked)
    assert (asked.request.variants, asked.request.until) == (24, 2.0)


def test_a_reply_without_anything_to_order_is_the_same_object() -> None:
    reply = Reply(answer=Section([address("192.0.2.1")]))
    asked = query("www.example.org.")
    assert ordered(plugin(), reply, asked) is reply
    assert asked.request.variants == 1


@pytest.mark.parametrize("qtype", [AXFR, IXFR])
def test_transfers_stay_as_they_are(qtype: int) -> None:
    reply = Reply(answer=Section([address("192.0.2.1"), other(CNAME), address("192.0.2.2")]))
    assert ordered(plugin(), reply, query("example.org.", qtype)) is reply


def test_failures_and_silence_stay_as_they_are() -> None:
    reply = Reply(rcode=3, answer=Section([address("192.0.2.1"), other(CNAME)]))
    assert ordered(plugin(), reply) is reply
    assert ordered(plugin(), DROP) is DROP


def test_preferred_networks_come_first_and_what_is_in_none_last() -> None:
    layer = plugin("loadbalance round_robin {\n prefer 2001:db8::/32 10.9.20.0/24\n prefer 10.9.30.0/24\n}")
    texts = ["10.9.30.1", "10.9.20.5", "192.168.1.2", "10.10.0.1", "10.9.20.3", "172.16.0.1"]
    texts += ["2001:db8::1", "2001:db8:abcd::1", "fd00::1"]
    section = Section([*map(address, texts), other(CNAME), other(TXT)])
    found = ordered(layer, Reply(answer=section, additional=section, authority=section))
    for part in (found.answer, found.additional):
        assert kinds(part)[0] == CNAME and kinds(part)[-1] == TXT
        got = addresses(part)
        assert set(got[:2]) == {"2001:db8::1", "2001:db8:abcd::1"}
        assert set(got[2:4]) == {"10.9.20.5", "10.9.20.3"}
        assert got[4] == "10.9.30.1"
        assert set(got[5:]) == {"192.168.1.2", "10.10.0.1", "172.16.0.1", "fd00::1"}
    assert kinds(found.authority)[:2] == [CNAME, TXT]


# Weights -----------------------------------------------------------------------------------------------------------


class Draws(random.Random):
    """Draws what it is told to."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.below = 0

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        self.below = start
        return self.number


FILE = b"""# comment
name1.example.
192.168.1.2 5
 192.168.1.1   2

name2.example
2001:db8::2 4
2001:db8::1 3
"""


def test_the_heaviest_are_the_first_to_be_drawn() -> None:
    table = parse(FILE, "w")
    one = [address(f"192.168.1.{n}", "name1.example.") for n in (1, 2, 3)]
    two = [address(f"2001:db8::{n}", "name2.example.") for n in (1, 2)]
    tops = []
    for number in range(15):
        draw = Draws(number)
        tops.append(addresses(weighted(Section([*one, *two]), table, draw))[0])
        assert draw.below == 15
    expected = ["192.168.1.2"] * 5 + ["2001:db8::2"] * 4 + ["2001:db8::1"] * 3 + ["192.168.1.1"] * 2 + ["192.168.1.3"]
    assert tops == expected


def test_weights_belong_to_the_owner_as_it_is_written() -> None:
    table = parse(b"name1.example\n192.168.1.2 3\n192.168.1.1 2\nother.example\n192.168.1.3 9\n", "w")
    section = Section([address(f"192.168.1.{n}", "name1.example.") for n in (1, 2, 3)])
    tops = [addresses(weighted(section, table, Draws(n)))[0][-1] for n in range(6)]
    assert "".join(tops) == "222113"
    assert addresses(weighted(Section([address("192.168.1.1", "NAME1.example.")]), table, Draws(0))) == ["192.168.1.1"]


def test_only_the_first_place_changes_hands() -> None:
    section = Section([other(MX), *(address(f"192.168.1.{n}", "name1.example.") for n in (1, 2, 3)), other(CNAME)])
    found = weighted(section, {}, Draws(2))
    assert (kinds(found), addresses(found)) == ([CNAME, A, A, A, MX], ["192.168.1.3", "192.168.1.2", "192.168.1.1"])


def test_a_section_without_addresses_stays() -> None:
    section = Section([other(MX), other(CNAME)])
    assert weighted(section, {}, random.Random(1)) is section


def test_one_weight_of_255_beside_one_of_1() -> None:
    assert [drawn([1, 255], Draws(n)) for n in (0, 254, 255)] == [1, 1, 0]


BAD_FILES = {
    "w.example\n192.168.1.14 300": 'wrong weight value:"300" in weight file w',
    "w.example\n192.168.1.14 0": 'wrong weight value:"0" in weight file w',
    "w.example\n192.168.1.300 3": 'wrong IP address:"192.168.1.300" in weight file w',
    "w.example\n192.168.1.14": 'wrong domain name:"192.168.1.14" in weight file w. (Maybe a missing weight value?)',
    "192.168.1.14 3\nw.example": "missing domain name in weight file w",
    "w.example\na b c": 'could not parse weight line:"a b c" in weight file w',
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_broken_file_of_weights_is_refused(text: str) -> None:
    with pytest.raises(BadWeights) as caught:
        parse(text.encode(), "w")
    assert str(caught.value) == BAD_FILES[text]


def test_an_empty_file_and_an_empty_section_are_fine() -> None:
    assert parse(b"", "w") == {} == parse(b"w.example\n", "w")


def test_only_addresses_and_srv_are_weighed(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(FILE)
    layer = plugin(f"loadbalance weighted {path}")
    section = Section([address("192.168.1.1", "name1.example."), other(CNAME)])
    reply = Reply(answer=section, additional=section)
    assert ordered(layer, reply, query("name1.example.", MX)) is reply
    found = ordered(layer, reply, query("name1.example.", SRV))
    assert kinds(found.answer) == kinds(found.additional) == [CNAME, A]
    assert len(message(query("name1.example.", SRV), found).answer) == 2


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "w"
    layer = plugin(f"loadbalance weighted {path} {{\n reload 10ms\n}}")
    assert layer.weights == {}
    path.write_bytes(FILE)
    layer.follow()
    assert len(layer.weights) == 4
    path.write_bytes(b"w.example\n192.0.2.1 300\n")
    layer.follow()
    assert len(layer.weights) == 4


def test_the_keeper_logs_what_becomes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    layer = plugin(f"loadbalance weighted {path}")
    asyncio.run(layer.load(cast(Any, None)))
    path.write_bytes(FILE)
    layer.report()
    layer.report()
    path.write_bytes(b"1 2 3\n")
    layer.report()
    layer.report()
    path.unlink()
    layer.report()
    assert logged(layer) == [
        "WARNING Failed to open weight file:weight file open error. Will try again in 30s",
        f"INFO Successfully reloaded weight file {path}",
        f'ERROR could not parse weight line:"1 2 3" in weight file {path}',
        "ERROR weight file open error",
    ]


def test_the_start_fails_for_a_broken_file_and_for_a_missing_one_that_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "w"
    with pytest.raises(SetupError, match="plugin/loadbalance: weight file open error"):
        asyncio.run(plugin(f"loadbalance weighted {path} {{\n reload 0s\n}}").load(cast(Any, None)))
    path.write_bytes(b"192.0.2.1 1")
    with pytest.raises(SetupError, match="plugin/loadbalance: missing domain name in weight file"):
        asyncio.run(plugin(f"loadbalance weighted {path}").load(cast(Any, None)))


# Options -----------------------------------------------------------------------------------------------------------


def test_the_last_policy_counts_and_networks_add_up_after_it() -> None:
    text = "loadbalance {\n prefer 10.0.0.0/8\n}\nloadbalance round_robin {\n prefer 11.0.0.0/8\n prefer\n}"
    assert len(plugin(text).networks) == 2
    assert plugin(f"{text}\nloadbalance weighted w").networks == []
    assert plugin("loadbalance weighted w").reload_s == 30
    assert plugin("loadbalance weighted w\nloadbalance round_robin").path == ""
    assert plugin("loadbalance weighted w {\n reload -1s\n}").reload_s == 0


BAD_OPTIONS = {
    "loadbalance fleeb": "unknown policy: fleeb",
    "loadbalance susu": "unknown policy: susu",
    "loadbalance round_robin a": "Corefile:1 - Error during parsing: unknown property for round_robin",
    "loadbalance weighted": "Corefile:1 - Error during parsing: missing weight file argument",
    "loadbalance weighted a b": "Corefile:1 - Error during parsing: unexpected argument(s)",
    "loadbalance weighted a {\n susu\n}": "Corefile:2 - Error during parsing: unknown property 'susu'",
    "loadbalance weighted a {\n reload\n}": "Corefile:2 - Error during parsing: reload duration value is missing",
    "loadbalance weighted a {\n reload a\n}": "Corefile:2 - Error during parsing: invalid reload duration 'a'",
    "loadbalance weighted a {\n reload 30s a\n}": "Corefile:2 - Error during parsing: unexpected argument",
    "loadbalance {\n prefer 1\n}": 'Corefile:2 - Error during parsing: invalid CIDR "1": invalid CIDR address: 1',
}


@pytest.mark.parametrize("text", BAD_OPTIONS)
def test_bad_options_are_refused(text: str) -> None:
    assert refusal(Options, text) == f"plugin/loadbalance: {BAD_OPTIONS[text]}"


@pytest.mark.parametrize("text", ["loadbalance {\n reload 3s\n}", "loadbalance weighted w {\n prefer 10.0.0.0/8\n}"])
def test_the_property_of_the_other_policy_is_unknown(text: str) -> None:
    assert refusal(Options, text).endswith(f"Corefile:2 - Error during parsing: unknown property '{text.split()[-3]}'")


def test_a_property_of_the_other_policy_is_unknown_without_words_too() -> None:
    complaint = "Corefile:2 - Error during parsing: unknown property 'prefer'"
    assert refusal(Options, "loadbalance weighted w {\n prefer\n}") == f"plugin/loadbalance: {complaint}"
