"""Giving up root: keeper and workers run as the user named by `--user`; the master keeps its own.

Sockets of another user cannot join a SO_REUSEPORT group, so the master's user must not change while it serves.
"""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from .process import die_with_parent, refuse_new_privileges


class User(NamedTuple):
    """Whom to become."""

    name: str
    uid: int
    gid: int


class NoSuchUser(Exception):
    """`--user` names nobody."""


def look_up(name: str) -> User | None:
    """Return the user of `--user`, None where there is nothing to give up (no name, or not root)."""
    if not name or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise NoSuchUser(f"--user: no such user: {name}") from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def drop(user: User | None) -> None:
    """Become the user for good; in a child. Raises OSError."""
    if user is not None:
        os.initgroups(user.name, user.gid)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        die_with_parent()  # the kernel forgets it when the user changes: prctl(2)
    refuse_new_privileges()
