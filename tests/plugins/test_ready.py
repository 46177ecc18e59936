"""ready: who is asked, how often, what is said, and what is refused."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.ready.ready import Options, Readiness
from shardns.worker.http import Request, Response
from shardns.worker.plugin import Plugin, Ready

ASKED = Request("GET", "/ready", "", {})


class Unsure(Plugin[Any], Ready):
    """A plugin that is ready when the test says so."""

    def __init__(self, name: str, ready: bool = False) -> None:
        self.directive = name  # type: ignore[misc]  # a class attribute of real plugins
        self.ready = ready

    def is_ready(self) -> bool:
        return self.ready


def built(text: str, *members: Plugin[Any], table: dict[str, Any] | None = None) -> tuple[Readiness, list[str]]:
    lines: list[str] = []
    log = SimpleNamespace(info=lines.append)
    generation = SimpleNamespace(table={} if table is None else table)
    site: Any = SimpleNamespace(generation=generation, members=members, logger=lambda _name: log)
    plugin = Readiness(Options.read(text), site)
    return plugin, lines


def start(*plugins: Readiness) -> None:
    scope: Any = SimpleNamespace(endpoint=lambda _address: None)
    for plugin in plugins:
        asyncio.run(plugin.start(scope))


def said(response: Response) -> tuple[int, bytes]:
    return response.status, response.body


def test_nobody_to_ask_means_ready() -> None:
    plugin, _ = built("ready")
    start(plugin)
    assert said(plugin.answer(ASKED)) == (200, b"OK")


@pytest.mark.parametrize(("monitor", "later"), [("until-ready", (200, b"OK")), ("continuously", (503, b"erratic"))])
def test_whether_who_was_ready_is_asked_again(monitor: str, later: tuple[int, bytes]) -> None:
    erratic = Unsure("erratic")
    plugin, lines = built(f"ready {{\nmonitor {monitor}\n}}", erratic)
    start(plugin)
    assert said(plugin.answer(ASKED)) == (503, b"erratic")
    assert lines == ['Plugins not ready: "erratic"']
    erratic.ready = True
    assert said(plugin.answer(ASKED)) == (200, b"OK")
    erratic.ready = False
    assert said(plugin.answer(ASKED)) == later


def test_names_of_all_blocks_stand_together_sorted_and_once() -> None:
    table: dict[str, Any] = {}
    first, _ = built("ready", Unsure("unready2"), Unsure("same"), table=table)
    last, _ = built("ready", Unsure("unready1"), Unsure("same", ready=True), table=table)
    start(first, last)
    start(first, last)
    assert said(first.answer(ASKED)) == (503, b"unready1,unready2")


def test_the_last_block_decides_how_often_all_are_asked() -> None:
    table: dict[str, Any] = {}
    erratic = Unsure("erratic", ready=True)
    first, _ = built("ready", erratic, table=table)
    last, _ = built("ready {\nmonitor continuously\n}", table=table)
    start(first, last)
    assert first.answer(ASKED).status == 200
    erratic.ready = False
    assert first.answer(ASKED).status == 503


def test_the_block_asks_for_a_socket_that_it_can_do_without() -> None:
    draft = Draft(directive="ready")
    Options.read("ready", draft)
    assert [(e.plugin, e.address, e.required) for e in draft.endpoints] == [("ready", ":8181", False)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("ready", Options()),
        ("ready localhost:1234", Options(address="localhost:1234")),
        ("ready {\nmonitor continuously\n}", Options(monitor="continuously")),
        ("ready localhost:1234 {\nmonitor continuously\nmonitor until-ready\n}", Options(address="localhost:1234")),
    ],
)
def test_what_is_accepted(text: str, options: Options) -> None:
    assert Options.read(text) == options


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ready bla", "plugin/ready: address bla: missing port in address"),
        ("ready bla bla", "Wrong argument count"),
        ("ready localhost:1234 b", "Wrong argument count"),
        ("ready {\nmonitor\n}", "Wrong argument count"),
        ("ready {\nmonitor 404\n}", "monitor type '404' not supported"),
        ("ready {\nmonitro continuously\n}", "unknown property 'monitro'"),
        ("ready\nready", "this plugin can only be used once per Server Block"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text)
    assert problem in caught.value.text
