"""When a zone counts as unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.worker.zone.sources import Sources

ORIGIN = b"\7example\0"


def digest(path: Path) -> bytes:
    return Sources().digest(str(path), ORIGIN)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("$INCLUDE below\n", True),
        ("; first\n$include\tbelow ; why\n", True),
        ("a TXT $\n$InClUdE below", True),
        ("$INCLUDE below.\n", False),
        (" $INCLUDE below\n", False),
        ("a TXT $INCLUDE below\n", False),
        ("$INCLUDED below\n", False),
    ],
)
def test_what_is_included_counts(tmp_path: Path, text: str, counts: bool) -> None:
    path, below = tmp_path / "db", tmp_path / "below"
    path.write_text(text)
    below.write_text("a A 192.0.2.1\n")
    before = digest(path)
    assert digest(path) == before
    below.write_text("a A 192.0.2.2\n")
    assert (digest(path) != before) is counts


def test_path_origin_and_content_count(tmp_path: Path) -> None:
    path, other = tmp_path / "db", tmp_path / "other"
    path.write_text("a A 192.0.2.1\n")
    other.write_text("a A 192.0.2.1\n")
    found = {digest(path), digest(other), Sources().digest(str(path), b"\7another\0")}
    path.write_text("a A 192.0.2.2\n")
    assert len(found | {digest(path)}) == 4


def test_includes_may_go_round_and_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_text("$INCLUDE db\n$INCLUDE none\n")
    before = digest(path)
    (tmp_path / "none").write_text("$INCLUDE db\n")
    assert digest(path) != before


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "none")
