"""DNS over QUIC from outside: the rules of RFC 9250, other people's clients, moves, and reloads."""

from __future__ import annotations

import threading
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
from .harness import Server

pytest.importorskip("aioquic")
from .quic import BLOCK, Client, Closed, certify, question

pytestmark = pytest.mark.system
PROTOCOL_ERROR = 2


class Quic:
    """A server that answers at `port` over QUIC, at `h3` over HTTP/3."""

    def __init__(self, server: Server, options: str = "", more: str = "") -> None:
        self.server = server
        self.port = free_port()
        self.h3 = free_port()
        self.options = options
        self.more = more
        certify(server.folder)
        server.configure(self.text())

    def text(self, n: int = 1) -> str:
        """Return the configuration, in its `n`th variant."""
        keys = f"quic://.:{self.port} https3://.:{self.h3}"
        block = BLOCK.format(keys=keys, folder=self.server.folder, more=self.options)
        return self.server.tagged(n, extra=block + self.more)


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


# Reloads ------------------------------------------------------------------------------------------------------------


class Asker(threading.Thread):
    """Asks all the time, and once more on a new connection where an answer does not come."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.done = threading.Event()
        self.asked = self.retried = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Ask until told to stop."""
        client = Client(self.port)
        while not self.done.is_set():
            self.asked += 1
            try:
                client.ask(seconds=1)
            except (Closed, TimeoutError):
                self.retried += 1
                client.close()
                try:
                    client = Client(self.port)
                    client.ask(seconds=2)
                except (Closed, TimeoutError) as error:
                    self.failed.append(repr(error))
            time.sleep(0.002)
        client.close()


@pytest.mark.parametrize("count", [5, pytest.param(20, marks=pytest.mark.long)])
def test_no_query_is_lost_over_reloads_by_clients_that_try_twice(quic: Quic, count: int) -> None:
    askers = [Asker(quic.port) for _ in range(4)]
    for asker in askers:
        asker.start()
    for n in range(2, count + 2):
        quic.server.configure(quic.text(n))
        assert quic.server.reload().returncode == 0
        time.sleep(0.1)
    for asker in askers:
        asker.done.set()
        asker.join()
    assert [asker.failed for asker in askers] == [[]] * 4
    assert all(asker.asked > 20 * count for asker in askers)
    assert sum(asker.retried for asker in askers) <= 4 * count
    assert "Traceback" not in quic.server.log


def test_what_was_asked_before_a_reload_is_answered_behind_it(make: Make) -> None:
    upstream = free_port()
    import socket

    with socket.socket(type=socket.SOCK_DGRAM) as slow:
        slow.bind(("127.0.0.1", upstream))
        slow.settimeout(5)
        quic = Quic(make())
        text = quic.text().replace("    whoami\n", f"    forward . 127.0.0.1:{upstream}\n")
        quic.server.configure(text)
        quic.server.start()
        with Client(quic.port) as client:
            stream = client.begin(question("slow.example.org"))
            client.step(0.1)
            data, sender = slow.recvfrom(512)
            quic.server.configure(text + "\n# changed\n")
            reload = threading.Thread(target=quic.server.reload)
            reload.start()
            client.go_on(2)  # the new workers read; acknowledgements find their way
            answer = dns.message.make_response(dns.message.from_wire(data))
            slow.sendto(answer.to_wire(), sender)
            assert client.take(stream).rcode() == dns.rcode.NOERROR
            assert client.wait_closed(2) == 0
            reload.join()


def test_a_handshake_goes_on_over_a_reload(quic: Quic) -> None:
    with Client(quic.port, wait=False) as client:
        client.send()
        time.sleep(0.2)  # the old worker has the first datagram
        quic.server.configure(quic.text(2))
        reload = threading.Thread(target=quic.server.reload)
        reload.start()
        client.until(lambda: client.shaken)
        reload.join()
        try:
            assert client.ask().rcode() == dns.rcode.NOERROR
        except Closed:  # it came when all was over
            assert client.code == 0


# Other people's clients ---------------------------------------------------------------------------------------------


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
