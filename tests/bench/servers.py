"""The servers under test: what each is configured with, started with and needs to be installed."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from tests.certify import Pair

from . import data

PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
SHARDNS = str(Path(sys.executable).with_name("shardns"))


@dataclass(frozen=True)
class Setup:
    """What a configuration is written from.

    `upstream` is the port that a forwarder asks, `encrypted` the one that is served with the certificate, by DNS over
    TLS or whatever `scheme` says, `key` the files of a DNSSEC key without extension.
    """

    folder: Path
    port: int
    zone: Path
    origin: str = data.ORIGIN
    upstream: int = 0
    workers: int = 1
    encrypted: int = 0
    pair: Pair | None = None
    scheme: str = "tls"
    key: str = ""


@dataclass(frozen=True)
class Command:
    """How to start a server."""

    words: list[str]
    environment: dict[str, str]


def installed(name: str) -> bool:
    """Tell whether a server can be started here."""
    program = {"shardns": SHARDNS, "knot": "knotd"}.get(name, name)
    return shutil.which(program, path=PATH) is not None


def _program(name: str) -> str:
    return shutil.which(name, path=PATH) or name


def shardns(setup: Setup, corefile: str) -> Command:
    """Configure shardns with the text of a Corefile; `@port`, `@zone`, `@upstream` and the like are filled in."""
    filled: dict[str, object] = {"@port": setup.port, "@zone": setup.zone, "@upstream": f"127.0.0.1:{setup.upstream}"}
    filled |= {"@small": setup.zone.with_name("db.small"), "@signer": setup.key}
    if setup.pair is not None:
        filled |= {"@encrypted": setup.encrypted, "@certificate": setup.pair.certificate, "@key": setup.pair.key}
    path = setup.folder / "Corefile"
    path.write_text(reduce(lambda text, word: text.replace(word, str(filled[word])), filled, corefile))
    runtime = setup.folder / "run"
    runtime.mkdir(exist_ok=True)
    words = [SHARDNS, "-conf", str(path), "--workers", str(setup.workers)]
    return Command(words, {"RUNTIME_DIRECTORY": str(runtime)})


def knot(setup: Setup) -> Command:
    """Configure Knot DNS with one UDP and one TCP worker."""
    folder = setup.folder
    path = folder / "knot.conf"
    path.write_text(
        f"server:\n  listen: 127.0.0.1@{setup.port}\n  rundir: {folder}\n  udp-workers: 1\n  tcp-workers: 1\n"
        "  background-workers: 1\n"
        f"database:\n  storage: {folder}\n"
        "log:\n  - target: stderr\n    any: warning\n"
        f"template:\n  - id: default\n    storage: {folder}\n    zonefile-sync: -1\n    zonefile-load: whole\n"
        "    journal-content: none\n"
        f"zone:\n  - domain: {setup.origin}\n    file: {setup.zone}\n"
    )
    return Command([_program("knotd"), "-c", str(path)], {})


def nsd(setup: Setup) -> Command:
    """Configure NSD with one server process and without response rate limits."""
    folder = setup.folder
    path = folder / "nsd.conf"
    path.write_text(
        f'server:\n  ip-address: 127.0.0.1@{setup.port}\n  server-count: 1\n  username: ""\n  chroot: ""\n'
        f'  zonesdir: "{folder}"\n  database: ""\n  pidfile: "{folder}/nsd.pid"\n  xfrdfile: "{folder}/xfrd.state"\n'
        f'  xfrdir: "{folder}"\n  zonelistfile: "{folder}/zone.list"\n  rrl-ratelimit: 0\n  tcp-count: 200\n'
        "remote-control:\n  control-enable: no\n"
        f'zone:\n  name: {setup.origin}\n  zonefile: "{setup.zone}"\n'
    )
    return Command([_program("nsd"), "-d", "-c", str(path)], {})


def unbound(setup: Setup) -> Command:
    """Configure Unbound with one thread: authoritative for the zone, or a forwarder where an upstream is given."""
    if setup.upstream:
        role = f'forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@{setup.upstream}\n'
    else:
        role = f'auth-zone:\n  name: {setup.origin}\n  zonefile: "{setup.zone}"\n'
        role += "  for-downstream: yes\n  for-upstream: no\n"
    path = setup.folder / "unbound.conf"
    tls = ""
    if setup.pair is not None:
        tls = f"  interface: 127.0.0.1@{setup.encrypted}\n  {setup.scheme}-port: {setup.encrypted}\n"
        tls += f'  tls-service-pem: "{setup.pair.certificate}"\n  tls-service-key: "{setup.pair.key}"\n'
    path.write_text(
        f"server:\n  interface: 127.0.0.1\n  port: {setup.port}\n{tls}  num-threads: 1\n  do-daemonize: no\n"
        f'  username: ""\n  chroot: ""\n  directory: "{setup.folder}"\n  pidfile: ""\n  use-syslog: no\n'
        "  access-control: 127.0.0.0/8 allow\n  do-not-query-localhost: no\n  module-config: iterator\n"
        "  incoming-num-tcp: 200\n  outgoing-range: 4096\n  num-queries-per-thread: 2048\n"
        f"remote-control:\n  control-enable: no\n{role}"
    )
    return Command([_program("unbound"), "-c", str(path)], {})


PEERS = {"knot": knot, "nsd": nsd, "unbound": unbound}
ALL = ("shardns", *PEERS)
