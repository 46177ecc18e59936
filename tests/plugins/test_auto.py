"""`auto`: which files become zones, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from shardns.plugins.auto.options import Directory, Options
from shardns.plugins.auto.origin import origin_of
from shardns.plugins.auto.scan import Scan
from shardns.worker.store.layout import PROOFS
from shardns.worker.wire.names import to_text
from shardns.worker.zone.keeping import Keeping
from tests.plugins.small import options, refusal
from tests.worker.store.serving import Lines, Stores

COUNT = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after "
ZONE = "@ 60 IN SOA ns1 host {} 7200 3600 1209600 300\n@ 60 IN NS ns1\n"


class Folder:
    """A folder of zone files, and the scan of it."""

    def __init__(self, base: Path, words: str = "") -> None:
        self.path = base / "zones"
        self.path.mkdir()
        self.stores = Stores(base)
        self.log = Lines()
        found = options(Options, f"auto {{\n directory {self.path} {words}\n}}")
        keeping = Keeping([], "auto/0", cast(Any, self.log), None)
        complete = found.complete_proofs
        self.scanner = Scan(found.folder, 60.0, "auto/0", cast(Any, self.log), keeping, None, complete)

    def write(self, name: str, serial: int = 1) -> None:
        """Write a zone file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ZONE.format(serial))

    def scan(self) -> list[str]:
        """Scan; return the zones that are served then."""
        asyncio.run(self.scanner.scan(self.stores.staging))
        self.stores.store.zones("auto/0")
        self.stores.store.begin()
        table = self.stores.store.zones("auto/0")
        self.stores.store.end()
        return sorted(to_text(origin) for origin in table)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.stores.close()


def test_files_and_links_to_files_are_zones(folder: Folder) -> None:
    folder.write("db.example.org")
    folder.write("aa.example.org")
    folder.write("deep/er/db.example.net")
    (folder.path / "db.example.com").symlink_to(folder.path / "aa.example.org")
    assert folder.scan() == ["example.com.", "example.net.", "example.org."]
    (folder.path / "db.example.com").unlink()
    assert folder.scan() == ["example.net.", "example.org."]
    assert folder.log.lines[-1] == "[INFO] Deleting zone `example.com.'"


@pytest.mark.parametrize(("words", "complete"), [("", False), ("\n complete_proofs", True)])
def test_all_proofs_may_be_asked_for(words: str, complete: bool, tmp_path: Path) -> None:
    folder = Folder(tmp_path, words)
    folder.write("db.example.org")
    folder.scan()
    (zone,) = folder.stores.store.zones("auto/0").values()
    folder.stores.close()
    assert bool(zone.flags & PROOFS) is complete


def test_the_folder_itself_may_be_a_link(folder: Folder, tmp_path: Path) -> None:
    folder.write("db.example.org")
    (tmp_path / "link").symlink_to(folder.path)
    folder.scanner.folder = options(Options, f"auto {{\n directory {tmp_path}/link\n}}").folder
    assert folder.scan() == ["example.org."]


def test_a_folder_keeps_the_name_it_is_written_with(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder.path)
    folder.write("db.example.org")
    for written, shown in (("./zones/", "zones"), ("link", str(folder.path)), (".", "zones"), ("./none", None)):
        folder.scanner.folder = options(Options, f"auto {{\n directory {written}\n}}").folder
        folder.scanner.keeping.kept.clear()
        folder.log.lines.clear()
        folder.scan()
        assert folder.log.lines == [
            f"[INFO] Inserting zone `example.org.' from: {shown}/db.example.org"
            if shown is not None
            else "[WARNING] error reading ./none: lstat ./none: no such file or directory"
        ]


def test_a_folder_that_is_missing_is_warned_about(folder: Folder) -> None:
    folder.path.rmdir()
    assert folder.scan() == []
    assert folder.log.lines == [
        f"[WARNING] error reading {folder.path}: lstat {folder.path}: no such file or directory"
    ]


def test_of_two_files_for_one_zone_the_first_is_served_and_the_other_warned_about(tmp_path: Path) -> None:
    folder = Folder(tmp_path, r"(.*)\.zone {1}")
    folder.write("example.org.zone")
    folder.write("example.org.zone.bak-20260528")
    for _ in range(2):
        folder.log.lines.clear()
        assert folder.scan() == ["example.org."]
        assert [line for line in folder.log.lines if "Multiple" in line] == [
            f'[WARNING] Multiple zone files match origin "example.org.": using "{folder.path}/example.org.zone" '
            f'instead of "{folder.path}/example.org.zone.bak-20260528"'
        ]
    folder.stores.close()


def test_a_file_that_cannot_be_loaded_is_tried_again(folder: Folder) -> None:
    (folder.path / "db.example.org").write_text("www 60 IN A 192.0.2.1\n")
    assert folder.scan() == []
    assert folder.log.lines[0].startswith("[WARNING] Parse zone `example.org.': ")
    folder.write("db.example.org")
    assert folder.scan() == ["example.org."]


def test_a_file_that_broke_keeps_its_old_data(folder: Folder) -> None:
    folder.write("db.example.org")
    folder.scan()
    (folder.path / "db.example.org").write_text("www 60 IN A x\n")
    asyncio.run(folder.scanner.reload())
    assert folder.scan() == ["example.org."]


@pytest.mark.parametrize(
    ("name", "pattern", "template", "wanted"),
    [
        ("db.example.org", r"db\.(.*)", "{1}", "example.org."),
        ("old.db.example.org", r"db\.(.*)", "{1}", "example.org."),
        ("example.org", r"db\.(.*)", "{1}", None),
        ("db.", r"db\.(.*)", "{1}", None),
        ("z-one-two.txt", r"z-([a-z]+)-([a-z]+)\.txt", "{2}.{1}.x", "two.one.x."),
        ("db.example.org", r"(?P<kind>db)\.(?P<zone>.*)", "{zone}.{kind}.{0}", "example.org.db.db.example.org."),
        ("db.a", r"db\.(.*)", "{9}b", "b."),
        ("db.a", r"db\.(.*)", "{01}b", "b."),
        ("db.a", r"db\.(.*)", "bliep", "bliep."),
        ("db.a", r"db\.(.*)", "$$x", "$x."),
        ("db.a", r"db\.(.*)", "{1", "${1."),
    ],
)
def test_a_zone_s_name_is_made_of_the_file_s(name: str, pattern: str, template: str, wanted: str | None) -> None:
    line = options(Options, f"auto {{\n directory / {pattern} {template}\n}}")
    assert origin_of(name, line.folder) == wanted


def test_the_defaults_are_the_reference_s() -> None:
    line = options(Options, "auto example.org {\n directory /tmp\n upstream 8.8.8.8 1.1.1.1\n}")
    assert line.reload == 60.0
    assert (line.folder.path, line.folder.template) == ("/tmp", "${1}")
    assert options(Options, "auto {\n reload 0\n upstream\n}").folder == Directory(".", line.folder.pattern, "${1}")


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("no_reload", "Corefile:2 - Error during parsing: unknown property 'no_reload'"),
        ("directory", COUNT + "'directory'"),
        ("directory /tmp (.*)", COUNT + "'(.*)'"),
        ("directory /tmp (.*) {1} aa", COUNT + "'aa'"),
        ("directory /tmp * {1}", "error parsing regexp: missing argument to repetition operator: `*`"),
        ("directory /tmp .* {1}", "Corefile:2 - Error during parsing: Need at least one sub expression"),
        (f"directory /tmp ({'a' * 9999}) {{1}}", "Corefile:2 - Error during parsing: regexp too large"),
        ("reload", "reload duration value is expected"),
        ("reload -1s", "plugin/file: invalid duration"),
        ("reload 5", 'plugin/file: time: missing unit in duration "5"'),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_the_reference_s_text(inside: str, wanted: str) -> None:
    assert refusal(Options, f"auto {{\n {inside}\n}}") == f"plugin/auto: {wanted}"
