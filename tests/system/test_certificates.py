"""Certificate files that change while they are used."""

from __future__ import annotations

import signal
import ssl
import time

import dns.rcode
import pytest
from cryptography import x509

from tests.certify import certify

from .conftest import Make
from .dot import ask, connect, ended_after
from .harness import COMPLETE, Server, until

pytestmark = pytest.mark.system

BLOCKS = """tls://test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    whoami
}}
tls://other.test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    whoami
}}
"""
RENEWED = "Certificate files have changed"


def start(make: Make) -> Server:
    """Start a server whose two blocks share a certificate."""
    server = make()
    certify(server.folder)
    server.configure(BLOCKS.format(port=server.port, folder=server.folder))
    return server.start()


def shown(server: Server) -> int:
    """Return the number of the certificate that a new client is shown."""
    with connect(server.port) as sock:
        assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR
        der = sock.getpeercert(True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def test_a_new_certificate_is_seen_at_the_next_handshake(make: Make) -> None:
    server = start(make)
    before = shown(server)
    with connect(server.port) as sock:
        ask(sock, "a.test")
        (server.folder / "Corefile").write_text("broken {")  # nobody asked for another configuration
        pair = certify(server.folder)
        until(lambda: shown(server) == pair.serial)
        assert ended_after(sock) < 6  # it drains
    assert before != pair.serial
    server.wait_printed(COMPLETE)
    time.sleep(2.5)  # both blocks have looked again
    assert server.log.count(RENEWED) == 1
    assert server.count(COMPLETE) == 1
    assert shown(server) == pair.serial


def test_a_pair_that_does_not_fit_changes_nothing_until_it_does(make: Make) -> None:
    server = start(make)
    before, pids = shown(server), server.children()
    good = (server.folder / "key.pem").read_bytes()
    (server.folder / "key.pem").write_bytes(certify(server.folder, stem="other").key.read_bytes())
    line = "[ERROR] plugin/tls: could not load TLS cert: tls: private key does not match public key; "
    line += "the certificate stays as it was"
    server.wait_printed(line)
    (server.folder / "key.pem").unlink()
    until(lambda: f"open {server.folder}/key.pem: no such file or directory" in server.log)
    assert shown(server) == before
    assert server.children() == pids
    (server.folder / "key.pem").write_bytes(good)
    time.sleep(2.5)
    assert server.children() == pids  # the same as ever: nothing to renew
    pair = certify(server.folder)
    until(lambda: shown(server) == pair.serial)
    assert server.count(line) == 1


def test_a_reload_takes_the_new_certificate_too(make: Make) -> None:
    server = start(make)
    pair = certify(server.folder)
    server.signal(signal.SIGHUP)
    server.wait_printed(COMPLETE)
    assert shown(server) == pair.serial
    time.sleep(2.5)
    assert server.count(COMPLETE) == 1, server.log
    assert RENEWED not in server.log


def test_a_session_begun_before_does_not_keep_the_old_certificate_from_being_replaced(make: Make) -> None:
    server = start(make)
    with connect(server.port) as sock:
        ask(sock, "a.test")
        session, context = sock.session, sock.context
    pair = certify(server.folder)
    until(lambda: shown(server) == pair.serial)
    with connect(server.port, context, session) as sock:  # other ticket keys: a full handshake
        assert not sock.session_reused
        der = sock.getpeercert(True)
        assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR
    assert ssl.DER_cert_to_PEM_cert(der or b"") == pair.certificate.read_text()
