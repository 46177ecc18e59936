"""reload: what counts as a change, what is tried again, what is said, and what is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shardns.config.errors import ConfigError
from shardns.plugins.reload.reload import Options, Reload, digest, failed_total, version_info
from shardns.worker import metrics
from shardns.worker.seats import Seat

GOOD = ".:1053 {\n    whoami # a comment\n}\n"


@pytest.fixture(autouse=True)
def fresh_metrics() -> None:
    metrics.use(Seat.private())


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(f"[INFO] {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"[WARNING] {text}")

    def error(self, text: str) -> None:
        self.lines.append(f"[ERROR] {text}")


class Scope:
    """A scope whose clock is the test and whose master answers what it is told to."""

    def __init__(self, *answers: tuple[bool, str]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.interval_s = 0.0
        self.tick: Callable[[], Awaitable[None]]

    def every(self, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        self.interval_s, self.tick = interval_s, work

    async def reload(self) -> tuple[bool, str]:
        self.asked += 1
        return self.answers.pop(0)


def built(file: Path, text: str = "reload 2s 0s", table: dict[str, Any] | None = None) -> tuple[Reload, Log]:
    log = Log()
    model = SimpleNamespace(file=str(file), digest=digest(str(file)), looked_up=False)
    site: Any = SimpleNamespace(
        generation=SimpleNamespace(table={} if table is None else table, model=model), logger=lambda _name: log
    )
    return Reload(Options.read(text), site), log


async def ticks(plugin: Reload, scope: Any, file: Path, *texts: str) -> None:
    await plugin.start(scope)
    for text in texts:
        file.write_text(text)
        await scope.tick()
        if plugin.asking is not None:
            await plugin.asking


def test_only_words_and_their_lines_count(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    found = []
    for text in (GOOD, GOOD.replace("# a comment", ""), "\n" + GOOD, GOOD.replace("whoami", "log")):
        file.write_text(text)
        found.append(digest(str(file)))
    assert found[0] == found[1]
    assert len({*found}) == 3


def test_an_imported_file_counts(tmp_path: Path) -> None:
    file, imported = tmp_path / "Corefile", tmp_path / "more"
    file.write_text(".:1053 {\n    import more\n}\n")
    imported.write_text("whoami\n")
    before = digest(str(file))
    imported.write_text("log\n")
    assert digest(str(file)) != before


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    assert digest(str(tmp_path / "none")) is None


def test_without_a_corefile_the_built_in_one_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert digest("Corefile", looked_up=True) is not None
    assert digest("Corefile") is None  # named by -conf, it is a file that cannot be read


def test_what_came_from_a_pipe_is_not_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "Corefile").write_text(GOOD)
    plugin, log = built(tmp_path / "Corefile")
    plugin.file = "/dev/stdin"
    scope: Any = Scope()
    asyncio.run(plugin.start(scope))
    assert log.lines == [f"[INFO] Running configuration SHA512 = {plugin.running}\n"]
    assert scope.interval_s == 0.0


def test_a_change_is_handed_to_the_master_once(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(GOOD)
    plugin, log = built(file)
    scope = Scope((True, ""))
    changed = GOOD.replace("whoami", "log")
    asyncio.run(ticks(plugin, scope, file, GOOD, changed, changed))
    assert scope.asked == 1
    assert log.lines == [f"[INFO] Running configuration SHA512 = {plugin.running}\n"]
    assert metrics.values[version_info.cell("sha512", plugin.seen)] == 1
    assert metrics.values[failed_total.cell()] == 0


def test_a_refused_content_is_not_tried_again_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(GOOD)
    plugin, log = built(file)
    scope = Scope((False, "Corefile:2 - Error during parsing: Unknown directive 'x'"), (True, ""))
    asyncio.run(
        ticks(plugin, scope, file, GOOD.replace("whoami", "x"), GOOD.replace("whoami", "x"), GOOD + "\n. {\n}\n")
    )
    assert scope.asked == 2
    assert log.lines[1:] == [
        "[ERROR] Corefile changed but reload failed: Corefile:2 - Error during parsing: Unknown directive 'x'"
    ]
    assert metrics.values[failed_total.cell()] == 1


def test_a_file_that_cannot_be_parsed_is_warned_about_at_every_look(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(GOOD)
    plugin, log = built(file)
    scope = Scope()
    asyncio.run(ticks(plugin, scope, file, ". {\nwhoami\n", ". {\nwhoami\n"))
    assert scope.asked == 0
    assert len(log.lines) == 3
    assert log.lines[1].startswith("[WARNING] Corefile parse failed: ")
    assert metrics.values[failed_total.cell()] == 0


def test_starting_again_after_a_failed_commit_says_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(GOOD)
    plugin, log = built(file)
    scope: Any = Scope()
    asyncio.run(plugin.start(scope))
    asyncio.run(plugin.start(scope))
    assert len(log.lines) == 1


def test_the_last_block_s_line_counts_for_all(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(GOOD)
    table: dict[str, Any] = {}
    (first, first_log), (last, last_log) = built(file, "reload 4s 0s", table), built(file, "reload 6s 0s", table)
    scope: Any = Scope()
    asyncio.run(first.start(scope))
    asyncio.run(last.start(scope))
    assert scope.interval_s == 6
    assert (first_log.lines, len(last_log.lines)) == ([], 1)


@pytest.mark.parametrize(
    ("text", "interval_s", "jitter_s"),
    [
        ("reload", 30, 15), ("reload 10s", 10, 5), ("reload 10s 2s", 10, 2), ("reload 2s 0s", 2, 0),
        ("reload 2s", 2, 1), ("reload 1m 1s\nreload 5s", 60, 1), ("reload 10s {\nfoo\n}", 10, 5),
    ],
)  # fmt: skip
def test_the_jitter_is_at_most_half_the_interval(text: str, interval_s: float, jitter_s: float) -> None:
    assert Options.read(text) == Options(interval_s=interval_s, jitter_s=jitter_s)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reload foo", 'plugin/reload: time: invalid duration "foo"'),
        ("reload 10s foo", 'plugin/reload: time: invalid duration "foo"'),
        ("reload 1s", "plugin/reload: interval value must be greater or equal to 2s"),
        ("reload 0s", "plugin/reload: interval value must be greater or equal to 2s"),
        ("reload 3s 0.5s", "plugin/reload: jitter value must be 0 or greater or equal to 1s"),
        ("reload 10s 5s foo", "plugin/reload: Corefile:1 - Error during parsing: Wrong argument count"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text)
    assert caught.value.text.startswith(problem)
