"""template: the OPT record of the query, as `.Message` shows it."""

from __future__ import annotations

import pytest

from shardns.worker.reply import ServFail
from shardns.worker.wire.codes import TXT
from shardns.worker.wire.edns import Edns
from tests.plugins.test_template import plugin, records
from tests.worker.fakes import query

OPTIONS = (
    (8, bytes.fromhex("000118000af000")), (10, bytes(range(8))), (65001, b"\1\2ab"), (3, b"ab"), (9, b""), (11, b""),
    (12, b"\0\0"), (5, b"\x08\xff"), (18, b"\1a\0"), (15, b"\0\x15no"), (2, b"\0\0\0\1"),
    (1, bytes.fromhex("0001 0002 0003 0000000000000004 00000005")), (4, b"uri"), (19, b"\2\0\0\0\0\1"),
)  # fmt: skip
FULL = Edns(1232, flags=0xC001, options=OPTIONS)


def shown(text: str, opt: Edns | None = FULL) -> str:
    """Return what an action prints for a query with this OPT record."""
    of = plugin(f'IN TXT {{\n answer "{{{{ .Name }}}} 60 IN TXT {{{{ printf `%q` (print ({text})) }}}}"\n}}')
    asked = query("a.test.", TXT)
    found = records(of, asked if opt is None else asked.ask(edns=opt))[0]
    return found.partition("TXT ")[2].replace('" "', "").strip('"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("len .Message.Extra", "1"),
        (".Message.IsEdns0.UDPSize", "1232"),
        (".Message.IsEdns0.Do", "true"),
        (".Message.IsEdns0.Co", "true"),
        (".Message.IsEdns0.Z", "1"),
        (".Message.IsEdns0.Version", "0"),
        (".Message.IsEdns0.Header.Rrtype", "41"),
        ("(index .Message.Extra 0).Hdr.Class", "1232"),
        ("(index .Message.Extra 0).Hdr.Name", "."),
        ("(index .Message.IsEdns0.Option 0).Address", "10.240.0.0"),
        ("(index .Message.IsEdns0.Option 0).SourceNetmask", "24"),
        ("index .Message.IsEdns0.Option 0", "10.240.0.0/24/0"),
        ("(index .Message.IsEdns0.Option 1).Cookie", "0001020304050607"),
        ("(index .Message.IsEdns0.Option 2).Option", "65001"),
        ("(index .Message.IsEdns0.Option 2).Data", "[1 2 97 98]"),
        (
            "printf `%x %d` (slice (index .Message.IsEdns0.Option 2).Data 2) (slice .Message.IsEdns0.Option 0 0)",
            "6162 []",
        ),
        ("index .Message.IsEdns0.Option 7", " RSASHA256 255"),
        ("(index .Message.IsEdns0.Option 8).AgentDomain", "a."),
        ("index .Message.IsEdns0.Option 9", "21 (Not Supported): (no)"),
        ("(index .Message.IsEdns0.Option 10).Lease", "1"),
        ("index .Message.IsEdns0.Option 11", "1 2 3 4 5"),
        (".Message.IsTsig", "<nil>"),
    ],
)
def test_the_record_is_there_with_its_options(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_a_query_without_the_record_has_none() -> None:
    assert shown("len .Message.Extra", None) == "0"
    assert shown(".Message.Len", None) == "24"
    assert shown(".Message.Len", Edns(1232)) == "35"
    of = plugin('IN TXT {\n answer "{{ .Name }} 60 IN TXT {{ if .Message.IsEdns0 }}yes{{ else }}no{{ end }}"\n}')
    assert records(of, query("a.test.", TXT)) == ['a.test. 60 IN TXT "no"']
    assert records(of, query("a.test.", TXT, opt=FULL)) == ['a.test. 60 IN TXT "yes"']
    with pytest.raises(ServFail):
        shown(".Message.IsEdns0.Do", None)


def test_the_message_prints_with_it() -> None:
    """What dig and the reference's library print of an OPT record."""
    few = Edns(4096, flags=0x8000, options=(*OPTIONS[:3], (8, bytes.fromhex("0002200020010db8")), (11, b"\0\2")))
    assert shown(".Message", few).replace("\\n", "\n").split("n;")[1:] == [
        "; flags: rd; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1n",
        "; OPT PSEUDOSECTION:",
        " EDNS: version 0; flags: do; udp: 4096",
        " SUBNET: 10.240.0.0/24/0",
        " COOKIE: 0001020304050607",
        " LOCAL OPT: 65001:0x01026162",
        " SUBNET: [2001:db8::]/32/0",
        " KEEPALIVE: use tcp keep-alive, timeout 200msn",
        "; QUESTION SECTION:",
        "a.test.tINt TXTn",
    ]


@pytest.mark.parametrize("code", [*range(1, 10), *range(11, 21)])  # dnspython does not read such a cookie
def test_an_option_that_a_rule_made_of_anything_is_no_fault(code: int) -> None:
    assert shown("len .Message.IsEdns0.Option", Edns(1232, options=((code, b"\x05"),))) == "1"
    assert shown("len .Message.IsEdns0.Option", Edns(1232, options=((code, b""),))) == "1"
