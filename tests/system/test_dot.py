"""DNS over TLS from outside: real clients, sessions, time-outs, client certificates, and clients that misbehave."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.bench.run import free_port
from tests.certify import Pair, certify

from .conftest import Make
from .dot import ask, connect, context, ended_after, frame, reply
from .harness import Server, until

pytestmark = pytest.mark.system

BLOCK = """tls://test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem {ca} {{
        client_auth {mode}
    }}
    {more}
    whoami
}}
"""
BIG = """tls://big.test:{port} {{
    tls {folder}/cert.pem {folder}/key.pem
    transfer {{
        to *
    }}
    file {folder}/db.big
}}
"""


def start(make: Make, more: str = "", *, mode: str = "nocert", ca: str = "", workers: int = 2) -> Server:
    """Start a server of DNS over TLS."""
    server = make(workers=workers)
    certify(server.folder)
    server.configure(BLOCK.format(port=server.port, folder=server.folder, more=more, mode=mode, ca=ca))
    return server.start()


def healthy(server: Server) -> None:
    """A new client is served, and nothing went wrong."""
    with connect(server.port) as sock:
        assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR
    assert "Traceback" not in server.log


def test_clients_of_all_makes_are_answered(make: Make) -> None:
    server = start(make)
    query = dns.message.make_query("a.test", "A")
    for alpn in ((), ("dot",)):
        answer = dns.query.tls(query, "127.0.0.1", 5, server.port, ssl_context=context(alpn=alpn))
        assert len(answer.additional) == 2
    with connect(server.port) as sock:
        assert sock.selected_alpn_protocol() == "dot"
        assert sock.version() == "TLSv1.3"
    ca = server.folder / "cert.pem"
    with connect(server.port, context(ca=ca)) as sock:
        assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR


@pytest.mark.skipif(shutil.which("kdig") is None, reason="needs kdig")
def test_kdig_is_answered_and_believes_the_certificate(make: Make) -> None:
    server = start(make)
    line = ["kdig", "@127.0.0.1", "-p", str(server.port), "+tls", f"+tls-ca={server.folder}/cert.pem", "+time=5"]
    line += ["+tls-hostname=dns.test", "a.test", "A", "b.test", "AAAA"]
    shown = subprocess.run(line, capture_output=True, text=True, timeout=30, check=True).stdout
    assert shown.count("status: NOERROR") == 2
    assert "TLS session (TLS1.3)" in shown
    assert (
        "The certificate is trusted"
        in subprocess.run([*line, "-d"], capture_output=True, text=True, timeout=30, check=True).stdout
    )


@pytest.mark.skipif(shutil.which("dnsperf") is None, reason="needs dnsperf")
def test_dnsperf_is_answered(make: Make) -> None:
    server = start(make)
    names = server.folder / "names"
    names.write_text("".join(f"n{n}.test A\n" for n in range(200)))
    line = ["dnsperf", "-m", "dot", "-s", "127.0.0.1", "-p", str(server.port), "-d", str(names), "-n", "5", "-c", "4"]
    shown = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.search(r"Queries completed:\s+1000 \(100\.00%\)", shown), shown
    assert re.search(r"Response codes:\s+NOERROR 1000 \(100\.00%\)", shown), shown


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_a_session_resumes_with_every_worker(make: Make, version: ssl.TLSVersion) -> None:
    server = start(make, workers=4)
    made = context()
    made.minimum_version = made.maximum_version = version
    with connect(server.port, made) as sock:
        ask(sock, "a.test")
        session = sock.session
    assert session is not None
    for _ in range(24):  # the kernel deals connections out among four workers
        with connect(server.port, made, session) as sock:
            assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR
            assert sock.session_reused


def test_pipelined_queries_are_answered_in_turn_however_they_are_cut(make: Make) -> None:
    server = start(make)
    data = b"".join(frame(f"n{n}.test", ident=n) for n in range(2000))
    with connect(server.port) as sock:
        for at in range(0, len(data), 7919):
            sock.sendall(data[at : at + 7919])
        assert [reply(sock).id for _ in range(2000)] == list(range(2000))


def test_an_answer_larger_than_a_record(make: Make) -> None:
    server = make(workers=1)
    certify(server.folder)
    lines = "".join(f'n{n} TXT "{"x" * 200}"\n' for n in range(500))
    (server.folder / "db.big").write_text(f"$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n{lines}")
    server.configure(BIG.format(port=server.port, folder=server.folder))
    server.start()
    with connect(server.port) as sock:
        sock.sendall(frame("big.test", "AXFR"))
        found = 0
        while found < 504:
            found += sum(len(rrset) for rrset in reply(sock).answer)
        assert found == 504


def test_a_connection_ends_in_an_orderly_way_when_its_time_or_number_is_over(make: Make) -> None:
    server = start(make, "timeouts {\n read 1s\n idle 2s\n maxtcpqueries 2\n }")
    with connect(server.port) as sock:  # nothing asked: read
        assert 0.5 < ended_after(sock) < 1.9
    with connect(server.port) as sock:
        ask(sock, "a.test")
        assert 1.5 < ended_after(sock) < 3
    with connect(server.port) as sock:
        sock.sendall(b"".join(frame("a.test", ident=n) for n in range(3)))
        assert [reply(sock).id for _ in range(2)] == [0, 1]
        assert ended_after(sock) < 1
    with socket.create_connection(("127.0.0.1", server.port)) as sock:  # no handshake: read as well
        assert 0.5 < ended_after(sock) < 1.9
    with socket.create_connection(("127.0.0.1", server.port)) as sock:  # a handshake that stalls
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        assert 0.5 < ended_after(sock) < 1.9
    healthy(server)


def test_what_is_no_tls_is_told_so_and_left(make: Make) -> None:
    server = start(make)
    for octets in (frame("a.test"), b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x03\x00\x02\xff\xff", bytes(5000)):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(octets)
            assert ended_after(sock) < 4  # the read time-out where it may still become a record
    healthy(server)


def test_a_client_that_leaves_at_any_moment_harms_nobody(make: Make) -> None:
    server = start(make, workers=1)
    for octets in range(0, 40, 3):
        with connect(server.port) as sock:
            sock.sendall(frame("a.test")[:octets])
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[: octets % 10])
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()  # a reset
    healthy(server)


def test_a_client_that_closes_its_side_behind_its_queries_gets_the_answers(make: Make) -> None:
    server = start(make)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = context().wrap_bio(there, back)
    queries = b"".join(frame("a.test", ident=n) for n in range(100))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        while True:
            try:
                inside.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(back.read())
                there.write(sock.recv(65536))
        inside.write(queries)
        with pytest.raises(ssl.SSLError):  # close_notify has been written, the server's is not there yet
            inside.unwrap()
        sock.sendall(back.read())
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            there.write(data)
    received = b""
    with suppress(ssl.SSLZeroReturnError):  # both sides have said that they end
        while more := inside.read(65536):
            received += more
    found = []
    while received:
        size = int.from_bytes(received[:2], "big")
        found.append(int.from_bytes(received[2:4], "big"))
        received = received[2 + size :]
    assert found == list(range(100))


@pytest.mark.parametrize(
    ("mode", "let_in"),
    [
        ("request", {"none", "stranger", "ours"}),
        ("require", {"stranger", "ours"}),
        ("verify_if_given", {"none", "ours"}),
        ("require_and_verify", {"ours"}),
    ],
)
def test_clients_are_let_in_by_their_certificates(make: Make, tmp_path: Path, mode: str, let_in: set[str]) -> None:
    ca = certify(tmp_path, "ca.test", "ca")
    pairs: dict[str, Pair | None] = {
        "none": None,
        "stranger": certify(tmp_path, "stranger.test", "stranger"),
        "ours": certify(tmp_path, "ours.test", "ours", issuer=ca),
    }
    server = start(make, mode=mode, ca=str(ca.certificate))
    found = set()
    for who, pair in pairs.items():
        try:
            with connect(server.port, context(pair)) as sock:
                ask(sock, "a.test")
        except (ssl.SSLError, OSError, EOFError):  # with TLS 1.3 the client learns of it when it reads
            continue
        found.add(who)
    assert found == let_in
    assert "Traceback" not in server.log


def test_the_key_log_names_the_keys_of_every_connection(make: Make) -> None:
    server = make(workers=2)
    certify(server.folder)
    text = BLOCK.format(port=server.port, folder=server.folder, more="", mode="nocert", ca="")
    server.configure(text.replace("client_auth nocert", f"keylog {server.folder}/keys"))
    server.start()
    for _ in range(6):
        with connect(server.port) as sock:
            ask(sock, "a.test")
    keys = server.folder / "keys"
    until(lambda: keys.read_text().count("CLIENT_TRAFFIC_SECRET_0 ") == 6)
    assert f'[WARNING] plugin/tls: Writing TLS Key Log to "{keys}"' in server.log


DESIGNATED = """.:{clear} tls://.:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem {{
        ddr dns.test
    }}
    whoami
}}
"""


def test_a_client_of_clear_text_finds_the_encrypted_way_in(make: Make) -> None:
    server = make()
    certify(server.folder)
    clear = free_port()
    server.configure(DESIGNATED.format(clear=clear, port=server.port, folder=server.folder))
    server.start()
    found = dns.query.udp(dns.message.make_query("_dns.resolver.arpa", "SVCB"), "127.0.0.1", 5, clear)
    (told,) = found.answer[0]
    assert told.target.to_text() == "dns.test."
    assert told.params[1].ids == (b"dot",)
    port = told.params[3].port
    with connect(port, context(ca=server.folder / "cert.pem")) as sock:  # which is good for the address as well
        assert ask(sock, "a.test").rcode() == dns.rcode.NOERROR
