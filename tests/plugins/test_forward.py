"""The `forward` options, targets and what needs no socket; exchanges stand in test_forward_exchange."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from shardns.config.draft import Draft
from shardns.plugins.forward.dials import DialTime
from shardns.plugins.forward.engine import idents
from shardns.plugins.forward.line import Line
from shardns.plugins.forward.options import Options
from shardns.plugins.forward.pool import Pool, Terms
from shardns.plugins.forward.targets import Target, To, resolve, split_name
from shardns.worker.shared import Cells
from shardns.worker.site import Site
from shardns.worker.wire.names import from_text
from tests.plugins.small import options, refusal
from tests.worker.fakes import FakeSite


def line(text: str) -> Line:
    cells = Cells(bytearray(4096), 1, 0)
    site = FakeSite(
        shared=lambda name, directive="": cells.shared(0, directive, name),
        shared_sum=lambda name, directive="": cells.total(0, directive, name),
    )
    return Line(options(Options, text)[0], cast(Site, site), 0)


def test_defaults() -> None:
    (one,) = options(Options, "forward . 127.0.0.1")
    assert (one.zone, one.max_fails, one.policy, one.expire, one.read_timeout) == (b"\0", 2, "random", 10.0, 2.0)
    assert (one.health_check.interval, one.health_check.domain, one.health_check.recursion) == (0.5, b"\0", True)
    assert one.targets == (Target("127.0.0.1", 53),)


def test_several_lines_stay_apart() -> None:
    assert [o.zone for o in options(Options, "forward . ::1\nforward com ::2")] == [b"\0", b"\3com\0"]


def test_the_first_zone_of_a_network_is_taken_with_a_warning() -> None:
    draft = Draft(directive="forward")
    (one,) = options(Options, "forward 10.9.3.0/18 127.0.0.1", draft)
    assert one.zone == from_text("0.9.10.in-addr.arpa.")
    assert draft.warnings == [
        "[WARNING] plugin/forward: Unsupported CIDR notation: '10.9.3.0/18' expands to multiple zones. "
        "Using only '0.9.10.in-addr.arpa.'."
    ]


def test_the_last_health_check_counts_but_rd_stays_off() -> None:
    block = "health_check 1s no_rec domain Example.ORG\nhealth_check 200ms"
    check = options(Options, f"forward . 127.0.0.1 {{\n{block}\n}}")[0].health_check
    assert (check.interval, check.domain, check.recursion) == (0.2, b"\0", False)


def test_lists_accumulate_and_the_last_resolver_line_counts() -> None:
    block = (
        "except a.org bad..zone\nexcept b.org\nnext NXDOMAIN\nnext servfail NOTIMPL\nfailover REFUSED\nresolver ::1\n"
        "resolver 1.1.1.1:5 [::2]:53"
    )
    (one,) = options(Options, f"forward . 127.0.0.1 {{\n{block}\n}}")
    assert one.except_zones == (from_text("a.org."), from_text("b.org."))
    assert (one.next, one.failover, one.resolver) == ((3, 2, 4), (5,), ("1.1.1.1:5", "[::2]:53"))


PATHS = "paths are not allowed in HTTPS upstream addresses"
COUNT = "Wrong argument count or unexpected line ending after"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("blaatl", "unknown property 'blaatl'"),
        ("health_check 0.5s domain", f"{COUNT} 'domain'"),
        ("health_check 0.5s rec", "health_check: unknown option rec"),
        ("health_check no_rec", 'time: invalid duration "no_rec"'),
        ("health_check 0.5s domain example..org", "health_check: invalid domain name example..org"),
        ("health_check -1s", "health_check can't be negative: -1000000000"),
        ("max_connect_attempts -4", 'strconv.ParseUint: parsing "-4": invalid syntax'),
        ("max_concurrent many", 'strconv.Atoi: parsing "many": invalid syntax'),
        ("max_concurrent -4", "max_concurrent can't be negative: -4"),
        ("max_idle_conns -1", "max_idle_conns can't be negative: -1"),
        ("read_timeout 0s", "read_timeout must be positive: 0s"),
        ("expire -1s", "expire can't be negative: -1s"),
        ("max_age 5s", "max_age (5s) must not be less than expire (10s)"),
        ("policy random2", "unknown policy 'random2'"),
        ("next", f"{COUNT} 'next'"),
        ("next INVALID", "INVALID is not a valid rcode"),
        ("next BADVERS", "BADVERS is not a valid rcode"),
        ("failover NOERROR", "NoError cannot be used in failover"),
        ("failfast_all_unhealthy_upstreams false", f"{COUNT} 'false'"),
        ("force_tcp yes", f"{COUNT} 'yes'"),
        ("resolver dns.example.com", 'resolver must be an IP address or IP:port: "dns.example.com"'),
        ("doh_method get", "doh_method must be either POST or GET"),
        ("source_address x", "invalid IP address: x"),
        ("expire 5s 6s", "unknown property '6s'"),
        ("tls a b c d", f"{COUNT} 'd'"),
        ("tls /none/ca.pem", "error reading /none/ca.pem: open /none/ca.pem: no such file or directory"),
        ("tls /none/a /none/b", "could not load TLS cert: open /none/a: no such file or directory"),
    ],
)  # fmt: skip
def test_bad_properties_are_refused_in_the_reference_s_words(block: str, text: str) -> None:
    found = refusal(Options, f"forward . 127.0.0.1 {{\n{block}\n}}")
    assert found.startswith("plugin/forward: ") and found.endswith(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", f"{COUNT} 'forward'"),
        (".", f"{COUNT} '.'"),
        (f"{'x' * 64} 127.0.0.1", f"unable to normalize '{'x' * 64}'"),
        (f". {' '.join(f'127.0.0.{i}' for i in range(1, 17))}", "more than 15 TOs configured: 16"),
        (". https://1.1.1.1/", f"{PATHS} (the /dns-query path is used by default): https://1.1.1.1/"),
        (". tls://", 'invalid address: "tls://"'),
        (". grpc://1.1.1.1", "'grpc' is not supported as a destination protocol in forward: grpc://1.1.1.1:443"),
        (
            ". tls://1.1.1.1%a.b {\ntls_servername foo\n}",
            "both forward ('foo') and proxy level ('a.b') TLS servernames are set "
            "for upstream proxy 'tls://1.1.1.1:853'",
        ),
    ],
)  # fmt: skip
def test_bad_lines_are_refused_in_the_reference_s_words(words: str, text: str) -> None:
    assert refusal(Options, f"forward {words}").endswith(text)


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("127.0.0.1", Target("127.0.0.1", 53)),
        ("127.0.0.1:8080", Target("127.0.0.1", 8080)),
        ("dns://127.0.0.1", Target("127.0.0.1", 53)),
        ("::1", Target("::1", 53)),
        ("[::1]", Target("::1", 53)),
        ("[2003::1]:5353", Target("2003::1", 5353)),
        ("fe80::1%eth0", Target("fe80::1", 53, "dns", "eth0")),
        ("tls://127.0.0.1%example.net:854", Target("127.0.0.1", 854, "tls", "example.net")),
        ("tls://[2400:3200::1%dns.alidns.com]:853", Target("2400:3200::1", 853, "tls", "dns.alidns.com")),
        ("https://1.1.1.1", Target("1.1.1.1", 443, "https")),
    ],
)
def test_addresses_are_read(to: str, target: Target) -> None:
    assert resolve([To(to)], lambda host: []) == (target,)


def test_host_names_are_expanded_in_place_and_addresses_counted_once() -> None:
    table = {"a.test": ["10.0.0.1", "10.0.0.2"], "b.test": ["10.0.0.2", "10.0.0.3"]}
    tos = [To(to) for to in ("a.test", "b.test:53", "10.0.0.3", "tls://10.0.0.2:53")]
    assert [str(t) for t in resolve(tos, table.__getitem__)] == ["10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"]


def test_a_resolv_conf_gives_its_nameservers_on_port_53(tmp_path: Path) -> None:
    conf, empty = tmp_path / "resolv.conf", tmp_path / "empty.conf"
    conf.write_text("# x\nsearch a\nnameserver 10.0.0.1 rest\nnameserver fe80::1%en0\n; nameserver 10.0.0.9\n")
    empty.write_text("# nothing\n")
    tos = [To(empty), To(conf), To("127.0.0.1")]
    assert [str(t) for t in resolve(tos, lambda host: [])] == ["10.0.0.1:53", "[fe80::1]:53", "127.0.0.1:53"]
    assert refusal(Options, f"forward . {empty}") == "plugin/forward: no valid upstream addresses found"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.10.10.10", ("10.10.10.10", "")),
        ("10.10.10.10:53", ("10.10.10.10:53", "")),
        ("10.10.10.10%example.net:53", ("10.10.10.10:53", "example.net")),
        ("[2003::1%en0]:53", ("[2003::1]:53", "en0")),
    ],
)
def test_a_server_name_is_cut_out_of_an_address(text: str, parts: tuple[str, str]) -> None:
    assert split_name(text) == parts


def test_a_line_takes_names_in_its_zone_unless_excepted() -> None:
    one = line("forward Example.ORG 127.0.0.1 {\nexcept no.example.org deep.sub.example.org example.net\n}")
    taken = {
        "a.example.org.": True, "example.org.": True, "no.example.org.": False, "a.no.example.org.": False,
        "xno.example.org.": True, "sub.example.org.": True, "x.deep.sub.example.org.": False, "example.net.": False,
    }  # fmt: skip
    assert {name: one.takes(from_text(name)) for name in taken} == taken
    own = line("forward self.test 127.0.0.1 {\nexcept self.test\n}")
    assert own.takes(from_text("self.test.")) and not own.takes(from_text("a.self.test."))


def test_random_reaches_every_order() -> None:
    one = line("forward . 10.0.0.1 10.0.0.2 10.0.0.3")
    assert len({tuple(u.text for u in one.order()) for _ in range(400)}) == 6


@dataclass(eq=False)
class Connection:
    created: float
    used: float = 0.0
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def test_a_pool_returns_the_oldest_and_drops_what_is_too_old() -> None:
    pool: Pool[Connection] = Pool(Terms(expire_s=10, max_age_s=15, max_idle=3))
    a, b, c, d = (Connection(created) for created in (0.0, 4.0, 4.0, 4.0))
    for connection, now in ((a, 4.0), (b, 5.0), (c, 8.0), (d, 9.0)):
        pool.give(connection, now)
    assert d.closed and not c.closed
    assert pool.take(14.5) is b
    assert a.closed
    pool.give(b, 18.5)
    assert pool.take(20.0) is None and b.closed and c.closed


def test_the_dial_time_out_follows_what_was_observed() -> None:
    dials = DialTime()
    assert dials.limit_s == 30
    dials.observe(3.0)
    assert dials.average_s == 12.0 and dials.limit_s == 24.0
    for _ in range(30):
        dials.observe(0.0)
    assert dials.limit_s == 1.0


def test_message_ids_are_of_16_bits_and_vary() -> None:
    source = idents()
    found = [next(source) for _ in range(3000)]
    assert max(found) < 65536 and len(set(found)) > 2500
