"""The shape of log lines."""

import json
from collections.abc import Iterator

import pytest

from shardns.worker import log


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    seen: list[str] = []
    monkeypatch.setattr(log, "write", lambda text: seen.append(text.decode()))
    yield seen
    log.configure(json=False, debug=False)


def test_a_text_stands_behind_its_level(lines: list[str]) -> None:
    log.info("Reloading")
    log.error("Restart failed: x")
    log.fatal("Loop")
    assert lines == ["[INFO] Reloading", "[ERROR] Restart failed: x", "[FATAL] Loop"]


def test_a_percent_sign_is_only_a_character(lines: list[str]) -> None:
    log.info("100%s of %d")
    assert lines == ["[INFO] 100%s of %d"]


def test_fields_follow_as_key_and_value(lines: list[str]) -> None:
    log.info("worker ready", slot=1, took_s=0.21)
    assert lines == ["[INFO] worker ready slot=1 took_s=0.21"]


def test_a_plugin_names_itself(lines: list[str]) -> None:
    log.plugin_logger("forward").warning("no upstream")
    assert lines == ["[WARNING] plugin/forward: no upstream"]


def test_debug_lines_need_the_switch(lines: list[str]) -> None:
    log.debug("no")
    log.configure(debug=True)
    log.debug("yes")
    assert lines == ["[DEBUG] yes"]


def test_json_has_the_same_parts(lines: list[str]) -> None:
    log.configure(json=True)
    log.error("x", n=1)
    entry = json.loads(lines[0])
    assert isinstance(entry.pop("ts"), float)
    assert entry == {"level": "error", "msg": "x", "n": 1}


def test_waiting_lines_of_the_query_log_are_written_before_a_line_that_comes_later(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log.line("[INFO] a query\n")
    log.error("its error")
    assert capfd.readouterr().out == "[INFO] a query\n[ERROR] its error\n"
