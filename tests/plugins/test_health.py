"""health: the endpoint, its probe of itself, lameduck, and what is refused."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.health.health import Health, Options, duration, failures, healthy
from shardns.plugins.health.probe import probe
from shardns.worker import metrics
from shardns.worker.http import Request
from shardns.worker.seats import Seat


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    warning = info


class Scope:
    """A scope with one lent socket."""

    def __init__(self, listener: socket.socket | None) -> None:
        self.listener = listener
        self.generation = SimpleNamespace(table={})
        self.cleanups: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []

    def endpoint(self, _address: str) -> socket.socket | None:
        return self.listener

    def defer(self, cleanup: Any) -> None:
        self.cleanups.append(cleanup)

    def spawn(self, work: Any) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]


def built(text: str = "health") -> tuple[Health, Log]:
    log = Log()
    site: Any = SimpleNamespace(logger=lambda _name: log)
    return Health(Options.read(text), site), log


def test_it_is_always_healthy() -> None:
    response = healthy(Request("POST", "/health", "", {}))
    assert (response.status, response.body) == (200, b"OK")


def test_lameduck_waits_with_everything_still_answering() -> None:
    plugin, log = built("health {\nlameduck 20ms\n}")
    asyncio.run(plugin.stopping())
    assert log.lines == ["Going into lameduck mode for 20ms"]


@pytest.mark.parametrize("text", ["health", "health {\nlameduck 0\n}", "health {\nlameduck -5s\n}"])
def test_without_lameduck_there_is_no_wait(text: str) -> None:
    plugin, log = built(text)
    asyncio.run(plugin.stopping())
    assert log.lines == []


@pytest.mark.system
def test_the_probe_finds_the_endpoint_and_misses_it_when_it_is_gone() -> None:
    async def main() -> None:
        metrics.use(Seat.private())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            plugin, log = built(f"health {address}")
            scope: Any = Scope(listener)
            await plugin.start(scope)
            await plugin.check()
            assert log.lines == []
            await plugin.stopping()
            await asyncio.wait(scope.tasks)
            assert scope.tasks[0].cancelled()
        await plugin.check()
        assert log.lines[0].startswith(f'Local health request to "http://{address}/health" failed: Get ')
        cell = duration.cell()
        assert sum(metrics.values[cell : cell + duration.sum_at]) == 2
        assert metrics.values[failures.cell()] == 1

    asyncio.run(main())


@pytest.mark.system
def test_an_empty_host_is_probed_on_localhost() -> None:
    assert "Get" in asyncio.run(probe(":1", "/health"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("health", Options()),
        ("health localhost:1234", Options(address="localhost:1234")),
        ("health localhost:1234 {\nlameduck 4s\n}", Options(address="localhost:1234", lameduck=4.0)),
        ("health bla:a", Options(address="bla:a")),
        ("health {\nlameduck 4s\n}\nhealth :1", Options(address=":1", lameduck=4.0)),
        ("health {\nlameduck 4s\nlameduck 1s\n}", Options(lameduck=1.0)),
    ],
)
def test_what_is_accepted(text: str, options: Options) -> None:
    assert Options.read(text) == options


def test_the_block_asks_for_the_socket() -> None:
    draft = Draft(directive="health")
    Options.read("health :8080", draft)
    assert [(e.plugin, e.address, e.required) for e in draft.endpoints] == [("health", ":8080", True)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("health bla", "plugin/health: address bla: missing port in address"),
        ("health bla bla", "Wrong argument count"),
        ("health {\nlameduck\n}", "Wrong argument count"),
        (
            "health {\nlameduck a\n}",
            "plugin/health: unable to parse lameduck duration value: 'a' : time: invalid duration \"a\"",
        ),
        ("health {\nlamedudk 4\n}", "unknown property 'lamedudk'"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text)
    assert problem in caught.value.text
