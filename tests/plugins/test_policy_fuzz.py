"""Random configurations of the directives that change queries and answers: nothing panics, everything ends."""

from __future__ import annotations

import random
import time

import pytest

from shardns.config.errors import ConfigError
from tests.plugins.whole import Whole, question

NAMES = [
    "a.example.", "www.example.", "x.y.z.example.", ".", "example.", "open.test.", "*.example.",
    "4.3.2.1.in-addr.arpa.",
    ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61, ""]), r"\000\255x.example.", "b.f.ip6.arpa.",
]  # fmt: skip
TYPES = ["A", "AAAA", "CNAME", "MX", "TXT", "ANY", "PTR", "NS", "SOA", "SRV", "NAPTR", "TYPE65280", "HTTPS", "DS"]
TARGETS = ["example", "test", "{1}.example", "x{1}y", ".", "{0}", "{2}.{1}", "*.c", "..", "-", "{name}", "a" * 64]
PATTERNS = ["(.*)", r"(.*)\.example\.?", "^(a|b)(.*)$", ".", "^$", r"(.*)\.(.*)\.", "x*", r"(?i)(WWW)\.(.*)", "[^.]+"]
RDATA = [
    "A 192.0.2.1", "AAAA 2001:db8::1", "CNAME b.{{ .Name }}", "CNAME example.", "MX 5 {{ .Name }}", "DNAME example.",
    "TXT {{ .Question.Name }}", "SRV 1 2 3 {{ .Name }}", "NS ns.{{ .Zone }}", "PTR {{ index .Match 0 }}.", "CNAME .",
    "SOA a. b. 1 2 3 4 5", "A {{ .Group.x }}", "A", "HTTPS 1 . alpn=h2", r"TYPE65280 \# 1 00", "TXT {{ .Meta `x/y` }}",
]  # fmt: skip
OTHERS = [
    "dns64", "dns64 {\nprefix 64:ff9b::/96\ntranslate_all\n}", "header {\nresponse set qr aa ra\nquery clear rd\n}",
    "header {\nresponse clear aa rd ra\n}", "autopath {search}", "minimal", "any", "loadbalance", "bufsize 512",
    "metadata", "log", 'log . "{{remote}} {{>id}} {{/x/y}} {{rsize}} {{>rflags}}"', "errors", "local", "nsid x",
    "chaos", "erratic", "whoami", "acl {\nfilter type AAAA\n}", "view v {\nexpr split(name(), '.')[5] == ''\n}",
    "view v {\nexpr incidr(client_ip(), '10.0.0.0/8')\n}",
    "view v {\nexpr len(name()) > 300 or metadata('x/y') == ''\n}",
]  # fmt: skip
OPTIONS = [(), ((0xFFEE, b"z"),), ((8, b"\0\1\x18\0\1\2\3"),), ((3, b""),), ((10, b"12345678"),)]


class Draw(random.Random):
    """Draws configurations and queries."""

    def rewrite(self) -> str:
        one = self.choice
        value = one(["", "0xffee abc", "0xffee {qname}", "24 56", "0xffee 0xab", "0xffee {client_ip}", "0 0"])
        revert = one(["", "revert"])
        rule = one([
            f"name {one(['exact', 'prefix', 'suffix', 'substring'])} {one(['a.example.', 'www', '.'])} {one(TARGETS)}",
            f"name regex {one(PATTERNS)} {one(TARGETS)} answer auto",
            f"name regex {one(PATTERNS)} {one(TARGETS)} answer {one(['name', 'value'])} {one(PATTERNS)} {one(TARGETS)}",
            f"type {one(TYPES)} {one(TYPES)}", f"class {one(['IN', 'CH', 'ANY'])} {one(['IN', 'HS', 'CH'])}",
            f"edns0 {one(['local', 'nsid', 'subnet'])} {one(['set', 'append', 'replace'])} {value} {revert}",
            f"ttl regex {one(PATTERNS)} {one(['30', '1-5', '0-', '-9'])}",
            f"rcode regex {one(PATTERNS)} {one(['NXDOMAIN', 'SERVFAIL'])} {one(['NOERROR', 'REFUSED'])}",
            f"cname {one(['regex (.*)', 'suffix example.', 'exact example.'])} {one(TARGETS)}",
        ])  # fmt: skip
        return f"rewrite {one(['', 'stop ', 'continue '])}{rule}"

    def template(self) -> str:
        one = self.choice
        lines = [one(["", f"match {one(PATTERNS)}", "match ^(?P<x>a)"])]
        for _ in range(self.randrange(3)):
            head = f"{{{{ .Name }}}} {one(['60', '0', '4294967295', ''])} {one(['IN', '', 'CH'])}"
            lines.append(f'{one(["answer", "additional", "authority"])} "{head} {one(RDATA)}"')
        lines.append(one(["", "rcode NXDOMAIN", "rcode SERVFAIL", "fallthrough", "ederror 21 x"]))
        where = f"{one(['IN', 'ANY', 'CH'])} {one([*TYPES, *['ANY'] * 6])} {one(['', 'example.', '.'])}"
        return "\n".join((f"template {where} {{", *lines, "}"))

    def corefile(self, search: str) -> str:
        parts = [self.rewrite() for _ in range(self.randrange(4))]
        parts += [self.template() for _ in range(self.randrange(1, 4))]
        others = {one.partition(" ")[0]: one for one in self.sample(OTHERS, self.randrange(4))}
        parts += [one.replace("{search}", search).replace("{{", "{").replace("}}", "}") for one in others.values()]
        return "\n".join((".:5301 {", *parts, "}"))

    def query(self) -> bytes:
        return question(
            self.choice(NAMES), self.choice(TYPES), size=self.choice([None, 512, 1232, 65535]), do=self.random() < 0.3,
            options=self.choice(OPTIONS), rdclass=self.choice(["IN", "IN", "IN", "CH", "ANY"]), rd=self.random() < 0.8,
        )  # fmt: skip


@pytest.mark.parametrize(
    "seconds", [pytest.param(3, marks=pytest.mark.brief), pytest.param(60, marks=pytest.mark.long)]
)
def test_no_configuration_panics(seconds: float, tmp_path: object, capfd: pytest.CaptureFixture[str]) -> None:
    search = f"{tmp_path}/resolv.conf"
    with open(search, "w") as file:
        file.write("search public.example example test\n")
    seed = time.time_ns()
    draw = Draw(seed)
    end = time.monotonic() + seconds
    good = 0
    while time.monotonic() < end:
        text = draw.corefile(search)
        try:
            whole = Whole(text)
        except ConfigError:
            continue
        good += 1
        for _ in range(10):
            wire, ip = draw.query(), draw.choice(["10.0.0.1", "2001:db8::9"])
            began = time.thread_time()
            whole.send(wire, ip, draw.choice(["udp", "tcp"]), 0, memo=draw.random() < 0.5)
            assert time.thread_time() - began < 1, (seed, text, wire)
        shown = capfd.readouterr()
        assert "Recovered from panic" not in shown.out, (seed, text, shown.err)
    assert good > 3
