"""A server with real processes and sockets, and children that only do what the channel asks.

`python -m tests.master.fakes FILE PIDFILE` is such a server. FILE is the configuration, in words: `slots=N`,
`listen=HOST:PORT`, `endpoint=ADDRESS`, `bad`, `keeper-fails`, `worker-dies`. A worker answers every datagram
and every connection with `GENERATION SLOT`.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from shardns.config.model import Endpoint, Key, Model, ServerBlock
from shardns.master import checker
from shardns.master.children import CELL_BYTES, Material
from shardns.master.master import Master
from shardns.master.perform import Options
from shardns.master.where import endpoint
from shardns.worker.channel import (
    Drain,
    Drained,
    Failed,
    Heartbeat,
    Quiesce,
    Quiesced,
    Read,
    Ready,
    Spawn,
    Start,
    Started,
    Stopped,
    Stopping,
    receive,
    send,
)


def fake_check(job: checker.Job, pipe: int) -> None:
    """Read the words of the file into a model."""
    words = Path(job.conf).read_text().split()
    if "bad" in words:
        text = "Corefile:1 - Error during parsing: bad"
        report = checker.Report(text=text, detail=f"{text}\n  --> Corefile:1:1")
    else:
        hosts = tuple(word.removeprefix("listen=") for word in words if word.startswith("listen="))
        blocks = tuple(
            ServerBlock(index, (Key("dns", b"\0", int(host.rpartition(":")[2])),), hosts=(host.rpartition(":")[0],))
            for index, host in enumerate(hosts)
        )
        endpoints = tuple(Endpoint("health", w.removeprefix("endpoint=")) for w in words if w.startswith("endpoint="))
        slots = next((int(word.removeprefix("slots=")) for word in words if word.startswith("slots=")), 2)
        model = Model(" ".join(words), blocks, endpoints, workers=slots)
        report = checker.Report(model, len(blocks), tuple(endpoint(one.address) for one in endpoints))
    os.write(pipe, pickle.dumps(report))


def fake_child(spawn: Spawn) -> NoReturn:
    """Obey the channel; as a worker, answer packets."""
    words = spawn.model.file.split()
    if "keeper-fails" in words and spawn.role == "keeper":
        send(spawn.channel, Failed("plugin/file: cannot load"))
        os._exit(0)
    if "worker-dies" in words and spawn.role == "worker":
        os._exit(11)
    send(spawn.channel, Ready())
    poll = select.poll()
    poll.register(spawn.channel, select.POLLIN)
    reading: dict[int, socket.socket] = {}
    greeting = f"{spawn.generation} {spawn.slot}".encode()
    while True:
        ready = poll.poll(500)
        send(spawn.channel, Heartbeat())
        for fd, _ in ready:
            if fd in reading:
                _answer(reading[fd], greeting)
        if any(fd == spawn.channel.fileno() for fd, _ in ready):
            _obey(spawn, poll, reading)


def _answer(sock: socket.socket, greeting: bytes) -> None:
    try:
        if sock.type == socket.SOCK_DGRAM:
            sock.sendto(greeting, sock.recvfrom(512)[1])
        else:
            client, _ = sock.accept()
            with client:
                client.sendall(greeting)
    except BlockingIOError:
        return


def _obey(spawn: Spawn, poll: select.poll, reading: dict[int, socket.socket]) -> None:
    match receive(spawn.channel):
        case None:
            os._exit(0)
        case Read():
            for sock in (s for one in spawn.lent for s in (*one.udp, *one.tcp)):
                reading[sock.fileno()] = sock
                poll.register(sock, select.POLLIN)
        case Drain():
            send(spawn.channel, Drained())
            os._exit(0)
        case Start():
            send(spawn.channel, Started())
        case Quiesce():
            send(spawn.channel, Quiesced())
        case Stopping():
            time.sleep(0.2)
            send(spawn.channel, Stopped())
        case _:
            pass


def fake_material(model: Model) -> Material:
    """Return what children are made from, with no plugin."""
    return Material(model, {}, mmap.mmap(-1, CELL_BYTES))


def main() -> int:
    """Serve."""
    options = Options(conf=sys.argv[1], pidfile=sys.argv[2])
    entries = {"keeper": fake_child, "worker": fake_child}
    return Master(options, entries=entries, check=fake_check, material=fake_material).run()  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
