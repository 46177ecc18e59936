"""Load by h2load for transports that dnsperf does not speak: one question, asked again and again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from shardns.worker.grpc.wire import PATH, framed

from . import process
from .run import LOAD_CORE, Load, Running, Sample, question

STREAMS = 16  # calls under way on each connection, as dnsperf's outstanding queries on each of its clients


def measure(server: Running, questions: Path, load: Load) -> Sample:
    """Call DNS over gRPC with the first of the questions for some seconds."""
    with questions.open() as lines:
        name = lines.readline().split()[0]
    body = questions.with_suffix(".body")
    body.write_bytes(framed(question(name)))
    url = f"https://127.0.0.1:{server.asked}{PATH.decode()}"
    words = ["h2load", "-t", "1", "-c", str(load.clients), "-m", str(STREAMS), "-D", f"{load.seconds:g}"]
    words += ["-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers", url]
    before = process.cpu_s(server.pid)
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *words],
        capture_output=True,
        text=True,
        timeout=load.seconds + 60,
        check=True,
    )
    cpu = process.cpu_s(server.pid) - before
    memory = process.memory_mib(server.pid)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    rate = re.search(r"finished in \S+, ([\d.]+) req/s", done.stdout)
    if counts is None or rate is None:
        raise ValueError(done.stdout)
    answered, failed, broken = map(int, counts.groups())
    return Sample(float(rate[1]), cpu * 1e6 / max(1, answered), failed + broken, memory)
