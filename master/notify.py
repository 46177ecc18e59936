"""systemd: what the server tells it (sd_notify) and the sockets it hands over (LISTEN_FDS)."""

from __future__ import annotations

import os
import socket
import time

from .sockets import Group
from .where import Where

_FIRST_FD = 3
PATIENCE_S = 0.2  # for systemd to take a message from its full queue


class Notifier:
    """Sends to NOTIFY_SOCKET, where there is one; a lost message is lost."""

    def __init__(self, address: str | None = None, watchdog_usec: str | None = None) -> None:
        address = os.environ.pop("NOTIFY_SOCKET", "") if address is None else address
        watchdog_usec = os.environ.pop("WATCHDOG_USEC", "") if watchdog_usec is None else watchdog_usec
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.every_s = int(watchdog_usec) / 2e6 if watchdog_usec.isdigit() and int(watchdog_usec) else 0.0

    def tell(self, *lines: str) -> None:
        """Send one message of several assignments."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE_S)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return

    def state(self, state: str, status: str = "") -> None:
        """Send READY, RELOADING or STOPPING with a status line."""
        lines = [f"{state.upper()}=1"]
        if state == "ready":
            lines.append(f"MAINPID={os.getpid()}")
        if state == "reloading":
            lines.append(f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        self.tell(*lines, *([f"STATUS={status}"] if status else []))

    def watchdog(self) -> None:
        """Say that the master is alive."""
        self.tell("WATCHDOG=1")


def handed_over() -> list[socket.socket]:
    """Return the sockets that systemd opened for this process."""
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    os.environ.pop("LISTEN_FDNAMES", None)
    if not names or not count.isdigit():
        return []
    sockets = []
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            continue
        sock.set_inheritable(False)
        sock.setblocking(False)
        sockets.append(sock)
    return sockets


def adopt(sockets: list[socket.socket], wanted: list[Where]) -> tuple[list[Group], list[socket.socket]]:
    """Match handed-over sockets with the addresses that are wanted; returns groups and the sockets nobody wants.

    A socket with SO_REUSEPORT that belongs to this user becomes the first of its group; any other is shared by all.
    """
    groups: dict[Where, Group] = {}
    unwanted = []
    for sock in sockets:
        where = next((one for one in wanted if one not in groups and _is(sock, one)), None)
        if where is None:
            unwanted.append(sock)
            continue
        own = os.fstat(sock.fileno()).st_uid == os.geteuid()
        joinable = own and sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
        groups[where] = Group(where, [sock], opened=1, shared=not joinable)
    return list(groups.values()), unwanted


def _is(sock: socket.socket, where: Where) -> bool:
    kind = socket.SOCK_DGRAM if where.kind == "udp" else socket.SOCK_STREAM
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != kind:
        return False
    host, port = sock.getsockname()[:2]
    return bool(port == where.port and host == where.host)
