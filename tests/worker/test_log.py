"""The shape of log lines."""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from shardns.worker import log as subject

Read = Callable[[], str]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    reader, writer = os.pipe()
    monkeypatch.setattr(subject, "writer", subject.Writer(writer))
    yield lambda: os.read(reader, 65536).decode()
    os.close(reader)
    os.close(writer)


def test_a_text_stands_behind_its_level(read: Read) -> None:
    subject.log.info("Reloading")
    subject.log.error("Restart failed: x")
    assert read() == "[INFO] Reloading\n[ERROR] Restart failed: x\n"


def test_a_percent_sign_is_only_a_character(read: Read) -> None:
    subject.log.info("100%s of %d")
    assert read() == "[INFO] 100%s of %d\n"


def test_fields_follow_as_key_and_value(read: Read) -> None:
    subject.log.info("worker ready", slot=1, took_s=0.21, why="a b")
    assert read() == '[INFO] worker ready slot=1 took_s=0.21 why="a b"\n'


def test_a_plugin_names_itself(read: Read) -> None:
    subject.plugin_logger("forward").warning("no upstream")
    assert read() == "[WARNING] plugin/forward: no upstream\n"


def test_debug_lines_need_the_switch(read: Read) -> None:
    subject.log.debug("no")
    subject.set_debug(True)
    subject.log.debug("yes")
    assert read() == "[DEBUG] yes\n"


def test_fatal_is_called_fatal(read: Read) -> None:
    subject.log.critical("Loop")
    assert read() == "[FATAL] Loop\n"


def test_json_has_the_same_parts(read: Read) -> None:
    subject.configure("json")
    subject.plugin_logger("forward").error("x", n=1)
    entry = json.loads(read())
    assert isinstance(entry.pop("time"), float)
    assert entry == {"level": "error", "plugin": "forward", "text": "x", "n": 1}


def test_held_lines_are_one_write(read: Read) -> None:
    subject.writer.hold()
    subject.log.info("a")
    subject.log.info("b")
    subject.writer.release()
    assert read() == "[INFO] a\n[INFO] b\n"
