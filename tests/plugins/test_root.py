"""root: where relative file names stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.config.draft import Draft
from shardns.plugins.root.root import Options
from tests.plugins.small import options, refusal


def test_a_folder_becomes_the_root(tmp_path: Path) -> None:
    draft = Draft()
    options(Options, f"root {tmp_path}", draft)
    assert draft.root == str(tmp_path)
    assert draft.warnings == []
    assert (draft.path("x.hosts"), draft.path("/b/x")) == (f"{tmp_path}/x.hosts", "/b/x")


def test_a_folder_that_does_not_exist_is_a_warning() -> None:
    draft = Draft()
    options(Options, "root /not/there", draft)
    assert draft.root == "/not/there"
    assert draft.warnings == ["[WARNING] plugin/root: Root path does not exist: /not/there"]


def test_the_last_line_counts_and_only_it_is_warned_about(tmp_path: Path) -> None:
    draft = Draft()
    options(Options, f"root /not/there\nroot {tmp_path}", draft)
    assert (draft.root, draft.warnings) == (str(tmp_path), [])


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("root", 1, "root"),
        ("root /a /b", 1, "/b"),
        ("root {\n /a\n}", 2, "/a"),  # `{` is taken for the path
        ("root {\n}", 2, "}"),
        ("root /a { x\n}", 2, "}"),
    ],
)
def test_the_number_of_arguments_is_one(text: str, line: int, word: str) -> None:
    complaint = f"Wrong argument count or unexpected line ending after '{word}'"
    assert refusal(Options, text) == f"plugin/root: Corefile:{line} - Error during parsing: {complaint}"


def test_a_path_and_a_brace_are_two_lines() -> None:
    assert refusal(Options, "root /a {\n}").endswith(
        ":1 - Error during parsing: Unexpected token '{', expecting argument"
    )


def test_a_path_that_a_later_line_replaces_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    draft = Draft()
    options(Options, f"root {tmp_path}/file/below\nroot {tmp_path}", draft)
    assert draft.root == str(tmp_path)


def test_what_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = f"{tmp_path}/file/below"
    assert refusal(Options, f"root {path}").endswith(
        f"unable to access root path '{path}': stat {path}: not a directory"
    )
    assert "unable to access root path" in refusal(Options, "root a\0b")
