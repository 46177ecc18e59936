"""The runtime folder and how a client finds the control socket."""

import os
from pathlib import Path

import pytest

from shardns.master import folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_a_private_folder_is_named_by_user_configuration_and_process(tmp_path: Path, environ: dict[str, str]) -> None:
    made = folder.make("x", environ=environ)
    assert made.parent == tmp_path and made.name.startswith(f"shardns-{os.geteuid()}-")
    assert made.name.endswith(f"-{os.getpid()}")
    assert made.stat().st_mode & 0o777 == 0o700


def test_the_same_file_by_another_path_is_the_same_configuration() -> None:
    assert folder.stem("Corefile") == folder.stem(os.path.abspath("Corefile")) == folder.stem("")
    assert folder.stem("other") != folder.stem("")


def test_systemds_folder_holds_a_fresh_one(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "left").touch()
    made = folder.make("x", environ={"RUNTIME_DIRECTORY": f"{tmp_path}:/other"})
    assert made == tmp_path / "server" and [entry.name for entry in made.iterdir()] == [folder.LOCK]
    assert (tmp_path / "mine").exists()


def test_in_systemds_folder_the_zones_outlive_the_server(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    made = folder.make("x", environ=environ)
    for name in ("zones.mdb", "zones.mdb-lock", "control"):
        (made / name).touch()
    folder.clear(made, environ)
    assert {entry.name for entry in made.iterdir()} == {"zones.mdb", folder.LOCK}


def test_two_servers_cannot_share_a_folder(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    folder.make("x", environ=environ)
    with pytest.raises(OSError, match="another server is using"):
        folder.make("x", environ=environ)


def test_what_a_killed_server_left_is_swept_away(tmp_path: Path, environ: dict[str, str]) -> None:
    dead = tmp_path / f"{folder.stem('x')}4194305"
    other = tmp_path / f"{folder.stem('y')}4194305"
    dead.mkdir()
    other.mkdir()
    folder.make("x", environ=environ)
    assert not dead.exists() and other.exists()


def test_the_client_looks_where_the_server_made_it(tmp_path: Path, environ: dict[str, str]) -> None:
    made = folder.make("x", environ=environ)
    (made / "control").touch()
    assert list(folder.controls("x", environ)) == [made / "control", folder.SYSTEM / "control"]
    assert list(folder.controls("y", environ)) == [folder.SYSTEM / "control"]


def test_under_systemd_it_looks_there_first(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert next(iter(folder.controls("x", environ))) == tmp_path / "server" / "control"
