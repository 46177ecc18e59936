"""Other name servers on loopback: Knot DNS, NSD and BIND, each as a primary or as a secondary of one zone.

A peer that is not installed skips its tests. What was started is ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.zone
import pytest

from .harness import until

ORIGIN: Final = "interop.test."
KEY: Final = "transfer.key."
SECRET: Final = "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="
KEYRING: Final = dns.tsigkeyring.from_text({KEY: SECRET})
NAMES: Final = 3000  # so that a transfer takes several messages


def zone_text(serial: int) -> str:
    """Return the zone: most of it always the same, some of it the serial's own."""
    lines = [
        "$ORIGIN interop.test.", "$TTL 300", f"@ SOA ns1 hostmaster {serial} 60 2 600 60", "@ NS ns1",
        "@ NS ns2.example.", "ns1 A 192.0.2.53", "Mixed.Case A 192.0.2.1", "alias CNAME mixed.case",
        "*.wild TXT \"wild\" \"card\"",
        "cut NS ns.cut", "ns.cut AAAA 2001:db8::1", "srv SRV 0 5 443 mixed.case", "mx MX 10 mixed.case",
        "type TYPE65280 \\# 3 010203", "caa CAA 0 issue \"example.net\"", f"version TXT \"{serial}\"",
        f"only{serial} A 192.0.2.{serial}",
    ]  # fmt: skip
    lines += [f"host{n} A 10.1.{n >> 8}.{n & 255}" for n in range(NAMES)]
    return "\n".join(lines) + "\n"


@dataclass
class Peer:
    """A running server. `zone_file` is what a primary reads; `log` what it said."""

    kind: str
    folder: Path
    port: int
    popen: subprocess.Popen[bytes]

    @property
    def zone_file(self) -> Path:
        """The zone of a primary."""
        return self.folder / "zone"

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    def change(self, serial: int) -> None:
        """Give a primary another version and have it look."""
        fresh = self.folder / "zone.new"
        fresh.write_text(zone_text(serial))
        fresh.replace(self.zone_file)
        os.kill(self.popen.pid, signal.SIGHUP)


@dataclass(frozen=True)
class Place:
    """Where a peer stands and who the other side is."""

    folder: Path
    port: int
    other: int
    primary: bool


def knot(place: Place) -> list[str]:
    """Configure Knot DNS."""
    role = (
        f"notify: other\n    acl: [transfer]\n    file: {place.folder}/zone\n    zonefile-load: difference\n"
        "    journal-content: changes"
        if place.primary
        else "master: other\n    acl: [notify]"
    )
    (place.folder / "conf").write_text(f"""server:
    rundir: {place.folder}
    pidfile: {place.folder}/pid
    listen: 127.0.0.1@{place.port}
log:
  - target: stderr
    any: info
database:
    storage: {place.folder}/db
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {SECRET}
remote:
  - id: other
    address: 127.0.0.1@{place.other}
    key: {KEY}
acl:
  - id: transfer
    key: {KEY}
    action: transfer
  - id: notify
    key: {KEY}
    action: notify
zone:
  - domain: {ORIGIN}
    storage: {place.folder}
    {role}
""")
    return ["knotd", "-c", str(place.folder / "conf")]


def nsd(place: Place) -> list[str]:
    """Configure NSD."""
    role = (
        f"zonefile: {place.folder}/zone\n    notify: 127.0.0.1@{place.other} {KEY}\n    provide-xfr: 127.0.0.1 {KEY}\n"
        "    store-ixfr: yes\n    create-ixfr: yes"
        if place.primary
        else f"allow-notify: 127.0.0.1 {KEY}\n    request-xfr: 127.0.0.1@{place.other} {KEY}\n"
        f"    zonefile: {place.folder}/zone"
    )
    (place.folder / "conf").write_text(f"""server:
    ip-address: 127.0.0.1@{place.port}
    username: ""
    chroot: ""
    zonesdir: "{place.folder}"
    database: ""
    pidfile: "{place.folder}/pid"
    xfrdfile: "{place.folder}/xfrd"
    xfrdir: "{place.folder}"
    zonelistfile: "{place.folder}/zones"
    server-count: 1
    verbosity: 2
remote-control:
    control-enable: no
key:
    name: "{KEY}"
    algorithm: hmac-sha256
    secret: "{SECRET}"
zone:
    name: "{ORIGIN}"
    {role}
""")
    return ["nsd", "-d", "-c", str(place.folder / "conf")]


def bind(place: Place) -> list[str]:
    """Configure BIND."""
    role = (
        f'type primary; file "{place.folder}/zone"; ixfr-from-differences yes; notify explicit;\n'
        f'    also-notify {{ 127.0.0.1 port {place.other} key "{KEY}"; }}; allow-transfer {{ key "{KEY}"; }};'
        if place.primary
        else f'type secondary; file "{place.folder}/zone"; notify no; masterfile-format text;\n'
        f'    primaries {{ 127.0.0.1 port {place.other} key "{KEY}"; }}; allow-notify {{ key "{KEY}"; }};'
    )
    (place.folder / "conf").write_text(f"""options {{
    directory "{place.folder}"; pid-file "{place.folder}/pid"; session-keyfile "{place.folder}/session";
    listen-on port {place.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; notify-rate 1000; startup-notify-rate 1000;
}};
controls {{ }};
key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
zone "{ORIGIN}" {{
    {role}
}};
""")
    return ["named", "-g", "-4", "-n", "1", "-c", str(place.folder / "conf")]


KINDS: Final = {"knot": knot, "nsd": nsd, "bind": bind}


@contextmanager
def running(kind: str, place: Place, serial: int = 1) -> Iterator[Peer]:
    """Start a peer and wait until it listens."""
    place.folder.mkdir()
    (place.folder / "db").mkdir()
    if place.primary:
        (place.folder / "zone").write_text(zone_text(serial))
    command = KINDS[kind](place)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    with (place.folder / "log").open("wb") as log:
        popen = subprocess.Popen(command, cwd=place.folder, stdout=log, stderr=subprocess.STDOUT)
    peer = Peer(kind, place.folder, place.port, popen)
    try:
        until(lambda: popen.poll() is not None or serial_at(place.port) is not None or listens(place.port))
        assert popen.poll() is None, peer.log
        yield peer
    finally:
        popen.terminate()
        popen.wait(15)


def listens(port: int) -> bool:
    """Tell whether a server answers anything at all."""
    try:
        dns.query.tcp(dns.message.make_query(ORIGIN, "SOA"), "127.0.0.1", 1.0, port)
    except (dns.exception.DNSException, OSError, EOFError):
        return False
    return True


def serial_at(port: int, origin: str = ORIGIN) -> int | None:
    """Return the serial that a server answers with."""
    try:
        reply = dns.query.udp(dns.message.make_query(origin, "SOA"), "127.0.0.1", 1.0, port)
    except (dns.exception.DNSException, OSError):
        return None
    return next((rdata.serial for rrset in reply.answer for rdata in rrset), None)


def content(port: int, signed: bool = True) -> set[str]:
    """Return the zone as a server gives it away, names folded; signed with the key."""
    more = {"keyring": KEYRING, "keyname": KEY, "keyalgorithm": dns.tsig.HMAC_SHA256} if signed else {}
    zone = dns.zone.from_xfr(dns.query.xfr("127.0.0.1", ORIGIN, port=port, lifetime=20, **more))  # type: ignore[arg-type]  # keywords by condition
    return records(zone)


def records(zone: dns.zone.Zone) -> set[str]:
    """Return a zone's records as text, lower case as far as DNS ignores case."""
    found = set()
    origin = zone.origin
    assert origin is not None
    for name, ttl, rdata in zone.iterate_rdatas():
        text = rdata.to_text(origin=origin, relativize=False)
        found.add(f"{name.derelativize(origin)} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {text}".lower())
    return found


def wanted(serial: int) -> set[str]:
    """Return the content of a version."""
    return records(dns.zone.from_text(zone_text(serial), ORIGIN))
