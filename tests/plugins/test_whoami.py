"""whoami: the client's own address in the additional section."""

from __future__ import annotations

import pytest

from shardns.config.names import from_text
from shardns.plugins.whoami.whoami import Options, Whoami
from shardns.worker.query import Query
from tests.plugins.small import built, lines, message, refusal
from tests.worker.fakes import query, request


def ask(name: str, *, via: str = "udp", ip: str = "10.240.0.1", qtype: int = 1) -> list[str]:
    asked = query(name, qtype).ask(request=request(via, ip))
    reply = message(asked, built(Options, "whoami").answer(asked))
    assert (reply.rcode(), reply.answer, reply.authority) == (0, [], [])
    return lines(reply.additional)


def test_udp_and_ipv4() -> None:
    assert ask("example.org.") == ["example.org. 0 IN A 10.240.0.1", "_udp.example.org. 0 IN SRV 0 0 40212 ."]


def test_tcp_and_ipv6() -> None:
    assert ask("example.org.", via="tcp", ip="2003::1") == [
        "example.org. 0 IN AAAA 2003::1",
        "_tcp.example.org. 0 IN SRV 0 0 40212 .",
    ]


def test_the_case_of_the_question_is_kept() -> None:
    assert [line.split()[0] for line in ask("Example.ORG.")] == ["Example.ORG.", "_udp.Example.ORG."]


def test_the_root_has_an_srv_owner_too() -> None:
    assert ask(".")[1].startswith("_udp. ")


@pytest.mark.parametrize("qtype", [16, 255, 65280])
def test_every_type_gets_the_same_reply(qtype: int) -> None:
    assert ask("example.org.", qtype=qtype) == ask("example.org.")


def test_the_reply_is_authoritative_and_keeps_rd() -> None:
    reply = built(Options, "whoami").answer(query("example.org."))
    assert reply.aa and not reply.ra and reply.flags & 0x0100


def test_the_class_is_the_question_s() -> None:
    reply = built(Options, "whoami").answer(query("example.org.").ask(qclass=3))
    assert {rrset.rclass for rrset in reply.additional} == {3}


@pytest.mark.parametrize(("length", "records"), [(250, 2), (251, 1), (255, 1)])
def test_names_without_room_for_the_transport_get_the_address_alone(length: int, records: int) -> None:
    rest = length - 1 - 3 * 64
    name = from_text(".".join(["a" * 63] * 3 + ["b" * (rest - 1)]) + ".")
    assert len(name) == length
    asked: Query = query("example.org.").ask(owner=name)
    assert len(built(Options, "whoami").answer(asked).additional) == records


def test_its_answers_are_never_repeated_for_other_clients() -> None:
    assert not Whoami.repeatable


def test_arguments_are_refused() -> None:
    text = "Wrong argument count or unexpected line ending after 'example.org'"
    assert refusal(Options, "whoami example.org") == f"plugin/whoami: Corefile:1 - Error during parsing: {text}"
    assert refusal(Options, "whoami {\n}").endswith("Unexpected token '{', expecting argument")
