"""acl: rules, verdicts by address, and that nothing gets past them."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network
from time import perf_counter

import pytest

from shardns.plugins.acl.options import Options, Policy
from shardns.plugins.acl.table import compile_table, verdict
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole, counted, options_of

BLOCKED = (5, [(15, b"\0\x0f")])
FILTERED = (0, [(15, b"\0\x11")])
V6 = "2001:db8:abcd:12::1"


def serving(rules: str, keys: str = ".", more: str = "") -> Whole:
    return Whole(f"{keys} {{\n {more}\n {rules}\n whoami\n}}")


def one(policies: str) -> Whole:
    return serving(f"acl {{\n{policies}\n}}")


def outcome(whole: Whole, name: str, ip: str, qtype: str = "A") -> str:
    """Return what becomes of a query, in a word."""
    answer = whole.ask(name, qtype, ip=ip)
    if answer is None:
        return "drop"
    if options_of(answer):
        return {5: "block", 0: "filter"}[answer.rcode()]
    assert answer.additional
    return "pass"


@pytest.mark.parametrize(
    ("policies", "qtype", "ip", "expected"),
    [
        ("block type A net 192.168.0.0/16", "A", "192.168.0.2", "block"),
        ("block type A net 192.168.0.0/16", "A", "192.167.0.2", "pass"),
        ("block type A net 192.168.0.0/16", "AAAA", "192.168.0.2", "pass"),
        ("block type * net 192.168.0.0/16", "AAAA", "192.168.0.2", "block"),
        ("BLOCK Type A", "A", "10.1.0.2", "block"),
        ("block type A", "A", "2001:db8:85a3::8a2e:370:7334", "block"),
        ("block type A", "AAAA", "10.1.0.2", "pass"),
        ("block type A net 192.168.1.2", "A", "192.168.1.2", "block"),
        ("block type A net 192.168.1.2", "A", "192.168.1.3", "pass"),
        ("block type A net 2001:db8::7334", "A", "2001:db8::7334", "block"),
        ("block type A net 2001:db8::7334", "A", "2001:db8::7335", "pass"),
        ("filter type A net 192.168.0.0/16", "A", "192.168.0.2", "filter"),
        ("allow net 192.168.0.0/16\nblock", "A", "192.168.0.2", "pass"),
        ("allow net 192.168.0.0/16\nblock", "A", "10.1.0.2", "block"),
        ("drop net 192.168.0.0/16", "A", "192.168.0.2", "drop"),
        ("block net 192.168.1.0/24\ndrop net 192.168.0.0/16", "A", "192.168.1.2", "block"),
        ("drop net 192.168.0.0/16\nblock net 192.168.1.0/24", "A", "192.168.1.1", "drop"),
        ("drop type A\nallow net 192.168.0.0/16", "A", "192.168.1.1", "drop"),
        ("drop type A\nallow net 192.168.0.0/16", "AAAA", "192.168.1.1", "pass"),
        ("block net 2001:db8:0:12:8000::/66\ndrop net 2001:db8:0:12::/64", "A", "2001:db8:0:12:8000::1", "block"),
        ("drop net 2001:db8:0:12::/64\nblock net 2001:db8:0:12:8000::/66", "A", "2001:db8:0:12:8000::1", "drop"),
        ("block net 192.0.2.1 *", "A", V6, "block"),
        ("block net 10.0.0.0/8 type A type AAAA net 11.0.0.0/8", "AAAA", "11.1.1.1", "block"),
        ("block type A net ::/0", "A", "10.1.1.1", "pass"),
        ("", "A", "10.1.1.1", "pass"),
    ],
)  # fmt: skip
def test_the_first_policy_that_fits_decides(policies: str, qtype: str, ip: str, expected: str) -> None:
    assert outcome(one(policies), "www.example.org.", ip, qtype) == expected


@pytest.mark.parametrize(
    ("name", "ip", "expected"),
    [
        ("a.example.org.", "192.168.1.2", "block"),
        ("WWW.A.example.org.", "192.168.1.2", "block"),
        ("www.example.org.", "192.168.1.2", "pass"),
        ("b.example.org.", "192.168.2.2", "filter"),
        ("b.example.org.", "192.168.1.2", "pass"),
    ],
)
def test_rules_are_about_their_zones(name: str, ip: str, expected: str) -> None:
    rules = "acl a.example.org {\nblock net 192.168.1.0/24\n}\n acl b.example.org {\nfilter net 192.168.2.0/24\n}"
    assert outcome(serving(rules, "example.org"), name, ip) == expected


def test_an_allow_ends_the_look_at_all_later_rules() -> None:
    rules = "acl {\nallow net 10.0.0.0/8\n}\n acl a.test {\nblock\n}\n acl {\nfilter\n}"
    whole = serving(rules)
    assert [outcome(whole, name, ip) for name in ("a.test.", "b.test.") for ip in ("10.1.1.1", "11.1.1.1")] == [
        "pass", "block", "pass", "filter",
    ]  # fmt: skip


def test_the_verdict_of_one_client_is_never_the_answer_to_another() -> None:
    whole = one("allow net 10.0.0.0/8\nfilter net 11.0.0.0/8\nblock net 12.0.0.0/8")
    clients = {"10.0.0.1": "pass", "11.0.0.1": "filter", "12.0.0.1": "block", "13.0.0.1": "pass"}
    for _ in range(3):
        for ip, expected in clients.items():
            assert outcome(whole, "a.test.", ip) == expected


def test_answers_are_memorised_for_clients_of_one_verdict() -> None:
    whole = one("allow net 10.0.0.0/8\nblock")
    whole.ask("a.test.", ip="11.0.0.1")
    assert whole.is_memorised() == 1


def test_a_policy_for_all_addresses_needs_no_look_at_the_client() -> None:
    whole = serving("acl {\nblock type A\nfilter type MX net 10.0.0.0/8\n}")
    wanted = [("A", "block"), ("MX", "filter"), ("TXT", "pass")]
    assert [(qtype, outcome(whole, "a.test.", "10.0.0.1", qtype)) for qtype, _ in wanted] == wanted


def test_replies_carry_an_opt_record_of_their_own() -> None:
    answer = one("block").answered("a.test.")
    assert (answer.payload, answer.ednsflags & 0x8000, answer.rcode(), options_of(answer)) == (4096, 0x8000, *BLOCKED)
    answer = one("filter").answered("a.test.", size=1400)
    assert (answer.payload, answer.ednsflags & 0x8000, answer.rcode(), options_of(answer)) == (1400, 0x8000, *FILTERED)
    assert not answer.flags & 0x0480


def test_every_query_counts() -> None:
    whole = serving("acl a.test {\nblock net 10.0.0.0/8\nfilter net 11.0.0.0/8\ndrop net 12.0.0.0/8\n}", ".:5301")
    before = counts()  # of other servers at that port
    for last in range(10, 14):
        whole.ask("x.a.test.", ip=f"{last}.0.0.1")
    whole.ask("b.test.")
    whole.budget.flush()
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [5, 5, 5, 10]


def counts() -> list[float]:
    """Return the verdicts of the server at port 5301: blocked, filtered, dropped, allowed."""
    label = "dns://:5301"
    names = ("blocked", "filtered", "dropped")
    found = [counted(f"acl_{name}_requests_total", label, "a.test.", "") for name in names]
    return [*found, counted("acl_allowed_requests_total", label, "")]


# CVE-2026-26017 and its kin: a name that comes to be below `acl` is judged as that name ------------------------------


def test_a_rewritten_name_is_judged_as_what_it_became() -> None:
    rules = "rewrite name open.example. secret.protected.example.\n acl protected.example {\nblock\n}"
    whole = serving(rules)
    assert outcome(whole, "open.example.", "10.0.0.1") == "block"
    assert outcome(whole, "other.example.", "10.0.0.1") == "pass"


def test_every_name_of_a_search_list_is_judged(tmp_path: object) -> None:
    path = f"{tmp_path}/resolv.conf"
    with open(path, "w") as file:
        file.write("search public.example protected.example\n")
    template = "template IN A public.example {\n rcode NXDOMAIN\n }"
    whole = serving(f"acl protected.example {{\nblock\n}}\n autopath {path}\n {template}")
    assert outcome(whole, "secret.protected.example.", "10.0.0.1") == "block"
    assert outcome(whole, "secret.public.example.", "10.0.0.1") == "block"


def test_a_name_that_an_alias_leads_to_is_judged() -> None:
    alias = 'template IN A a.example {\n answer "{{ .Name }} 60 IN CNAME secret.protected.example."\n}\n'
    secret = 'template IN A protected.example {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n'
    blocked = serving(f"acl protected.example {{\nblock\n}}\n {alias} {secret}")
    assert [rrset.to_text() for rrset in blocked.answered("a.example.").answer] == [
        "a.example. 60 IN CNAME secret.protected.example."
    ]
    assert len(serving(f"{alias} {secret}").answered("a.example.").answer) == 2


def test_a_target_that_a_rule_puts_in_is_judged() -> None:
    alias = 'template IN A a.example {\n answer "{{ .Name }} 60 IN CNAME b.example."\n}\n'
    secret = 'template IN A protected.example {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n'
    rules = f"rewrite cname b.example. secret.protected.example.\n {alias} {secret}"
    assert len(serving(rules).answered("a.example.").answer) == 2
    assert len(serving(f"acl protected.example {{\nblock\n}}\n {rules}").answered("a.example.").answer) == 1


def test_the_addresses_that_dns64_asks_for_are_judged() -> None:
    backend = 'template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n template IN AAAA {\n}\n'
    assert serving(f"dns64\n {backend}").answered("a.", "AAAA", ip=V6).answer
    assert not serving(f"dns64\n acl {{\nblock type A\n}}\n {backend}").answered("a.", "AAAA", ip=V6).answer


# The table ------------------------------------------------------------------------------------------------------------


def brute(policies: list[Policy], family: int, address: int) -> str:
    for policy in policies:
        if policy.networks is None or any(f == family and a <= address <= b for f, a, b in policy.networks):
            return policy.action
    return ""


@pytest.mark.parametrize("seed", range(8))
def test_the_table_says_what_a_walk_over_the_policies_says(seed: int) -> None:
    rng = random.Random(seed)
    policies = []
    for _ in range(60):
        network = ip_network((rng.getrandbits(32), rng.randint(4, 32)), strict=False)
        span = (1, int(network.network_address), int(network.broadcast_address))
        policies.append(Policy(rng.choice(["allow", "block", "filter", "drop"]), None, (span,)))
    policies.append(Policy("drop", None, None if seed % 2 else ((2, 0, 5),)))
    table = compile_table(policies)
    edges = [edge for policy in policies for _, a, b in policy.networks or () for edge in (a - 1, a, b, b + 1)]
    for address in [e for e in edges if 0 <= e < 1 << 32] + [rng.getrandbits(32) for _ in range(500)]:
        assert verdict(table, 1, address) == brute(policies, 1, address)
    for address in (0, 5, 6, (1 << 128) - 1):
        assert verdict(table, 2, address) == brute(policies, 2, address)


def test_twenty_thousand_policies_cost_a_look_up_no_more_than_a_few_steps() -> None:
    def table(count: int) -> object:
        return compile_table(
            [Policy("block", None, ((1, i << 8, (i << 8) | 127),)) for i in range(count)] + [Policy("allow")]
        )

    def cost(found: object) -> float:
        addresses = [int(ip_address(f"0.0.{i}.1")) for i in range(200)]
        best = 1.0
        for _ in range(20):
            begin = perf_counter()
            for address in addresses:
                verdict(found, 1, address)  # type: ignore[arg-type]  # what compile_table returns
            best = min(best, perf_counter() - begin)
        return best

    assert cost(table(20_000)) < 4 * cost(table(20))


# Set-up ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "block type TXT ANY CNAME net 192.168.3.0/24",
        "allow net 2001:db8::/64 2001:db8:85a3::8a2e:370:7334/64",
        "drop type AXFR IXFR",
        "FILTER NET * TYPE *",
    ],
)
def test_good_lines(line: str) -> None:
    assert len(options(Options, f"acl {{\n{line}\n}}")[0].policies) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("blck type A", "unexpected token \"blck\"; expect 'allow', 'block', 'filter' or 'drop'"),
        ("block A net 10.0.0.0/8", "unexpected token \"A\"; expect 'type | net'"),
        ("block type net 10.0.0.0/8", 'no token specified in "type" section'),
        ("block net", 'no token specified in "net" section'),
        ("block type ABC", 'unexpected token "ABC"; expect legal QTYPE'),
        ("block type a", 'unexpected token "a"; expect legal QTYPE'),
        ("block net 192.168.0/16", 'illegal CIDR notation "192.168.0/16"'),
        ("block net 10.0.0.0/33", 'illegal CIDR notation "10.0.0.0/33"'),
        ("block net 10.0.0", 'illegal CIDR notation "10.0.0/32"'),
        ("block type A net 2001:db8:a:::1", 'illegal CIDR notation "2001:db8:a:::1/128"'),
    ],
)
def test_bad_lines(line: str, complaint: str) -> None:
    assert refusal(Options, f"acl {{\n{line}\n}}") == f"plugin/acl: Corefile:2 - Error during parsing: {complaint}"
