"""Giving up root, in a forked child."""

from __future__ import annotations

import os
import pwd

import pytest

from shardns.master import process
from shardns.master.privileges import NoSuchUser, User, drop, look_up

pytestmark = [pytest.mark.system, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def status_after(user: User | None) -> dict[str, str]:
    """Return what the kernel says about a child that became this user."""
    reader, writer = os.pipe()

    def child() -> None:
        drop(user)
        with open("/proc/self/status", "rb") as file:
            os.write(writer, file.read())

    pid = process.fork("shardns: test", {writer}, child)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    os.waitpid(pid, 0)
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_child_becomes_the_user_for_good() -> None:
    nobody = pwd.getpwnam("nobody")
    status = status_after(look_up("nobody"))
    assert set(status["Uid"].split()) == {str(nobody.pw_uid)} and set(status["Gid"].split()) == {str(nobody.pw_gid)}
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_without_a_name_nothing_is_given_up() -> None:
    assert look_up("") is None
    assert status_after(None)["Uid"].split()[0] == "0"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NoSuchUser, match="no such user: nosuchuser"):
        look_up("nosuchuser")
