"""What the kernel says about our processes together: the `process_*` metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import psutil
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family


class ProcessCollector:
    """Sums over the master (the parent), this process and the writers of live seats; the oldest gives the start."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Family]:
        """Yield the families that the reference's process collector has."""
        cpu = resident = virtual = files = 0.0
        start = float("inf")
        for pid in {os.getpid(), os.getppid(), *self._pids()} - {0, 1}:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
                    start = min(start, process.create_time())
                    files += process.num_fds()
            except psutil.Error:
                continue
            cpu += times.user + times.system
            resident += memory.rss
            virtual += memory.vms
        limit = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[0]
        yield CounterMetricFamily(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", value=cpu
        )
        for name, help, value in (
            ("max_fds", "Maximum number of open file descriptors.", float(limit)),
            ("open_fds", "Number of open file descriptors.", files),
            ("resident_memory_bytes", "Resident memory size in bytes.", resident),
            ("start_time_seconds", "Start time of the process since unix epoch in seconds.", start),
            ("virtual_memory_bytes", "Virtual memory size in bytes.", virtual),
        ):
            yield GaugeMetricFamily(f"process_{name}", help, value=value)
