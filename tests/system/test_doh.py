"""DoH over HTTP/2 and HTTP/1.1 from outside: real clients, the rules of RFC 8484, time-outs, places, a drain."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import h2.exceptions
import pytest

from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make
from .doh import Client, Doh, Lost, connect, ended_after, target, wire
from .harness import until

pytestmark = pytest.mark.system


def start(make: Make, more: str = "", extra: str = "", workers: int = 2) -> Doh:
    """Start a server of DoH."""
    server = make(workers=workers)
    certify(server.folder)
    doh = Doh(server, free_port(), more, extra)
    server.start()
    return doh


def run(*line: str, **more: object) -> str:
    """Run a program; returns what it printed."""
    done = subprocess.run(line, capture_output=True, timeout=60, check=True, **more)  # type: ignore[call-overload]
    return str(done.stdout.decode(errors="replace"))


# Real clients --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("kdig") is None, reason="needs kdig")
@pytest.mark.parametrize("option", ["+https", "+https-get"])
def test_kdig_is_answered(make: Make, option: str) -> None:
    doh = start(make)
    line = ["kdig", "@127.0.0.1", "-p", str(doh.port), option, f"+tls-ca={doh.server.folder}/cert.pem", "+time=5"]
    shown = run(*line, "+tls-hostname=dns.test", "a.test", "A", "b.test", "AAAA")
    assert shown.count("status: NOERROR") == 2
    assert shown.count("(status: 200)") == 2


@pytest.mark.parametrize("version", ["HTTP_1", "HTTP_2"])
@pytest.mark.parametrize("post", [True, False])
def test_dnspython_is_answered(make: Make, version: str, post: bool) -> None:
    pytest.importorskip("httpx2")
    doh = start(make)
    query = dns.message.make_query("a.test", "A", use_edns=0)
    answer = dns.query.https(
        query,
        f"https://127.0.0.1:{doh.port}/dns-query",
        timeout=10,
        post=post,
        verify=ssl.create_default_context(cafile=doh.server.folder / "cert.pem"),
        http_version=dns.query.HTTPVersion[version],
    )
    assert len(answer.additional) == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("option", ["--http1.0", "--http1.1", "--http2"])
def test_curl_is_answered(make: Make, option: str) -> None:
    doh = start(make)
    ca = f"{doh.server.folder}/cert.pem"
    shown = run("curl", "-sSi", option, "--cacert", ca, f"https://127.0.0.1:{doh.port}{target(wire())}", "-o-")
    assert re.match(r"HTTP/[\d.]+ 200", shown)
    assert re.search(r"^content-type: application/dns-message\r$", shown, re.M | re.I)
    assert re.search(r"^cache-control: max-age=0\r$", shown, re.M | re.I)
    assert re.search(r"^date: .* GMT\r$", shown, re.M | re.I)
    body = doh.server.folder / "query"
    body.write_bytes(wire())
    line = ["curl", "-sSi", option, "--cacert", ca, "--data-binary", f"@{body}", "-H", "Expect: 100-continue"]
    assert re.search(r"^HTTP/[\d.]+ 200", run(*line, f"https://127.0.0.1:{doh.port}/dns-query", "-o-"), re.M)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_is_answered_in_clear_text(make: Make) -> None:
    doh = start(make)
    url = f"http://127.0.0.1:{doh.clear}{target(wire())}"
    assert run("curl", "-sSi", url, "-o-").startswith("HTTP/1.1 200")
    assert run("curl", "-sSi", "--http2-prior-knowledge", url, "-o-").startswith("HTTP/2 200")


@pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load")
@pytest.mark.parametrize("option", ["--npn-list=h2", "--h1"])
def test_h2load_is_answered(make: Make, option: str) -> None:
    doh = start(make)
    url = f"https://127.0.0.1:{doh.port}{target(wire())}"
    shown = run("h2load", option, "-n", "4000", "-c", "8", "-m", "32", url)
    assert "4000 succeeded, 0 failed, 0 errored, 0 timeout" in shown
    assert "status codes: 4000 2xx" in shown


@pytest.mark.skipif(shutil.which("dnsperf") is None, reason="needs dnsperf")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_dnsperf_is_answered(make: Make, method: str) -> None:
    doh = start(make)
    names = doh.server.folder / "names"
    names.write_text("".join(f"n{n}.test A\n" for n in range(200)))
    line = ["dnsperf", "-m", "doh", "-O", f"doh-method={method}", "-s", "127.0.0.1", "-p", str(doh.port)]
    shown = run(*line, "-d", str(names), "-n", "5", "-c", "4")
    assert re.search(r"Queries completed:\s+1000 \(100\.00%\)", shown), shown
    assert re.search(r"Response codes:\s+NOERROR 1000 \(100\.00%\)", shown), shown


def test_a_client_that_asks_one_at_a_time_is_not_kept_waiting(make: Make) -> None:
    with Client(start(make).port) as client:  # a delayed acknowledgement takes 40 ms
        began = time.monotonic()
        for _ in range(50):
            client.get()
        assert time.monotonic() - began < 1.5


# Rules ---------------------------------------------------------------------------------------------------------------

UPDATE = wire()[:2] + b"\x28\x00" + wire()[4:]
REQUESTS = {
    "get": ("GET", target(wire()), None, 200),
    "get, more parameters": ("GET", "/dns-query?x=y&" + target(wire()).partition("?")[2] + "&z", None, 200),
    "post": ("POST", "/dns-query", wire(), 200),
    "post, parameters": ("POST", "/dns-query?dns=!", wire(), 200),
    "path in other letters": ("GET", target(wire()).replace("-", "%2d", 1), None, 200),
    "outside the zones": ("GET", target(wire("a.example")), None, 200),
    "no parameter": ("GET", "/dns-query", None, 400),
    "two": ("GET", target(wire()) + "&dns=AAAA", None, 400),
    "padded": ("GET", target(wire()) + "=", None, 400),
    "not the alphabet": ("GET", "/dns-query?dns=AA/+", None, 400),
    "not whole": ("GET", target(wire()[:-3]), None, 400),
    "UPDATE": ("POST", "/dns-query", UPDATE, 400),
    "a response": ("POST", "/dns-query", wire()[:2] + b"\x80\x00" + wire()[4:], 400),
    "65,535 questions": ("POST", "/dns-query", wire()[:4] + b"\xff\xff" + wire()[6:], 400),
    "an empty body": ("POST", "/dns-query", b"", 400),
    "noise": ("POST", "/dns-query", b"\x00\x01\x02\x03", 400),
    "65,536 octets": ("POST", "/dns-query", wire().ljust(65536, b"\0"), 200),
    "65,537 octets": ("POST", "/dns-query", wire().ljust(65537, b"\0"), 400),
    "PUT": ("PUT", target(wire()), b"x", 400),
    "DELETE": ("DELETE", target(wire()), None, 400),
    "another path": ("GET", "/resolve?name=a.test", None, 404),
    "a longer path": ("GET", "/dns-query/", None, 404),
    "a body for another path": ("POST", "/upload", bytes(200_000), 404),
}
BODIES = {400: b"invalid request\n", 404: b"\n"}


def test_requests_are_answered_as_the_rules_say(make: Make) -> None:
    endpoint = free_port()
    doh = start(make, extra=f"other:{free_port()} {{\n prometheus 127.0.0.1:{endpoint}\n bind 127.0.0.1\n whoami\n}}\n")
    for name, (method, path, body, status) in REQUESTS.items():
        for tls, port in ((True, doh.port), (False, doh.clear)):
            with Client(port, tls) as client:
                response = client.take(client.begin(method, path, body))
            assert response.status == status, name
            _look(status, response.headers, response.body)
        plain = http1(doh.clear, method, path, body)
        assert plain[0] == status, name
        _look(*plain)
    with Client(doh.port) as client:
        response = client.take(client.begin("HEAD", target(wire())))
        assert (response.status, response.headers["content-length"], response.body) == (400, "16", b"")
    total = len(REQUESTS)
    refused = sum(status == 400 for _, _, _, status in REQUESTS.values())
    expected = {"200": total - refused - 3, "400": refused + 1, "404": 3}

    def counted() -> bool:
        text = urllib.request.urlopen(f"http://127.0.0.1:{endpoint}/metrics").read().decode()
        found = dict(
            re.findall(rf'https_responses_total{{server="https://127.0.0.1:{doh.port}",status="(\d+)"}} (\d+)', text)
        )
        return {key: int(value) for key, value in found.items()} == expected

    until(counted)
    doh.healthy()


def _look(status: int, headers: dict[str, str], body: bytes) -> None:
    assert int(headers["content-length"]) == len(body)
    if status == 200:
        message = dns.message.from_wire(body)
        assert message.id == 0
        assert headers["content-type"] == "application/dns-message"
        assert headers["cache-control"] == f"max-age={0 if message.rcode() == dns.rcode.NOERROR else 5}"
    else:
        assert body == BODIES[status]
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert headers["x-content-type-options"] == "nosniff"


def http1(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """Ask by HTTP/1.1 in clear text."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    except ConnectionError:  # answered before the body was read
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_who_speaks_http_where_tls_is_spoken_is_told_so(make: Make) -> None:
    doh = start(make)
    with connect(doh.port, tls=False) as sock:
        sock.sendall(b"GET /dns-query HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while data := sock.recv(4096):
            received += data
    assert received == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    doh.healthy()


@pytest.mark.skipif(shutil.which("kdig") is None, reason="needs kdig")
def test_who_pads_gets_padded_answers(make: Make) -> None:
    doh = start(make)
    line = ["kdig", "@127.0.0.1", "-p", str(doh.port), "+https", "+time=5", "a.test", "A"]
    assert "Received 468 B" in run(*line, "+padding=128")
    assert "PADDING" not in run(*line, "+nopadding")


def test_a_query_that_is_dropped_is_an_error_of_the_server(make: Make) -> None:
    doh = start(make, "acl {\n drop\n }")
    with Client(doh.port) as client:
        assert client.get()[::2] == (500, b"No response\n")
    assert http1(doh.clear, "GET", target(wire()))[::2] == (500, b"No response\n")


def test_a_slow_answer_keeps_no_other_waiting(make: Make) -> None:
    doh = start(make, "erratic {\n delay 2 800ms\n drop 0\n truncate 0\n }", workers=1)
    with Client(doh.port) as client:
        began = time.monotonic()
        first, second = (client.begin("GET", target(wire(name))) for name in ("a.test", "b.test"))
        done: dict[int, float] = {}
        while len(done) < 2:
            client.step()
            done |= {stream: time.monotonic() - began for stream in client.ended - done.keys()}
        assert min(done.values()) < 0.6 < 0.7 < max(done.values())
        assert {first, second} == client.ended


def test_pipelined_requests_are_answered_in_turn(make: Make) -> None:
    doh = start(make, "erratic {\n delay 3 30ms\n drop 0\n truncate 0\n }")
    requests = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target(wire(f"n{n}.test")).encode() for n in range(50))
    with connect(doh.clear, tls=False) as sock:
        sock.sendall(requests + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while data := sock.recv(65536):
            received += data
    parts = received.split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts] == [b"200"] * 50 + [b"404"]
    names = [dns.message.from_wire(part.partition(b"\r\n\r\n")[2]).question[0].name for part in parts[:50]]
    assert [name.to_text() for name in names] == [f"n{n}.test." for n in range(50)]


def test_answers_wait_for_the_windows_of_their_client(make: Make) -> None:
    doh = start(make)
    with Client(doh.port) as client:
        client.wire.update_settings({4: 10})  # INITIAL_WINDOW_SIZE
        client.flush()
        streams = [client.begin("GET", target(wire(f"n{n}.test"))) for n in range(100)]
        while not all(len(client.bodies[stream]) == 10 for stream in streams):
            client.step()
        for stream in streams:
            client.wire.increment_flow_control_window(1000, stream)
        client.flush()
        assert all(client.take(stream).message.rcode() == dns.rcode.NOERROR for stream in streams)


# Time ----------------------------------------------------------------------------------------------------------------

TIMES = "timeouts {\n read 1s\n write 1s\n idle 2s\n }"


def test_what_takes_too_long_comes_to_an_end(make: Make) -> None:
    doh = start(make, TIMES)
    with connect(doh.clear, tls=False) as sock:  # nothing at all
        assert 0.7 < ended_after(sock) < 2
    with connect(doh.clear, tls=False) as sock:  # slowloris
        began = time.monotonic()
        with pytest.raises(OSError):
            for octet in b"GET /dns-query?dns=" + b"A" * 1000:
                sock.sendall(bytes((octet,)))
                time.sleep(0.02)
        assert time.monotonic() - began < 3
    with connect(doh.clear, tls=False) as sock:  # a body that does not come
        sock.sendall(b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nabc")
        sock.settimeout(5)
        received = b""
        while data := sock.recv(65536):
            received += data
        assert received.startswith(b"HTTP/1.1 400") and received.endswith(b"invalid request\n")
    with connect(doh.clear, tls=False) as sock:  # the next request
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert 1.5 < ended_after(sock) < 3.2
    with Client(doh.port) as client:
        client.get()
        began = time.monotonic()
        assert client.wait_closed() == 0
        assert 1.5 < time.monotonic() - began < 3.2
    doh.healthy()


def test_a_body_that_does_not_come_costs_its_stream_alone(make: Make) -> None:
    doh = start(make, TIMES)
    with Client(doh.port) as client:
        slow = client.begin("POST", "/dns-query", b"abc", end=False)
        began = time.monotonic()
        while slow not in client.ended:
            client.get()
            time.sleep(0.05)
            assert time.monotonic() - began < 3
        assert client.take(slow).status == 400
        assert client.get().status == 200


def test_answers_that_nobody_takes_end_the_connection(make: Make) -> None:
    doh = start(make, TIMES)
    with Client(doh.port) as client:
        client.wire.update_settings({4: 0})
        client.flush()
        client.begin("GET", target(wire()))
        began = time.monotonic()
        client.wait_closed()
        assert 0.7 < time.monotonic() - began < 3


# Places --------------------------------------------------------------------------------------------------------------


def test_who_comes_too_late_waits_for_a_place(make: Make) -> None:
    doh = start(make, "https {\n max_connections 2\n }")
    first, second = Client(doh.port), Client(doh.port)
    with pytest.raises(TimeoutError):
        connect(doh.port, seconds=0.1)
    first.sock.close()
    with Client(doh.port) as third:
        assert third.get().status == 200
    second.sock.close()


def test_who_asks_nothing_makes_place(make: Make) -> None:
    doh = start(make, "https {\n max_connections 2\n }", workers=1)
    with Client(doh.port) as idle, Client(doh.port) as busy:
        idle.get()
        for _ in range(12):
            busy.get()
            time.sleep(0.1)
        with Client(doh.port) as third:
            assert third.get().status == 200
        assert busy.get().status == 200
        assert idle.wait_closed() == 0


def test_a_place_is_given_back_however_its_client_leaves(make: Make) -> None:
    doh = start(make, "https {\n max_connections 3\n }")
    for n in range(30):
        sock = socket.create_connection(("127.0.0.1", doh.port), timeout=5)
        if n % 3 == 0:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        elif n % 3 == 1:
            sock.sendall(b"no TLS")
        sock.close()
    with Client(doh.port) as one, Client(doh.port) as two, Client(doh.port) as three:
        assert {client.get().status for client in (one, two, three)} == {200}


# A drain -------------------------------------------------------------------------------------------------------------


def test_what_was_asked_before_a_reload_is_answered(make: Make) -> None:
    doh = start(make, "erratic {\n delay 1 700ms\n drop 0\n truncate 0\n }")
    with Client(doh.port) as client:
        stream = client.begin("GET", target(wire()))
        time.sleep(0.1)
        answers: list[int] = []
        raw = threading.Thread(target=_http1_slow, args=(doh.clear, answers))
        raw.start()
        time.sleep(0.1)
        doh.server.configure(doh.text("nsid new"))
        doh.server.signal(signal.SIGUSR1)
        client.sock.settimeout(5)
        received = b""  # not by the library: to it nothing may come behind a GOAWAY
        while data := client.sock.recv(65536):
            received += data
        raw.join(10)
    assert b"application/dns-message" in received and stream.to_bytes(4, "big") in received
    assert answers == [200]
    doh.healthy()


def _http1_slow(port: int, answers: list[int]) -> None:
    answers.append(http1(port, "GET", target(wire()))[0])


def test_a_client_is_told_to_go_at_a_reload(make: Make) -> None:
    doh = start(make)
    with Client(doh.port) as client:
        client.get()
        doh.server.configure(doh.text("nsid new"))
        assert doh.server.reload().returncode == 0
        assert client.wait_closed(3) == 0
    doh.healthy()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_reloads_cost_no_query_of_a_client_that_retries_once(make: Make, tmp_path: Path) -> None:
    doh = start(make)
    ended = threading.Event()
    asked = [0] * 4
    failed: list[str] = []
    threads = [threading.Thread(target=_ask_on, args=(doh, n, ended, asked, failed)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for n in range(20):
            doh.server.configure(doh.text(f"nsid n{n}"))
            assert doh.server.reload().returncode == 0
    finally:
        ended.set()
        for thread in threads:
            thread.join(30)
    assert failed == []
    assert min(asked) > 100
    doh.healthy()


def _ask_on(doh: Doh, n: int, ended: threading.Event, asked: list[int], failed: list[str]) -> None:
    """Ask on and on, several at a time; who gets no answer asks once again, on a connection of its own."""
    tls, port = (True, doh.port) if n % 2 else (False, doh.clear)
    client = Client(port, tls)
    while not ended.is_set():
        missing = {f"n{k}.test" for k in range(8)}
        try:
            streams = {client.begin("GET", target(wire(name))): name for name in sorted(missing)}
            for stream, name in streams.items():
                client.take(stream)
                missing.discard(name)
        except (Lost, OSError, h2.exceptions.H2Error):
            client.sock.close()
            client = Client(port, tls)
            try:
                assert {client.get(name).status for name in missing} == {200}
            except (Lost, OSError, h2.exceptions.H2Error) as error:
                failed.append(repr(error))
        asked[n] += 8
    client.sock.close()
