"""on: commands and what is said about them."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import pytest

from shardns.plugins.on.on import Hook, Options, run
from shardns.plugins.on.words import split
from tests.plugins.small import built, options, refusal
from tests.system.harness import until


@pytest.mark.parametrize(
    ("text", "hook"),
    [
        ("on startup cmd arg1 arg2", Hook("startup", "cmd", ("arg1", "arg2"))),
        ("on ShutDown cmd arg &", Hook("shutdown", "cmd", ("arg",), wait=False)),
        ("on certrenew cmd", Hook("certrenew", "cmd")),
        ("on startup &", Hook("startup", "&")),
        ("on startup sh -c \"'a b'\"", Hook("startup", "sh", ("-c", "a b"))),
    ],
)
def test_lines(text: str, hook: Hook) -> None:
    assert options(Options, text)[0].hook == hook


def test_any_number_of_lines() -> None:
    assert len(options(Options, "on startup a\non startup b\non shutdown c")) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("on", "Wrong argument count or unexpected line ending after 'on'"),
        ("on xyz cmd arg", "Wrong event name or event not supported: 'xyz'"),
        ("on startup", "no command contained in ''"),
        ("on startup echo 'a", "error parsing command: EOF found when expecting closing quote."),
        ("on startup echo a\\", "error parsing command: EOF found after escape character"),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"Corefile:1 - Error during parsing: {complaint}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a'b'\"c\"d", ["abcd"]),
        (r"a\ b 'c\d' \"", ["a b", r"c\d", '"']),
        (r'"a\"b"', ['a"b']),
        ("a '' b", ["a", "", "b"]),
        ("a b#c #d e", ["a", "b#c"]),
        ("", []),
    ],
)
def test_words_are_split_as_a_shell_does(text: str, words: list[str]) -> None:
    assert split(text) == words


def done(hook: Hook) -> str:
    return asyncio.run(run(hook, "id"))


def python(text: str) -> Hook:
    return Hook("startup", sys.executable, ("-c", text))


@pytest.mark.system
def test_a_command_runs_and_is_waited_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    assert done(Hook("startup", "mkdir", (str(made),))) == ""
    assert made.is_dir()
    assert capfd.readouterr().out == f'[INFO] Blocking Command "mkdir {made}" with ID id\n'


@pytest.mark.system
def test_a_command_in_the_background_outlives_the_server(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made, told = tmp_path / "made", tmp_path / "told"
    script = f"for i in $(seq 600); do test -e {told} && mkdir {made} && break; sleep 0.05; done"
    assert done(Hook("shutdown", "sh", ("-c", script), wait=False)) == ""
    gc.collect()
    assert capfd.readouterr().out == f'[INFO] Nonblocking Command "sh -c {script}" with ID id\n'
    told.touch()
    until(made.is_dir)


@pytest.mark.system
@pytest.mark.parametrize(
    ("hook", "error"),
    [
        (python("raise SystemExit(3)"), "exit status 3"),
        (python("import os; os.kill(os.getpid(), 9)"), "signal: killed"),
        (Hook("startup", "no-such-command"), 'exec: "no-such-command": executable file not found in $PATH'),
        (Hook("startup", "/no/such"), "fork/exec /no/such: no such file or directory"),
        (Hook("startup", "/etc"), "fork/exec /etc: permission denied"),
    ],
)
def test_what_went_wrong_is_said_as_the_reference_says_it(hook: Hook, error: str) -> None:
    assert done(hook) == error


@pytest.mark.system
def test_commands_get_the_usual_signals() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert done(python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")) == "signal: terminated"
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.system
def test_only_the_commands_of_an_event_run_and_a_failure_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    plugin = built(Options, "on startup no-such-command\non startup echo one\non shutdown echo two")
    asyncio.run(plugin.fire("startup"))
    first, second, third, *_ = capfd.readouterr().out.splitlines()
    assert first.startswith('[INFO] Blocking Command "no-such-command " with ID ')
    assert second.startswith("error on 'on-") and second.endswith("executable file not found in $PATH")
    assert third.startswith('[INFO] Blocking Command "echo one" with ID ')
    asyncio.run(plugin.leaving())
    assert "two" in capfd.readouterr().out.splitlines()
