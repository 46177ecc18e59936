"""The master's event loop: descriptors, signals, ended children and one deadline. No asyncio, no threads."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable

SIGNALS = (
    signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD,
)  # fmt: skip


class Loop:
    """Calls back; each callback may add events. `stop` ends `run`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._reader, self._writer = socket.socketpair()
        self._before: dict[signal.Signals, object] = {}
        self._stopped = False

    def listen_to_signals(self, heard: Callable[[signal.Signals], None]) -> None:
        """Call back for each signal from now on."""
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            self._before[number] = signal.signal(number, _wake)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.add(self._reader, lambda: self._drain(heard))

    def _drain(self, heard: Callable[[signal.Signals], None]) -> None:
        try:
            numbers = self._reader.recv(4096)
        except BlockingIOError:
            return
        for number in dict.fromkeys(numbers) if numbers.count(signal.SIGINT) < 2 else numbers:
            heard(signal.Signals(number))

    def add(self, sock: socket.socket | int, ready: Callable[[], None]) -> None:
        """Call back whenever something can be read."""
        self._selector.register(sock, selectors.EVENT_READ, ready)

    def remove(self, sock: socket.socket | int) -> None:
        """Call back no more; before it is closed."""
        self._selector.unregister(sock)

    def stop(self) -> None:
        """End `run` after the current callback."""
        self._stopped = True

    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def run(self, deadline: Callable[[], float | None], due: Callable[[], None]) -> None:
        """Serve until stopped. `due` is called when `deadline()` (monotonic s) has come, after what could be read."""
        while not self.stopped():
            at = deadline()
            wait = None if at is None else max(0.0, at - time.monotonic())
            for key, _ in self._selector.select(wait):
                if self.stopped():
                    return
                if key.fd in self._selector.get_map():  # an earlier callback may have removed it
                    key.data()
            at = deadline()
            if not self.stopped() and at is not None and at <= time.monotonic():
                due()

    def close(self) -> None:
        """Give signals and descriptors back."""
        if self._before:
            signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal returned
        self._selector.close()
        self._reader.close()
        self._writer.close()


def _wake(_number: int, _frame: object) -> None:
    """The wake-up descriptor has what is needed."""
