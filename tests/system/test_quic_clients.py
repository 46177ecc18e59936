"""Other people's clients over QUIC: dnspython, qh3 (Rust below Python), doh-core (Rust)."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.meta.tree import TOP

from .conftest import Make

pytest.importorskip("aioquic")
from .qh3_client import Qh3
from .quic import Quic, question

pytestmark = pytest.mark.system
DOH_CORE = """
import sys
from py_doh_core import DoqTransport
transport = DoqTransport(sys.argv[1])
for number in range(20):
    answer = transport.resolve(f"n{number}.example.org.", "A")
    assert answer.response_code == 0 and len(answer.additionals) == 2, answer
print("all answered")
"""


@pytest.fixture
def quic(make: Make) -> Quic:
    """Return a running server with two workers."""
    made = Quic(make())
    made.server.start()
    return made


LEAKS = pytest.mark.filterwarnings(  # what dnspython leaves open
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@LEAKS
def test_dnspython_asks_over_quic(quic: Quic) -> None:
    query = dns.message.make_query("a.example.org", "A")
    answer = dns.query.quic(query, "127.0.0.1", timeout=5, port=quic.port, verify=False)
    assert (answer.rcode(), len(answer.additional)) == (dns.rcode.NOERROR, 2)


@LEAKS
@pytest.mark.parametrize("post", [True, False])
def test_dnspython_asks_over_http3(quic: Quic, post: bool) -> None:
    query = dns.message.make_query("a.example.org", "A")
    version = dns.query.HTTPVersion.H3
    answer = dns.query.https(query, "127.0.0.1", 5, quic.h3, verify=False, http_version=version, post=post)
    assert (answer.rcode(), len(answer.additional)) == (dns.rcode.NOERROR, 2)


def test_qh3_asks_over_quic(quic: Quic) -> None:
    client = Qh3(quic.port, "doq")
    wire = question("a.example.org").to_wire()
    streams = [client.open(len(wire).to_bytes(2, "big") + wire) for _ in range(50)]
    for stream in streams:
        data = client.read(stream)
        answer = dns.message.from_wire(data[2:])
        assert (int.from_bytes(data[:2], "big"), answer.rcode()) == (len(data) - 2, dns.rcode.NOERROR)
        assert len(answer.additional) == 2
    client.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_qh3_asks_over_http3(quic: Quic, method: str) -> None:
    client = Qh3(quic.h3, "h3")
    wire = question("a.example.org").to_wire()
    for _ in range(10):
        if method == "GET":
            text = base64.urlsafe_b64encode(wire).rstrip(b"=")
            status, fields, body = client.request(b"GET", b"/dns-query?dns=" + text)
        else:
            status, fields, body = client.request(b"POST", b"/dns-query", wire)
        assert (status, fields[b"content-type"]) == (200, b"application/dns-message")
        assert int(fields[b"content-length"]) == len(body)
        assert dns.message.from_wire(body).rcode() == dns.rcode.NOERROR
    assert client.request(b"GET", b"/other")[0] == 404
    assert client.request(b"PUT", b"/dns-query", wire)[0] == 400
    client.close()


def test_doh_core_asks_over_quic_and_believes_our_certificate(quic: Quic) -> None:
    """It verifies the certificate's name and chain."""
    environ = {**os.environ, "SSL_CERT_FILE": str(quic.server.folder / "cert.pem")}
    done = subprocess.run(
        [sys.executable, "-c", DOH_CORE, f"localhost:{quic.port}"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "all answered\n", done.stderr


def test_the_load_of_the_bench_is_answered(quic: Quic) -> None:
    questions = quic.server.folder / "questions"
    questions.write_text("".join(f"n{number}.example.org A\n" for number in range(100)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.doq", str(quic.port), str(questions), "1", "2", "64"],
        cwd=TOP, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    completed = re.search(r"Queries completed: (\d+)", done.stdout)
    assert completed is not None and int(completed[1]) > 300  # more than the streams that may be open
