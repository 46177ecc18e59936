"""What the command prints without serving (spec core §9, checks 1-5)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shardns.master.cli import main

Captured = pytest.CaptureFixture[str]


def test_1_version(capsys: Captured) -> None:
    assert main(["-version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CoreDNS-1.14.7" and len(lines) == 2
    assert re.fullmatch(r"linux/\w+, python3\.\d+, shardns-\S+", lines[1])


def test_2_plugins(capsys: Captured) -> None:
    assert main(["-plugins"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert (lines[0], lines[59], lines[60], lines[61:]) == ("acl", "on", "", [""])
    assert lines[:59] == sorted(lines[:59])


def test_the_version_wins_over_the_plugins(capsys: Captured) -> None:
    assert main(["-plugins", "-version"]) == 0
    assert capsys.readouterr().out.startswith("CoreDNS-")


def test_3_positional_arguments(capsys: Captured) -> None:
    assert main(["-version", "foo", "bar"]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d extra command line arguments: \[foo bar\]\n", error)


def test_4_an_unknown_flag(capsys: Captured) -> None:
    assert main(["-bogus"]) == 2
    assert capsys.readouterr().err.startswith("flag provided but not defined: -bogus\nUsage of shardns:\n")


def test_help_is_no_error(capsys: Captured) -> None:
    assert main(["-h"]) == 0
    assert capsys.readouterr().err.startswith("Usage of shardns:\n")


@pytest.mark.parametrize("line", [["-log-format", "xml"], ["-workers", "5000"]])
def test_values_are_judged(line: list[str], capsys: Captured) -> None:
    assert main(line) == 2
    assert capsys.readouterr().err.startswith("invalid value")


def test_a_port_that_is_no_number_is_no_matter_of_the_flags(capsys: Captured) -> None:
    assert main(["-version", "-p", "x"]) == 0
    assert main(["-p", "x"]) == 1
    assert capsys.readouterr().err == "lookup tcp/x: unknown port\n"


def test_check_tells_what_would_be_served(tmp_path: Path, capsys: Captured) -> None:
    good = tmp_path / "Corefile"
    good.write_text("example.org:1053 {\n whoami\n}\n")
    assert main(["check", str(good)]) == 0
    assert "example.org.: whoami" in capsys.readouterr().out


def test_check_tells_every_problem_with_its_place(tmp_path: Path, capsys: Captured) -> None:
    bad = tmp_path / "Corefile"
    bad.write_text(".:1053 {\n whoamix\n errorsx\n}\n")
    assert main(["check", str(bad)]) == 1
    out = capsys.readouterr().out
    assert f"--> {bad}:2:2" in out and f"--> {bad}:3:2" in out


def test_check_json_is_for_programs(tmp_path: Path, capsys: Captured) -> None:
    bad = tmp_path / "Corefile"
    bad.write_text(".:1053 {\n whoamix\n}\n")
    assert main(["check", "--json", str(bad)]) == 1
    assert '"ok": false' in capsys.readouterr().out


def test_one_bad_file_of_several_is_enough(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a").write_text(". {\n}\n")
    assert main(["check", str(tmp_path / "b"), str(tmp_path / "a")]) == 1
    assert "no such file" in capsys.readouterr().out


def test_convert_there_and_back(tmp_path: Path, capsys: Captured) -> None:
    corefile, toml = tmp_path / "Corefile", tmp_path / "x.toml"
    corefile.write_text("example.org:1053 {\n    whoami\n}\n")
    assert main(["convert", "--to", "toml", str(corefile)]) == 0
    toml.write_text(capsys.readouterr().out)
    assert main(["convert", "--to", "corefile", str(toml)]) == 0
    assert "whoami" in capsys.readouterr().out


@pytest.mark.parametrize("line", [["convert"], ["convert", "--to", "yaml", "x"], ["check", "-x"], ["help", "a", "b"]])
def test_subcommands_refuse_what_they_do_not_know(line: list[str], capsys: Captured) -> None:
    assert main(line) == 2
    assert "Usage of shardns" in capsys.readouterr().err


def test_help_explains_a_plugin(capsys: Captured) -> None:
    assert main(["help", "bind"]) == 0
    assert "except" in capsys.readouterr().out


def test_help_knows_what_is_no_plugin(capsys: Captured) -> None:
    assert main(["help", "nonsense"]) == 1
    assert capsys.readouterr().err == "unknown plugin 'nonsense'\n"


def test_reload_needs_a_server(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert main(["reload", "-conf", str(tmp_path / "Corefile")]) == 1
    assert "no running server found" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["help", "forward"], ["-plugins"], ["check", "config/examples/Corefile"]])
def test_a_reader_that_goes_away_is_no_reason_to_complain(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        code = f"import sys; from shardns.master.cli import main; sys.exit(main({words}))"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
