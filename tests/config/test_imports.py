from __future__ import annotations

from pathlib import Path

import pytest

from shardns.config.errors import ConfigError
from shardns.config.load import parse
from shardns.config.source import Source
from tests.config.small import model, refusal, written


def blocks(folder: Path, files: dict[str, str]) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Return keys and words of each block of the Corefile among the files."""
    path = written(folder, files)
    found = parse(Source(path, files["Corefile"]), None, {})
    if found.problems:
        raise ConfigError(found.problems)
    return [
        ([key.text for key in block.keys], {name: [w.text for w in own] for name, own in block.directives.items()})
        for block in found.blocks
    ]


def test_a_file_of_directives_is_spliced_in(tmp_path: Path) -> None:
    files = {"Corefile": "host1\ndir1 arg1\nimport part\n", "part": "dir2 arg1 arg2\ndir3"}
    words = {"dir1": ["dir1", "arg1"], "dir2": ["dir2", "arg1", "arg2"], "dir3": ["dir3"]}
    assert blocks(tmp_path, files) == [(["host1"], words)]


def test_a_file_of_blocks_is_spliced_in(tmp_path: Path) -> None:
    files = {"Corefile": "import part", "part": "host1 {\n dir1 /\n dir2 arg1\n}"}
    assert blocks(tmp_path, files) == [(["host1"], {"dir1": ["dir1", "/"], "dir2": ["dir2", "arg1"]})]


def test_matches_come_in_byte_order_with_dot_files(tmp_path: Path) -> None:
    files = {"Corefile": "import zones/*", "zones/b": "b {\n}", "zones/B": "B {\n}", "zones/.a": ".a {\n}"}
    assert [keys for keys, _ in blocks(tmp_path, files)] == [[".a"], ["B"], ["b"]]


def test_a_question_mark_is_one_character(tmp_path: Path) -> None:
    files = {"Corefile": "import z?.conf", "z1.conf": "one {\n}", "z22.conf": "two {\n}"}
    assert [keys for keys, _ in blocks(tmp_path, files)] == [["one"]]


def test_paths_are_relative_to_the_importing_file(tmp_path: Path) -> None:
    files = {"Corefile": ". {\n import a/one\n}", "a/one": "import b/two", "a/b/two": "import ../three", "a/three": "x"}
    assert blocks(tmp_path, files) == [(["."], {"x": ["x"]})]


def test_a_snippet_is_known_in_imported_files_and_the_other_way_round(tmp_path: Path) -> None:
    files = {
        "Corefile": "(c) {\n x y\n}\nimport defs\nimport use\n. {\n import d\n}",
        "defs": "(d) {\n z\n}",
        "use": "u {\n import c\n}",
    }
    assert blocks(tmp_path, files) == [(["u"], {"x": ["x", "y"]}), (["."], {"z": ["z"]})]


def test_import_is_an_ordinary_word_behind_others(tmp_path: Path) -> None:
    files = {"Corefile": ". {\n import p\n}", "p": "basicauth / import password"}
    assert blocks(tmp_path, files) == [(["."], {"basicauth": ["basicauth", "/", "import", "password"]})]


BAD = [
    ("import /*/*.txt", "Glob pattern may only contain one wildcard (*), but has others: /*/*.txt"),
    ("import /???/?*?o", "Glob pattern may only contain one wildcard (*), but has others: /???/?*?o"),
    ("import /[a-z]", "Glob pattern may only contain one wildcard (*), but has others: /[a-z]"),
    ("import {$}", "File to import not found: {$}"),
    ("import notfound/file.conf", "File to import not found: notfound/file.conf"),
    ("import /a[b", "Failed to use import pattern /a[b: syntax error in pattern"),
]


@pytest.mark.parametrize(("line", "text"), BAD)
def test_a_bad_pattern_has_the_reference_s_text(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        blocks(tmp_path, {"Corefile": line})
    assert caught.value.text == f"{tmp_path}/Corefile:1 - Error during parsing: {text}"


def test_the_wildcard_error_shows_the_absolute_pattern(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"but has others: {tmp_path}/a\\*b\\*"):
        blocks(tmp_path, {"Corefile": "import a*b*"})


def test_a_directory_is_no_import(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"Could not import {tmp_path}/sub: is a directory"):
        blocks(tmp_path, {"Corefile": "import su*", "sub/x": ""})


def test_no_match_of_a_wildcard_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, {"Corefile": ""})
    found = model("import *.none\n. {\n whoami\n}", path)
    assert found.warnings == ("[WARNING] No files matching import glob pattern: *.none",)


def test_an_error_in_an_imported_file_shows_that_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"Corefile": "", "part": "whoami\n  whoamy\n"})
    error = refusal(". {\n import part\n}", path)
    assert error.text == f"{tmp_path}/part:2 - Error during parsing: Unknown directive 'whoamy'"
    assert error.problems[0].source_line == "  whoamy"


def test_files_that_import_each_other_end_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="maximum file import depth \\(10000\\) exceeded"):
        blocks(tmp_path, {"Corefile": ". {\n import a\n}", "a": "import b", "b": "import a"})


def test_an_unreadable_file_has_the_reference_s_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("shardns.config.imports.read_text", refuse)
    with pytest.raises(ConfigError, match=f"Could not import {tmp_path}/p: open {tmp_path}/p: permission denied"):
        blocks(tmp_path, {"Corefile": "import p", "p": ""})
