"""errors: which lines are logged, what is counted instead, and what is refused."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shardns.config.errors import ConfigError
from shardns.plugins.errors.errors import Errors
from shardns.plugins.errors.options import Consolidate, Options
from shardns.worker.address import to_sockaddr
from shardns.worker.listener import Listener
from shardns.worker.plugin import Layer
from shardns.worker.query import Query, Request
from shardns.worker.reply import DROP, Refused, Reply, ServFail

NAME = b"\7example\3org\0"


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def at(self, level: str, text: str) -> None:
        self.lines.append(f"[{level.upper()}] {text}")

    def error(self, text: str) -> None:
        self.at("error", text)


class Site:
    """A site whose relay leads straight to the keeper's object of the same block."""

    def __init__(self) -> None:
        self.log = Log()
        self.keeper: Any = None

    def logger(self, _directive: str) -> Log:
        return self.log

    def relay(self, _plugin: object, body: bytes) -> None:
        self.keeper.relayed(body)


class Scope:
    """Timers that run when a test says so."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.cleanups: list[Callable[[], None]] = []

    def after(self, delay_s: float, work: Callable[[], None]) -> None:
        self.timers.append((delay_s, work))

    def defer(self, cleanup: Callable[[], None]) -> None:
        self.cleanups.append(cleanup)

    def fire(self) -> None:
        timers, self.timers = self.timers, []
        for _, work in timers:
            work()


def built(text: str = "errors") -> tuple[Errors, Log, Scope]:
    site: Any = Site()
    plugin = Errors(Options.read(text), site)
    site.keeper = plugin
    scope: Any = Scope()
    asyncio.run(plugin.start(scope))
    return plugin, site.log, scope


def query() -> Query:
    request = Request(Listener(0, "dns://:53", "dns", "", 53), to_sockaddr("192.0.2.1", 9), 1, "udp", 0.0, 29)
    return Query(request, 1, 0x100, NAME, NAME.upper(), 1, 1)


def fails(plugin: Layer[Any], failure: Exception) -> None:
    steps = plugin.around(query())
    next(steps)
    with pytest.raises(type(failure)):
        steps.throw(failure)


def test_an_error_is_logged_with_rcode_name_and_type_and_passes_on() -> None:
    plugin, log, _ = built()
    fails(plugin, Refused("test error"))
    assert log.lines == ["[ERROR] 5 example.org. A: test error"]


def test_an_rcode_without_text_is_not_logged() -> None:
    plugin, log, _ = built()
    fails(plugin, ServFail())
    assert log.lines == []


@pytest.mark.parametrize("outcome", [Reply(2), DROP])
def test_replies_pass_unchanged_and_unlogged(outcome: Any) -> None:
    plugin, log, _ = built()
    asked = query()
    steps = plugin.around(asked)
    assert next(steps) is asked
    assert steps.send(outcome) is outcome
    assert not asked.request.once
    assert log.lines == []


@pytest.mark.parametrize(
    ("word", "level"), [("", "ERROR"), (" warning", "WARNING"), (" info", "INFO"), (" debug", "DEBUG")]
)
def test_a_window_reports_how_many_it_took(word: str, level: str) -> None:
    plugin, log, scope = built(f"errors {{\nconsolidate 2s ^error.*!${word}\n}}")
    for _ in range(4):
        fails(plugin, ServFail("error happened!"))
    assert log.lines == []
    assert scope.timers[0][0] == 2
    scope.fire()
    assert log.lines == [f"[{level}] 4 errors like '^error.*!$' occurred in last 2s"]
    fails(plugin, ServFail("error again!"))
    scope.fire()
    assert log.lines[1:] == [f"[{level}] 1 errors like '^error.*!$' occurred in last 2s"]


def test_the_first_pattern_that_matches_takes_the_error() -> None:
    plugin, log, scope = built("errors {\nconsolidate 5m err\nconsolidate 1m ^error$ info\n}")
    fails(plugin, ServFail("error"))
    fails(plugin, ServFail("other"))
    scope.fire()
    assert log.lines == [
        "[ERROR] 2 example.org. A: other",
        "[ERROR] 1 errors like 'err' occurred in last 5m0s",
    ]


def test_with_show_first_one_error_is_its_line_alone() -> None:
    plugin, log, scope = built("errors {\nconsolidate 1m error warning show_first\n}")
    fails(plugin, ServFail("error 1"))
    assert log.lines == ["[WARNING] 2 example.org. A: error 1"]
    scope.fire()
    assert len(log.lines) == 1
    for n in (2, 3, 4):
        fails(plugin, ServFail(f"error {n}"))
    scope.fire()
    assert log.lines[1:] == [
        "[WARNING] 2 example.org. A: error 2",
        "[WARNING] 3 errors like 'error' occurred in last 1m0s",
    ]


def test_stopping_reports_what_is_open_and_counts_no_more() -> None:
    plugin, log, scope = built("errors {\nconsolidate 1m error warning\n}")
    for _ in range(3):
        fails(plugin, ServFail("error"))
    scope.cleanups[0]()
    fails(plugin, ServFail("error"))
    assert log.lines == [
        "[WARNING] 3 errors like 'error' occurred in last 1m0s",
        "[WARNING] 2 example.org. A: error",
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("errors", ()),
        ("errors stdout", ()),
        ("errors {\nstacktrace\n}", ()),
        ("errors {\nconsolidate 1m ^exact$\n}", (Consolidate(60, "^exact$"),)),
        ('errors {\nconsolidate 1m "format error"\n}', (Consolidate(60, "format error"),)),
        ("errors {\nconsolidate 1m a\nconsolidate 0 b debug\n}", (Consolidate(60, "a"), Consolidate(0, "b", "debug"))),
        ("errors {\nconsolidate 1m error show_first\n}", (Consolidate(60, "error", "error", True),)),
        ("errors {\nconsolidate 1m error warning show_first\n}", (Consolidate(60, "error", "warning", True),)),
    ],
)
def test_what_is_accepted(text: str, rules: tuple[Consolidate, ...]) -> None:
    assert Options.read(text).consolidate == rules


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("errors errors.txt", "invalid log file: errors.txt"),
        ("errors a b", "Wrong argument count"),
        ("errors {\nlog visible\n}", ":2 - Syntax error: Unexpected token 'log', expecting 'Unknown field log'"),
        ("errors {\nstacktrace log\n}", ":2 - Syntax error: Unexpected token 'log', expecting 'Unknown field log'"),
        ("errors {\nconsolidate\n}", "Wrong argument count"),
        ("errors {\nconsolidate 1m\n}", "Wrong argument count"),
        ("errors {\nconsolidate 1m .* extra\n}", "unknown option in consolidate: extra"),
        ("errors {\nconsolidate abc .*\n}", 'time: invalid duration "abc"'),
        ("errors {\nconsolidate 1 .*\n}", 'time: missing unit in duration "1"'),
        ("errors {\nconsolidate 1m ())\n}", "error parsing regexp"),
        ("errors {\nconsolidate 1m a warning error\n}", "multiple log levels specified in consolidate"),
        ("errors {\nconsolidate 1m a show_first warning\n}", "log level must come before show_first in consolidate"),
        (f"errors {{\nconsolidate 1m {'a' * 10001}\n}}", "regex pattern too long: 10001 > 10000"),
        ("errors\nerrors", "this plugin can only be used once per Server Block"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match="plugin/errors: ") as caught:
        Options.read(text)
    assert problem in caught.value.text
