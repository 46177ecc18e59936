"""One test for each published weakness of the reference (or of its kin) that these plugins could share.

Those of `acl` alone stand in `test_acl`, hostile patterns in `test_safety`, what upstreams may send in `test_forward*`.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import dns.rcode
import dns.rdatatype
import pytest

from shardns.config.draft import Draft
from shardns.config.model import Key
from shardns.plugins.loop.loop import Options as LoopOptions
from shardns.worker import log
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.store.places import tail
from shardns.worker.wire.codes import AD, CD
from shardns.worker.wire.names import from_text, labels
from tests.plugins.cached import Lab, reply
from tests.plugins.whole import Whole, question

SECRET = 'template IN A protected.example {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n}'
ACL = "acl protected.example {\n allow net 10.1.0.0/16\n block\n}"


# CVE-2026-26017, #8290, #8289: who is blocked gets at nothing by another name, from a cache, or in another order ------


@pytest.fixture
def search(tmp_path: Path) -> str:
    file = tmp_path / "resolv.conf"
    file.write_text("search public.example protected.example\n")
    return str(file)


ALIAS = 'template IN A a.example {{\n answer "{{{{ .Name }}}} 60 CNAME {}"\n}}'
WAYS = {
    "plain": ("", "secret.protected.example."),
    "rewrite": ("rewrite name open.example. secret.protected.example.", "open.example."),
    "rewrite, stop": ("rewrite stop {\n name suffix .open. .protected.example.\n answer auto\n}", "secret.open."),
    "rewrite, twice": (
        "rewrite continue {\n name exact a.example. b.example.\n}\nrewrite name b.example. secret.protected.example.",
        "a.example.",
    ),
    "rewrite cname": (
        f"rewrite cname b.example. secret.protected.example.\n{ALIAS.format('b.example.')}",
        "a.example.",
    ),
    "template": (ALIAS.format("secret.protected.example."), "a.example."),
    "autopath": ("autopath @search\ntemplate IN A public.example {\n rcode NXDOMAIN\n}", "secret.public.example."),
    "letter case": ("", "SeCrEt.PROTECTED.example."),
}  # fmt: skip


def addresses(whole: Whole, name: str, ip: str) -> list[str]:
    """Return the addresses that a client gets."""
    found = whole.answered(name, ip=ip)
    return [record.to_text() for rrset in found.answer for record in rrset if rrset.rdtype == dns.rdatatype.A]


@pytest.mark.parametrize("way", WAYS)
def test_who_is_blocked_reaches_nothing_by_another_name(way: str, search: str) -> None:
    directives, name = WAYS[way]
    blocks = [part for part in (ACL, SECRET, directives.replace("@search", search)) if part]
    for order in itertools.permutations(blocks):  # what stands first in a file changes nothing
        whole = Whole(".:1053 {\n" + "\n".join(order) + "\n}")
        assert addresses(whole, name, "10.1.0.1") == ["192.0.2.1"]  # allowed first, which fills the memo
        assert addresses(whole, name, "10.2.0.1") == []
        assert addresses(whole, name, "10.1.0.1") == ["192.0.2.1"]


# CVE-2024-0874, #8214, #8438, #8272: each asker gets the answer to what was asked -------------------------------------


def test_answers_are_kept_apart_by_do_cd_and_class_and_ad_is_told_to_those_who_ask(tmp_path: Path) -> None:
    def upstream(query: Query) -> Any:
        last = 1 + (2 if query.do else 0) + (4 if query.flags & CD else 0) + (8 if query.qclass == 3 else 0)
        name = "CH" if query.qclass == 3 else "IN"
        record = (
            f"example.org. 60 {name} {'TXT' if name == 'CH' else 'A'} {last if name == 'CH' else f'192.0.2.{last}'}"
        )
        flags = 0x0180 if query.flags & CD else 0x0180 | AD
        return reply(record, flags=flags)(query)

    lab = Lab(tmp_path, "cache", upstream)
    ways = list(itertools.product((False, True), (False, True), ("A", "TXT"), (False, True)))
    seen: dict[tuple[bool, bool, str], set[bytes]] = {}
    for _ in range(2):
        for do, cd, rtype, ad in ways:
            query = lab.query("example.org.", rtype, do=do, cd=cd, ad=ad)
            query.qclass = 3 if rtype == "TXT" else 1
            found = lab.raw(query)
            assert isinstance(found, Reply)
            seen.setdefault((do, cd, rtype), set()).add(found.answer[0].rdatas[0])
            assert bool(found.flags & AD) == ((do or ad) and not cd)
    assert lab.calls() == 8 and all(len(answers) == 1 for answers in seen.values())
    assert len(set.union(*seen.values())) == 8


# TOB-CDNS-8: names whose hashes collide are different names -----------------------------------------------------------


def test_names_with_one_hash_do_not_answer_for_each_other(tmp_path: Path) -> None:
    one, twin = "plumless.example.", "buckeroo.example."
    keys = [tail(b"\0\0\1\0\1" + from_text(name)) for name in (one, twin)]
    assert keys[0][:4] == keys[1][:4] and keys[0] != keys[1]
    lab = Lab(tmp_path, "cache", reply(f"{one} 60 IN A 192.0.2.1"))
    lab.ask(one)
    assert lab.calls() == 1
    lab.upstream = reply(f"{twin} 60 IN A 192.0.2.2")
    assert lab.ask(twin).answer[0].rdatas == (b"\xc0\0\2\2",) and lab.calls() == 1


# CVE-2026-62299 (#8190): an EDNS rule that reverts meets an answer without an OPT record ------------------------------


@pytest.mark.parametrize("kind", ["local set 0xffee abc", "local append 0xffee abc", "local replace 0xffee abc",
    "nsid set", "nsid append", "nsid replace", "subnet set 24 56", "subnet append 24 56", "subnet replace 24 56",
])  # fmt: skip
@pytest.mark.parametrize("size", [None, 1232])
def test_a_rule_that_reverts_needs_no_opt_record_in_the_answer(
    kind: str, size: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    below = 'template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n}'
    whole = Whole(f".:1053 {{\n rewrite edns0 {kind} revert\n {below}\n}}")
    sent = ((0xFFEE, b"mine"),) if size else ()
    found = whole.answered("a.example.", size=size, options=sent)
    assert (found.rcode(), len(found.answer)) == (dns.rcode.NOERROR, 1)
    assert "panic" not in capfd.readouterr().out


# CVE-2026-26018: nobody can guess the name that `loop` probes ---------------------------------------------------------


def test_ten_thousand_probe_names_are_random_and_different() -> None:
    draft = Draft(keys=(Key("dns", b"\0", 53),))
    names = {LoopOptions.read("loop", draft).probe for _ in range(10_000)}
    assert len(names) == 10_000
    numbers = [int(label) for name in names for label in labels(name)]
    bits = [sum(number >> bit & 1 for number in numbers) for bit in range(64)]
    assert all(abs(ones - 10_000) < 600 for ones in bits)  # of 20,000 numbers; more than eight standard deviations


# CVE-2022-2835, -2837: a search list ends at the first name that exists -----------------------------------------------


def test_a_search_list_ends_at_the_first_name_that_exists(search: str) -> None:
    both = "\n".join(
        f'template IN A {zone}.example {{\n answer "{{{{ .Name }}}} 60 IN A 192.0.2.{last}"\n}}'
        for last, zone in enumerate(("public", "protected"), 1)
    )
    whole = Whole(f".:1053 {{\n autopath {search}\n {both}\n}}")
    assert addresses(whole, "com.public.example.", "10.0.0.1") == ["192.0.2.1"]


# #4378, #8418 and kin: what leads to itself ends ----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["{{ .Name }}", "x.{{ .Name }}", "loop.example.", "example."])
@pytest.mark.parametrize("above", ["", "dns64", "rewrite cname regex (.*) {1}", "rewrite cname regex (.*) y.{1}"])
def test_aliases_that_lead_to_themselves_end(target: str, above: str, capfd: pytest.CaptureFixture[str]) -> None:
    for qtype in ("A", "AAAA", "CNAME", "ANY"):
        whole = Whole(
            f'.:1053 {{\n {above}\n template IN ANY {{\n answer "{{{{ .Name }}}} 60 IN CNAME {target}"\n }}\n}}'
        )
        began = time.thread_time()
        assert whole.send(question("loop.example.", qtype), "10.0.0.1", "udp", 0, memo=False) is not None
        assert time.thread_time() - began < 1
    assert "panic" not in capfd.readouterr().out


# Names that would break what shows them: lines of the log, labels of metrics ------------------------------------------

EVIL = r"\<script\>\"\010\000\{\\.example."


def test_a_name_cannot_break_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    whole = Whole(".:1053 {\n errors\n log\n erratic\n template ANY ANY {\n rcode SERVFAIL\n }\n}")
    whole.send(question(EVIL, "A"), "10.0.0.1", "udp", 0, memo=False)
    log.flush()
    lines = capfd.readouterr().out.splitlines()
    assert lines and all(line.startswith(("[INFO] ", "[ERROR] ")) and line.isprintable() for line in lines)


# Log bypass by rewrite (#1610): the line shows the name that was asked for --------------------------------------------


def test_the_log_shows_the_name_that_the_client_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    whole = Whole(f".:1053 {{\n log\n rewrite name open.example. secret.protected.example.\n {SECRET}\n}}")
    assert whole.answered("open.example.").answer
    log.flush()
    assert all('"A IN open.example. udp' in line for line in capfd.readouterr().out.splitlines())
