"""log: which rule a query meets, which classes it logs, what repetitions write, and what is refused."""

import json
from typing import Any

import pytest

from shardns.config.errors import ConfigError
from shardns.plugins.log.log import Log
from shardns.plugins.log.options import Options
from shardns.worker import log
from shardns.worker.address import Address, to_sockaddr
from shardns.worker.listener import Listener
from shardns.worker.placeholders import COMBINED, COMMON
from shardns.worker.query import Query, Request
from shardns.worker.reply import DROP, Refused, Reply, ServFail
from shardns.worker.stream import Stream
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.wire.records import RRset, Section

SITE: Any = None


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(log, "line", lambda text: found.append(text))
    return found


def query(name: str = "example.org.", qtype: int = 1) -> Query:
    request = Request(Listener(0, "dns://:53", "dns", "", 53), to_sockaddr("10.240.0.1", 40212), 1, "udp", 0.0, 29)
    wire = from_text(name)
    return Query(request, 7, 0, wire.lower(), wire, qtype, 1)


def built(text: str) -> Log:
    return Log(Options.read(text), SITE)


def run(plugin: Log, asked: Query, outcome: Any) -> None:
    steps = plugin.around(asked)
    assert next(steps) is asked
    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)):
            steps.throw(outcome)
    else:
        assert steps.send(outcome) is outcome


NXDOMAIN, NODATA = Reply(3), Reply(0, authority=Section([RRset(b"\0", 6, 0, (b"\0",))]))


def test_a_failure_is_logged_as_the_reply_that_the_core_will_write(lines: list[str]) -> None:
    run(built("log"), query(), ServFail("x"))
    assert lines[0].startswith('[INFO] 10.240.0.1:40212 - 7 "A IN example.org. udp 29 false 512" SERVFAIL qr 29 0.')
    assert lines[0].endswith("s\n")


@pytest.mark.parametrize(
    ("classes", "outcome", "logged"),
    [
        ("denial", ServFail(), False),
        ("error", ServFail(), True),
        ("error", Refused(), True),
        ("error", NXDOMAIN, False),
        ("denial", NXDOMAIN, True),
        ("denial", NODATA, True),
        ("success", Reply(0), True),
        ("success denial", Reply(0), True),
        ("all", NXDOMAIN, True),
        ("error", DROP, True),
        ("success", DROP, False),
    ],
)
def test_only_the_classes_asked_for_are_logged(lines: list[str], classes: str, outcome: Any, logged: bool) -> None:
    run(built(f"log {{\nclass {classes}\n}}"), query(), outcome)
    assert bool(lines) is logged


def test_the_first_rule_that_matches_decides_even_if_it_logs_nothing(lines: list[str]) -> None:
    plugin = built("log example.org {\nclass denial\n}\nlog .")
    run(plugin, query("a.example.org."), Reply(0))
    assert lines == []
    run(plugin, query("example.net."), Reply(0))
    assert len(lines) == 1


def test_other_names_pass_unseen(lines: list[str]) -> None:
    plugin = built("log example.org example.net")
    for name, count in (("example.com.", 0), ("badexample.org.", 0), ("example.org.", 1), ("a.EXAMPLE.net.", 2)):
        run(plugin, query(name), Reply(0))
        assert len(lines) == count


def test_a_dropped_query_has_dashes(lines: list[str]) -> None:
    run(built('log . "{size} {rcode} {rsize} {>rflags}"'), query(qtype=13), DROP)
    assert lines == ["[INFO] 29 - 0 -\n"]


def test_the_flags_show_what_the_core_will_cut(lines: list[str]) -> None:
    records = Section([RRset(b"\0", 16, 0, tuple(bytes([200]) + bytes(200) for _ in range(5)))])
    run(built('log . "{>rflags} {rsize}"'), query(), Reply(0, answer=records))
    assert lines == [f"[INFO] qr,tc {29 + records.count * 212}\n"]


def test_an_answer_of_several_messages_is_logged_once_with_the_size_of_all(lines: list[str]) -> None:
    parts = iter([None, Reply(0, answer=Section([RRset(b"\0", 1, 0, (bytes(4),))])), Reply(3)])
    steps = built('log . "{rcode} {rsize}"').around(query())
    next(steps)
    outcome = steps.send(Stream(Reply(0), parts))
    assert isinstance(outcome, Stream)
    assert lines == []
    assert [part.rcode if part else None for part in outcome.parts] == [None, 0, 3]
    assert lines == [f"[INFO] NXDOMAIN {29 + 29 + 15 + 29}\n"]


def test_an_answer_of_several_messages_that_breaks_off_is_logged_too(lines: list[str]) -> None:
    steps = built('log . "{rcode} {rsize}"').around(query())
    next(steps)
    outcome = steps.send(Stream(Reply(0), iter([Reply(0), Reply(0)])))
    assert isinstance(outcome, Stream)
    next(outcome.parts)
    del outcome, steps
    assert lines == [f"[INFO] NOERROR {2 * 29}\n"]


@pytest.mark.parametrize("do", [False, True])
def test_signatures_that_have_run_out_are_an_error_for_who_asked_for_them(lines: list[str], do: bool) -> None:
    times = (1_000_000_000).to_bytes(4, "big") + (900_000_000).to_bytes(4, "big")
    signature = bytes((0, 1, 13, 2)) + bytes(4) + times + bytes(2) + b"\0" + bytes(64)
    asked = query()
    asked.edns = Edns(flags=DO if do else 0)
    run(
        built('log . "{rcode}" {\nclass error\n}'), asked, Reply(0, answer=Section([RRset(b"\0", 46, 0, (signature,))]))
    )
    assert lines == (["[INFO] NOERROR\n"] if do else [])


def test_repetitions_have_their_own_client_and_id(lines: list[str]) -> None:
    asked = query()
    run(built('log . "{remote}:{port} {>id} {name} {duration}"'), asked, Reply(0))
    assert asked.request.repeats is not None
    asked.request.repeats[0](to_sockaddr("2001:db8::1", 5), 99)
    assert lines[1].startswith("[INFO] [2001:db8::1]:5 99 example.org. 0.")


def test_an_answer_that_is_not_repeated_costs_no_repeater(lines: list[str]) -> None:
    asked = query()
    asked.once()
    run(built("log"), asked, Reply(0))
    assert asked.request.repeats is None
    assert len(lines) == 1


def test_the_kind_of_answer_is_metadata_even_where_nothing_is_logged(lines: list[str]) -> None:
    asked = query()
    asked.request.metadata = {}
    run(built("log {\nclass error\n}"), asked, NXDOMAIN)
    assert (asked.metadata("log/type"), asked.metadata("log/class"), lines) == ("NXDOMAIN", "denial", [])


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("log", [(".", COMMON)]),
        ("log example.org", [("example.org.", COMMON)]),
        ("log example.org. {common}", [("example.org.", COMMON)]),
        ("log example.org. {combined}", [("example.org.", COMBINED)]),
        ("log example.org example.net {host}", [("example.org.", "{host}"), ("example.net.", "{host}")]),
        ('log . "{combined} {/forward/upstream}"', [(".", COMBINED + " {/forward/upstream}")]),
        ("log example.org.\nlog example.net {combined}", [("example.org.", COMMON), ("example.net.", COMBINED)]),
        ("log {type}", [("{type}.", COMMON)]),
    ],
)
def test_names_and_formats(text: str, rules: list[tuple[str, str]]) -> None:
    options = Options.read(text)
    assert [(to_text(name), line.scope.format) for line in options for name in line.scope.names] == rules


def test_class_lines_add_up() -> None:
    apart, together = (
        Options.read(f"log {{\n{text}\n}}")[0] for text in ("class denial\nclass error", "class denial error")
    )
    assert apart == together
    assert apart.only == {"denial", "error"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("log {\nclass abracadabra\n}", "plugin/log: invalid Class: abracadabra"),
        (
            "log {\nclass\n}",
            "plugin/log: Corefile:2 - Error during parsing: "
            "Wrong argument count or unexpected line ending after 'class'",
        ),
        ("log {\nunknown\n}", "plugin/log: Corefile:2 - Error during parsing: unknown property 'unknown'"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text)
    assert caught.value.text == problem


def test_what_shows_the_server_s_address_is_not_repeated_where_that_differs_by_connection(lines: list[str]) -> None:
    for local, once in (None, False), (Address("127.0.0.2", 53), True):
        asked = query()
        asked.request._local = local
        run(built('log . "{local}"'), asked, Reply())
        assert asked.request.once is once
    assert lines == ["[INFO] [::]\n", "[INFO] 127.0.0.2\n"]


def test_json_lines_keep_their_order_and_are_written_once_a_burst(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "as_json", True)
    asked = query('a"b.example.')
    run(built("log"), asked, Reply(0))
    assert asked.request.repeats is not None
    asked.request.repeats[0](to_sockaddr("10.0.0.9", 5), 99)
    assert capfd.readouterr().out == ""
    log.error("an error")
    first, second, third = map(json.loads, capfd.readouterr().out.splitlines())
    assert [one["level"] for one in (first, second, third)] == ["info", "info", "error"]
    assert first["msg"].startswith('10.240.0.1:40212 - 7 "A IN a\\"b.example. udp 29 false 512" NOERROR')
    assert second["msg"].startswith("10.0.0.9:5 - 99 ") and second["ts"] >= first["ts"]
