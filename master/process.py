"""Forking: what a child is before its own code runs, and how the master learns that it ended.

1. A child dies with the master (PDEATHSIG) and ignores what a terminal or systemd sends to the whole group.
2. It keeps the descriptors it was given and closes all others: a DNS socket left open in one child swallows queries.
3. It never returns into the master's code: whatever happens, `os._exit`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

from setproctitle import setproctitle

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
IGNORED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE,
)  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)


def fork(title: str, keep: set[int], run: Callable[[], None]) -> int:
    """Start a child that calls `run` and ends; returns its process id. `keep`: its descriptors besides 0 to 2."""
    master = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        _settle(title, keep, master)
        run()
        status = 0
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    except BaseException:  # noqa: BLE001  the top of a process: what it dies of is shown
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _settle(title: str, keep: set[int], master: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != master:  # it died before the line above
        os._exit(0)
    close_all_but(keep | {0, 1, 2})
    setproctitle(title)


def close_all_but(keep: set[int]) -> None:
    """Close every other descriptor of this process."""
    low = 0
    for fd in sorted(keep):
        if low < fd:
            os.closerange(low, fd)
        low = fd + 1
    highest = max((int(name) for name in os.listdir("/proc/self/fd")), default=low) if os.path.isdir("/proc") else 65536
    os.closerange(low, highest + 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def refuse_new_privileges() -> None:
    """Make set-uid programs harmless for this process and its children."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def kill(pid: int) -> None:
    """End a process at once; nothing where it is gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def reap() -> list[tuple[int, int]]:
    """Return (process id, wait status) of all children that ended since the last call."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended.append((pid, status))


def how(status: int) -> str:
    """Say how a process ended."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"status {os.waitstatus_to_exitcode(status)}"
