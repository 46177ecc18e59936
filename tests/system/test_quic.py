"""DNS over QUIC from outside: the rules of RFC 9250, moves, and certificates."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import pytest

from tests.bench.run import free_port

from .conftest import Make
from .harness import SHARDNS

pytest.importorskip("aioquic")
from .quic import Client, Closed, Quic, certify, question

pytestmark = pytest.mark.system
PROTOCOL_ERROR = 2


@pytest.fixture
def quic(make: Make) -> Quic:
    """Return a running server with two workers."""
    made = Quic(make())
    made.server.start()
    return made


def test_queries_on_streams_of_one_connection_are_answered(quic: Quic) -> None:
    with Client(quic.port) as client:
        streams = [client.begin(question(f"n{n}.example.org")) for n in range(300)]
        for stream in streams:
            answer = client.take(stream)
            assert (answer.id, answer.rcode(), len(answer.additional)) == (0, dns.rcode.NOERROR, 2)


def test_a_query_without_the_end_of_its_stream_is_answered(quic: Quic) -> None:
    with Client(quic.port) as client:
        for _ in range(600):  # more than the streams that may be open: none is kept for its missing end
            client.take(client.begin(question(), end=False))


def test_a_query_in_pieces_is_answered(quic: Quic) -> None:
    with Client(quic.port) as client:
        wire = question().to_wire()
        stream = client.write((len(wire)).to_bytes(2, "big")[:1])
        for octet in (len(wire)).to_bytes(2, "big")[1:] + wire:
            client.step(0.001)
            client.quic.send_stream_data(stream, bytes((octet,)))
        assert client.take(stream).rcode() == dns.rcode.NOERROR


def message(**changes: object) -> bytes:
    """Return a framed query with something wrong."""
    query = question()
    match changes:
        case {"ident": int(ident)}:
            query.id = ident
        case {"keepalive": True}:
            query.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.KEEPALIVE, b"")])
        case {"opcode": dns.opcode.Opcode() as opcode}:
            query.set_opcode(opcode)
        case {"response": True}:
            query.flags |= dns.flags.QR
    wire = query.to_wire()
    return len(wire).to_bytes(2, "big") + wire


@pytest.mark.parametrize(
    ("data", "end"),
    [
        pytest.param(message(ident=1234), True, id="an ID"),
        pytest.param(message(keepalive=True), True, id="TCP keepalive"),
        pytest.param(message(opcode=dns.opcode.UPDATE), True, id="UPDATE"),
        pytest.param(message(response=True), True, id="a response"),
        pytest.param(message()[2:], True, id="no length"),
        pytest.param(message() + message(), True, id="two queries"),
        pytest.param(message()[:-1], True, id="cut off"),
        pytest.param(b"\0\0", False, id="length 0"),
        pytest.param(b"", True, id="empty stream"),
        pytest.param(b"\0", True, id="half a length"),
        pytest.param(b"\0\5\1\2", True, id="less than it says"),
        pytest.param(b"\0\5\1\2\3\4\5", True, id="no message"),
    ],
)
def test_what_is_no_query_ends_the_connection(quic: Quic, data: bytes, end: bool) -> None:
    with Client(quic.port) as client:
        client.write(data, end)
        assert client.wait_closed() == PROTOCOL_ERROR
    with Client(quic.port) as client:
        assert client.ask().rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (message(keepalive=True), "client sent EDNS0 TCP keepalive option"),
        (message(opcode=dns.opcode.UPDATE), "unpacking quic packet: dns request rejected"),
        (b"\0\5\1\2\3\4\5", "unpacking quic packet: dns: buffer size too small"),
    ],
)
def test_the_debug_log_tells_why_a_connection_ends(make: Make, data: bytes, line: str) -> None:
    quic = Quic(make(), "debug")
    quic.server.start()
    with Client(quic.port) as client:
        client.write(data, True)
        assert client.wait_closed() == PROTOCOL_ERROR
    quic.server.wait_printed(f"[DEBUG] {line}")
    quic.server.wait_printed(f"[DEBUG] closing quic conn 127.0.0.1:{quic.port} with code 2")


def test_octets_behind_a_query_end_the_connection(quic: Quic) -> None:
    with Client(quic.port) as client:
        stream = client.begin(question(), end=False)
        client.quic.send_stream_data(stream, b"more", True)
        assert client.wait_closed() == PROTOCOL_ERROR


def test_nsid_is_fine(quic: Quic) -> None:
    with Client(quic.port) as client:
        query = question()
        query.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")])
        assert client.take(client.begin(query)).rcode() == dns.rcode.NOERROR


def test_unknown_application_protocols_are_refused(quic: Quic) -> None:
    with pytest.raises(Closed) as caught:
        Client(quic.port, "h3")
    assert caught.value.args[0] == 0x100 + 120  # no_application_protocol
    with Client(quic.h3, "h3") as client:
        assert client.shaken


def test_a_silent_stream_ends_the_connection_after_the_read_time_out(make: Make) -> None:
    quic = Quic(make(), "    timeouts {\n        read 1s\n    }")
    quic.server.start()
    with Client(quic.port) as client, Client(quic.port) as other:
        began = time.monotonic()
        client.write(b"\0\x64")
        assert other.ask().rcode() == dns.rcode.NOERROR
        assert client.wait_closed() == PROTOCOL_ERROR
        assert 0.7 < time.monotonic() - began < 3
        assert other.ask().rcode() == dns.rcode.NOERROR


def test_an_idle_connection_ends(make: Make) -> None:
    quic = Quic(make(), "    timeouts {\n        idle 1s\n    }")
    quic.server.start()
    with Client(quic.port) as client:
        assert client.quic._remote_max_idle_timeout == 1.0
        client.ask()
        time.sleep(1.6)
        client.begin(question())
        client.send()
        client.go_on(0.3)
        assert not client.got.get(4)


def test_the_limit_of_streams_is_told_and_holds(make: Make) -> None:
    quic = Quic(make(), "    quic {\n        max_streams 5\n        worker_pool_size 2\n    }")
    quic.server.start()
    with Client(quic.port) as client:
        assert client.quic._remote_max_streams_bidi == 5
        streams = [client.begin(question(f"n{n}.example.org")) for n in range(40)]
        assert all(client.take(stream).rcode() == dns.rcode.NOERROR for stream in streams)


def test_a_client_that_moves_keeps_its_connection(make: Make) -> None:
    quic = Quic(make(workers=4))
    quic.server.start()
    for _ in range(10):
        with Client(quic.port) as client:
            client.ask()
            for _ in range(2):
                client.move()
                assert client.ask(seconds=2).rcode() == dns.rcode.NOERROR


def test_a_client_that_changes_its_connection_id_keeps_its_connection(make: Make) -> None:
    quic = Quic(make(workers=4))
    quic.server.start()
    with Client(quic.port) as client:
        client.ask()
        client.go_on(0.1)  # the other IDs have come
        assert client.quic._peer_cid_available
        for _ in range(6):
            client.quic.change_connection_id()
            client.move()
            assert client.ask(seconds=2).rcode() == dns.rcode.NOERROR
            client.go_on(0.05)


def test_certificates_of_clients_are_asked_for_and_judged(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = certify(folder, "stranger.test")
    quic = Quic(make())
    ours = quic.server.folder / "cert.pem", quic.server.folder / "key.pem"
    tls = f"tls {ours[0]} {ours[1]}"
    quic.server.configure(
        quic.text().replace(tls, f"{tls} {ours[0]} {{\n        client_auth require_and_verify\n    }}")
    )
    quic.server.start()
    with Client(quic.port, cert=ours) as client:
        assert client.ask().rcode() == dns.rcode.NOERROR
    for cert in (None, stranger):
        with Client(quic.port, cert=cert) as client, pytest.raises(Closed):
            client.ask()
        assert client.code & 0x100


@pytest.mark.parametrize(
    ("scheme", "complaint"),
    [
        ("quic", "ListenPacket: quic: tls.Config not set"),
        ("https3", "DoH3 requires TLS, no TLS config found"),
    ],
)
def test_without_a_certificate_nothing_starts(tmp_path: Path, scheme: str, complaint: str) -> None:
    corefile = tmp_path / "Corefile"
    corefile.write_text(f"{scheme}://.:{free_port()} {{\n    bind 127.0.0.1\n    whoami\n}}\n")
    line = [str(SHARDNS), "-conf", str(corefile)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (1, complaint + "\n")
