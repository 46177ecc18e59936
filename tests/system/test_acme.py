"""Certificates from a real ACME authority (Debian's pebble), which looks for its challenges where we serve them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.bench.run import free_port
from tests.certify import Pair, issue
from tests.system.harness import COMPLETE, Server, until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("pebble") is None, reason="needs Debian's pebble"),
]


class Authority:
    """A pebble that asks a resolver of ours. `slow_s` is how long it may take before it looks."""

    def __init__(self, folder: Path, resolver: int, slow_s: int = 0) -> None:
        self.root = issue(folder, file="pebble-ca", authority=True)
        server = issue(folder, "localhost", file="pebble", by=self.root)
        self.port, self.management = free_port(), free_port()
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(server.certificate),
            "privateKey": str(server.key),
            "httpPort": 1,
            "tlsPort": 1,
        }
        path = folder / "pebble.json"
        path.write_text(json.dumps({"pebble": config}))
        environ = {**os.environ, "PEBBLE_AUTHZREUSE": "0"}
        environ |= {"PEBBLE_VA_SLEEPTIME": str(slow_s)} if slow_s else {"PEBBLE_VA_NOSLEEP": "1"}
        self.log = folder / "pebble.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                ["pebble", "-config", str(path), "-dnsserver", f"127.0.0.1:{resolver}"],
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(lambda: listens(self.port))

    @property
    def issuer(self) -> str:
        """The certificate that everything it issues hangs from."""
        context = ssl.create_default_context(cafile=str(self.root.certificate))
        url = f"https://localhost:{self.management}/roots/0"
        with urllib.request.urlopen(url, context=context, timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def close(self) -> None:
        """End it."""
        self.popen.terminate()
        self.popen.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def reloaded(server: Server, times: int) -> bool:
    return server.log.count(COMPLETE) >= times


class Setting:
    """A server with two ACME domains and the authority that it asks."""

    def __init__(self, folder: Path, slow_s: int = 0) -> None:
        self.server = Server(folder)
        self.dot = free_port()
        self.authority = Authority(folder, self.server.port, slow_s)
        self.storage = folder / "store"
        self.server.configure(self.corefile(self.authority.port, self.authority.root))

    def corefile(self, port: int, root: Pair, more: str = "") -> str:
        return f"""dns.example:{self.server.port} wild.example:{self.server.port} {{
    bind 127.0.0.1
    whoami
    {more}
}}
tls://.:{self.dot} {{
    bind 127.0.0.1
    tls {{
        acme dns.example *.wild.example
        ca https://localhost:{port}/dir
        ca_root {root.certificate}
        storage {self.storage}
    }}
    whoami
}}
"""

    def asks(self, name: str, issuer: str) -> dns.message.Message:
        """Ask over TLS, with full verification."""
        context = ssl.create_default_context(cadata=issuer)
        query = dns.message.make_query("www.example.org", "A")
        return dns.query.tls(query, "127.0.0.1", 5, self.dot, ssl_context=context, server_hostname=name)

    def serves(self, name: str, issuer: str) -> bool:
        try:
            return len(self.asks(name, issuer).additional) == 2
        except (OSError, EOFError):
            return False

    def close(self) -> None:
        self.server.close()
        self.authority.close()


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path)
    yield made
    made.close()


def test_certificates_come_by_themselves_and_outlive_a_restart(setting: Setting) -> None:
    server = setting.server.start()
    issuer = setting.authority.issuer
    until(lambda: setting.serves("dns.example", issuer), 60, "no certificate")
    assert setting.serves("one.wild.example", issuer)
    with pytest.raises(OSError):
        setting.asks("other.example", issuer)
    assert server.log.count("Obtaining a certificate") == 2 and server.log.count(COMPLETE) == 1
    challenge = dns.message.make_query("_acme-challenge.dns.example", "TXT")
    assert not [line for line in dns.query.udp(challenge, "127.0.0.1", 5, server.port).answer if line.rdtype == 16]
    for path in setting.storage.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path

    server.close()
    setting.authority.popen.kill()
    again = Server(server.folder)
    again.port = server.port
    try:
        again.start()
        assert setting.serves("dns.example", issuer) and setting.serves("x.wild.example", issuer)
        assert "Obtaining" not in again.log
    finally:
        again.close()


def test_reloads_in_the_middle_of_it_lose_no_challenge(tmp_path: Path) -> None:
    setting = Setting(tmp_path, slow_s=4)
    server = setting.server
    try:
        server.start()
        for count in range(1, 4):
            until(lambda: "Obtaining a certificate" in server.log)
            os.kill(server.popen.pid, signal.SIGUSR1)
            until(partial(reloaded, server, count))
        issuer = setting.authority.issuer
        until(lambda: setting.serves("dns.example", issuer), 90, "no certificate")
        until(lambda: setting.serves("one.wild.example", issuer), 60, "no certificate")
        assert "No certificate" not in server.log
    finally:
        setting.close()


def test_an_authority_that_is_away_harms_nobody(setting: Setting) -> None:
    setting.authority.popen.kill()
    server = setting.server.start()
    until(lambda: "[ERROR] plugin/tls: No certificate for dns.example: ConnectionError" in server.log)
    query = dns.message.make_query("a.dns.example", "A")
    assert len(dns.query.udp(query, "127.0.0.1", 5, server.port).additional) == 2
    with pytest.raises(OSError):
        setting.asks("dns.example", "")
