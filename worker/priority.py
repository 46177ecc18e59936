"""What yields to whom on a busy machine: whoever reads sockets goes before whoever prepares.

A process gives way only where it may take its place back later: that needs RLIMIT_NICE (setrlimit(2)), which a
privileged master raises for its children, and the systemd unit for an unprivileged one.
"""

from __future__ import annotations

import os
import resource

PREPARING = 10  # steps of nice(2) for what nobody waits for with a packet in the queue
KEEPING = 5
_NICE_ZERO = 20  # RLIMIT_NICE counts down from 20: a limit of 20 allows a nice value of 0


def let_return() -> None:
    """Allow this process and its children to come back to the priority they have now, where the system lets us."""
    wanted = _NICE_ZERO - os.getpriority(os.PRIO_PROCESS, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NICE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NICE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):  # without privilege: workers then prepare at full priority
        return


class Priority:
    """This process's place in the queue for a core."""

    def __init__(self) -> None:
        self._own = os.getpriority(os.PRIO_PROCESS, 0)

    def give_way(self, steps: int) -> None:
        """Step back for good."""
        os.setpriority(os.PRIO_PROCESS, 0, min(19, self._own + steps))

    def give_way_for_now(self, steps: int) -> None:
        """Step back where `return_` will work."""
        if resource.getrlimit(resource.RLIMIT_NICE)[0] >= _NICE_ZERO - self._own:
            self.give_way(steps)

    def return_(self) -> None:
        """Be what it was."""
        if os.getpriority(os.PRIO_PROCESS, 0) != self._own:
            os.setpriority(os.PRIO_PROCESS, 0, self._own)
