"""`shardns zone check`, `print` and `diff` from the command line: what they print and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shardns.master.cli import main

Captured = pytest.CaptureFixture[str]
GOOD = "$TTL 300\n@ SOA ns1 host 5 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "db.example.org"
    file.write_text(GOOD)
    return file


def write(folder: Path, text: str) -> str:
    file = folder / "new.zone"
    file.write_text(text)
    return str(file)


def test_a_good_zone_ends_with_0_and_tells_what_it_is(good: Path, capsys: Captured) -> None:
    assert main(["zone", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: zone example.org., serial 5, 3 records\n"


def test_warnings_do_not_fail(tmp_path: Path, capsys: Captured) -> None:
    assert main(["zone", "check", write(tmp_path, GOOD + "@ MX 5 mail\n"), "example.org"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "Warning: MX of example.org.: mail.example.org. has no address" and lines[3] == "  5 | @ MX 5 mail"
    )


def test_every_problem_is_printed_with_its_place(tmp_path: Path, capsys: Captured) -> None:
    file = write(tmp_path, GOOD + "a A x\nwww CNAME a\nwww TXT y\n")
    assert main(["zone", "check", file, "example.org."]) == 1
    out = capsys.readouterr().out
    assert f'bad A A: "x"\n  --> {file}:5:5\n    |\n  5 | a A x\n    |     ^\n' in out
    assert f"www.example.org. has CNAME and other data (TXT)\n  --> {file}:7:1\n" in out
    assert out.endswith(f"{file}: zone example.org. has 2 problems\n")


def test_json_may_be_asked_for_behind_the_file(tmp_path: Path, capsys: Captured) -> None:
    file = write(tmp_path, GOOD + "a A x\n")
    assert main(["zone", "check", file, "example.org", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["origin"], report["serial"], report["records"]) == (False, "example.org.", 5, 3)
    assert report["problems"] == [
        {"text": 'bad A A: "x"', "place": {"file": file, "line": 5, "column": 5}, "source": "a A x", "hint": ""}
    ]
    assert report["warnings"] == []


def test_the_serial_is_compared_with_the_one_before(good: Path, tmp_path: Path, capsys: Captured) -> None:
    file = write(tmp_path, GOOD + "www A 192.0.2.9\n")
    assert main(["zone", "check", "--previous", str(good), file, "example.org"]) == 1
    assert "serial did not increase: 5 before, 5 now" in capsys.readouterr().out
    assert main(["zone", "check", file, "example.org", "--previous", file]) == 0


def test_print_writes_one_record_a_line(good: Path, capsys: Captured) -> None:
    assert main(["zone", "print", str(good)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2] == "ns1.example.org.\t300\tIN\tA\t192.0.2.1"


def test_print_writes_nothing_of_a_zone_it_cannot_read(tmp_path: Path, capsys: Captured) -> None:
    assert main(["zone", "print", write(tmp_path, GOOD + "a A x\n"), "example.org"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith('bad A A: "x"\n  --> ')


def test_diff_prints_serials_and_records(good: Path, tmp_path: Path, capsys: Captured) -> None:
    file = write(tmp_path, GOOD.replace("host 5", "host 6") + "www A 192.0.2.9\n")
    assert main(["zone", "diff", str(good), file, "example.org"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "serial 5 -> 6 (increased)"
    assert [line[0] for line in lines[1:]] == ["-", "+", "+"]


def test_diff_fails_where_the_serial_did_not_rise(good: Path, tmp_path: Path, capsys: Captured) -> None:
    file = write(tmp_path, GOOD + "www A 192.0.2.9\n")
    assert main(["zone", "diff", str(good), file, "example.org"]) == 1
    assert capsys.readouterr().err == "serial did not increase: 5 before, 5 now, but the zone changed\n"
    assert main(["zone", "diff", str(good), str(good)]) == 0


@pytest.mark.parametrize(
    "line", [[], ["check"], ["bogus", "x"], ["print", "a", "b", "c"], ["diff", "a"], ["check", "-x"]]
)
def test_a_wrong_line_shows_the_usage(line: list[str], capsys: Captured) -> None:
    assert main(["zone", *line]) == 2
    assert "shardns zone diff OLD NEW [ORIGIN]" in capsys.readouterr().err


def test_help_is_no_error(capsys: Captured) -> None:
    assert main(["zone", "-h"]) == 0
    assert main(["zone", "check", "-h"]) == 0
    assert capsys.readouterr().err.count("Usage:") == 2


def test_a_missing_file_is_told_without_a_traceback(tmp_path: Path, capsys: Captured) -> None:
    assert main(["zone", "check", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"open {tmp_path}/none: no such file or directory\n"


def test_a_missing_file_is_told_as_json_too(tmp_path: Path, capsys: Captured) -> None:
    assert main(["zone", "check", "--json", str(tmp_path / "none")]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"] and report["problems"][0]["text"] == f"open {tmp_path}/none: no such file or directory"


def test_an_origin_that_is_no_name_is_refused(good: Path, capsys: Captured) -> None:
    assert main(["zone", "check", str(good), "a..b"]) == 1
    assert capsys.readouterr().err == "'a..b' is no domain name\n"


def test_the_usage_names_the_zone_tools(capsys: Captured) -> None:
    assert main(["-h"]) == 0
    assert "  zone check [--json] [--previous OLD] FILE [ORIGIN]\n" in capsys.readouterr().err
