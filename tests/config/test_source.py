from __future__ import annotations

import os
from pathlib import Path

import pytest

from shardns.config.errors import ConfigError
from shardns.config.source import find


def test_a_named_file_that_is_not_there_is_fatal() -> None:
    with pytest.raises(ConfigError) as caught:
        find("/nope")
    assert str(caught.value) == "loading Caddyfile via flag: open /nope: no such file or directory"


def test_a_named_directory_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"loading Caddyfile via flag: read {tmp_path}: is a directory"):
        find(str(tmp_path))


def test_the_name_stays_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c").write_bytes(b". {\xff}")
    monkeypatch.chdir(tmp_path)
    found = find("./c")
    assert (found.file, found.text, found.built_in) == ("./c", ". {\ufffd}", False)


def test_without_a_file_whoami_is_served_on_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = find("", 1053)
    assert found.built_in
    assert found.text.startswith(".:1053 {\n")


def test_a_corefile_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Corefile").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert (find().file, find().text) == ("Corefile", "x")
    assert (find().looked_up, find("Corefile").looked_up) == (True, False)


def test_a_pipe_is_read_and_a_terminal_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read, write = os.pipe()
    os.write(write, b". {\n}")
    os.close(write)
    found = find("stdin", stdin=read)
    os.close(read)
    assert (found.file, found.text) == ("/dev/stdin", ". {\n}")
    null = os.open(os.devnull, os.O_RDONLY)
    assert find("stdin", stdin=null).built_in
    os.close(null)
