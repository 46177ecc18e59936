"""DNS over gRPC from outside: answers and faults as the reference's clients know them, limits, reloads."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import dns.message
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import h2.errors
import h2.events
import h2.settings
import pytest

pytest.importorskip("grpc")
import grpc

from shardns.worker.grpc.wire import framed
from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make
from .grpc_client import REQUEST, Client, Raw
from .harness import Server, until

pytestmark = pytest.mark.system

WWW = bytes.fromhex("03777777 0474657374 00 0001 0001")
SECRET = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
KEYS = dns.tsigkeyring.from_text({"key.test.": SECRET})
COREFILE = """
grpc://.:{grpc} {{
    bind 127.0.0.1
    prometheus 127.0.0.1:{metrics}
    errors
    acl drop.test {{
        drop
    }}
    whoami
}}
grpc://large.test:{grpc} {{
    bind 127.0.0.1
    template IN TXT {{
        answer "{{{{ .Name }}}} 60 IN TXT {text}"
    }}
}}
grpc://signed.test:{grpc} {{
    bind 127.0.0.1
    tsig {{
        secret key.test. {secret}
        require all
    }}
    whoami
}}
grpc://slow.test:{grpc} {{
    bind 127.0.0.1
    errors
    forward . 127.0.0.1:{mute}
}}
grpc://.:{secure} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    grpc_server {{
        max_connections 2
        max_streams 2
    }}
    whoami
}}
grpc://.:{proxied} {{
    bind 127.0.0.1
    proxyproto
    whoami
}}
"""


class Served:
    """A server and its ports."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.grpc, self.secure, self.proxied, self.metrics = (free_port() for _ in range(4))
        self.mute = socket.create_server(("127.0.0.1", 0))
        self.ca = certify(server.folder).certificate.read_bytes()
        server.configure(self.text())
        server.start()

    def close(self) -> None:
        """Close what nobody was to be answered by."""
        self.mute.close()

    def text(self) -> str:
        """Return the configuration."""
        return COREFILE.format(
            grpc=self.grpc, secure=self.secure, proxied=self.proxied, metrics=self.metrics,
            mute=self.mute.getsockname()[1],
            folder=self.server.folder, secret=SECRET, text=" ".join(["x" * 250] * 200),
        )  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server that lives for the whole module."""
    with Server(tmp_path_factory.mktemp("grpc")) as server:
        with closing(Served(server)) as found:
            yield found
        assert "Traceback" not in server.log and "panic" not in server.log


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.grpc) as found:
        yield found


def query(name: str = "who.test.", qtype: str = "A") -> bytes:
    return dns.message.make_query(name, qtype, id=0x1234).to_wire()


# Answers ------------------------------------------------------------------------------------------------------------


def test_a_client_is_answered(client: Client) -> None:
    for _ in range(4):  # also from the memo
        answer = client.ask()
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.additional[0].to_text() == "who.test. 0 IN A 127.0.0.1"
        assert answer.additional[1].name == dns.name.from_text("_tcp.who.test.")


def test_many_calls_at_once_are_answered(client: Client) -> None:
    calls = [client.query.future(query(f"n{number}.test."), timeout=5) for number in range(600)]
    answers = [dns.message.from_wire(call.result()) for call in calls]
    assert [str(answer.question[0].name) for answer in answers] == [f"n{number}.test." for number in range(600)]


def test_an_answer_may_be_as_long_as_on_a_stream(client: Client) -> None:
    answer = client.ask("a.large.test.", "TXT")
    assert not answer.flags & dns.flags.TC and len(answer.answer[0][0].strings) == 200


def test_what_is_dropped_comes_back(client: Client) -> None:
    asked = query("x.drop.test.")
    assert client.query(asked, timeout=5) == asked


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (bytes.fromhex("1234 2800 0001 0000 0000 0000") + WWW, "dns request rejected"),
        (bytes.fromhex("1234 8100 0001 0000 0000 0000") + WWW, "dns request rejected"),
        (bytes.fromhex("1234 0100 0000 0000 0000 0000") + WWW, "dns request rejected"),
        (bytes.fromhex("1234 0100 0002 0000 0000 0000") + WWW, "dns request rejected"),
        (bytes.fromhex("1234 0100 0001 ffff 0000 0000") + WWW, "dns request rejected"),
        (bytes.fromhex("1234 0100 0001 0000 0000 0003") + WWW, "dns request rejected"),
        (b"garbage", "dns: buffer size too small"),
        (b"", "dns: buffer size too small"),
        (bytes.fromhex("1234010000010000000000003f777777"), "dns: buffer size too small"),
    ],
)
def test_what_is_no_query_ends_its_call(client: Client, message: bytes, expected: str) -> None:
    assert client.fault(message) == ("UNKNOWN", expected)


def test_messages_are_bounded(client: Client) -> None:
    padded = query()
    assert dns.message.from_wire(client.query(padded + bytes(65535 - len(padded)), timeout=5)).rcode() == 0
    status, text = client.fault(bytes(65536))
    assert (status, text) == ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (65540 vs. 65539)")
    assert client.fault(bytes(900_000))[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/coredns.dns.DnsService/Watch", "unknown method Watch for service coredns.dns.DnsService"),
        ("/grpc.health.v1.Health/Check", "unknown service grpc.health.v1.Health"),
    ],
)
def test_other_methods_are_not_implemented(client: Client, path: str, expected: str) -> None:
    assert client.fault(query(), path) == ("UNIMPLEMENTED", expected)


def test_a_call_s_deadline_is_kept(served: Served) -> None:
    with Raw(served.grpc) as raw:
        began = time.monotonic()
        slow = raw.call(framed(query("a.slow.test.")), fields=[*REQUEST, ("grpc-timeout", "500m")])
        quick = raw.call(framed(query()))
        assert raw.fields(quick)[":status"] == "200" and time.monotonic() - began < 0.5
        fields = raw.fields(slow)
        assert (fields["grpc-status"], fields["grpc-message"]) == ("4", "context deadline exceeded")
        assert 0.5 <= time.monotonic() - began < 1.5


def test_only_rightly_signed_queries_pass(client: Client) -> None:
    def ask(signed: bool = True, secret: str = SECRET, key: str = "key.test.", late_s: int = 0) -> dns.message.Message:
        message = dns.message.make_query("a.signed.test.", "A")
        if signed:
            message.use_tsig(dns.tsigkeyring.from_text({key: secret}), key, algorithm=dns.tsig.HMAC_SHA256)
        with pytest.MonkeyPatch.context() as patch:
            now = time.time() - late_s
            patch.setattr(time, "time", lambda: now)
            wire = message.to_wire()
        return dns.message.from_wire(client.query(wire, timeout=5), keyring=False, ignore_trailing=True)

    assert ask(signed=False).rcode() == dns.rcode.REFUSED
    assert ask().rcode() == dns.rcode.NOERROR
    for wrong in (ask(secret="d3Jvbmd3cm9uZ3dyb25nd3Jvbmc="), ask(key="other.test."), ask(late_s=600)):
        assert wrong.rcode() == dns.rcode.NOTAUTH


def test_queries_count_under_their_listener(served: Served, client: Client) -> None:
    client.ask()
    label = f'server="grpc://127.0.0.1:{served.grpc}"'

    def counted() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{served.metrics}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        return any(
            line.startswith("coredns_dns_requests_total") and label in line and 'proto="tcp"' in line for line in lines
        )

    until(counted)


# The protocol -------------------------------------------------------------------------------------------------------


def test_over_tls_http_2_alone_is_spoken(served: Served) -> None:
    with Client(served.secure, served.ca, ("grpc.ssl_target_name_override", "dns.test")) as client:
        assert client.ask().additional[0].to_text() == "who.test. 0 IN A 127.0.0.1"
    context = ssl.create_default_context(cadata=served.ca.decode())
    context.set_alpn_protocols(["h2"])
    with Raw(served.secure, context) as raw:
        assert isinstance(raw.sock, ssl.SSLSocket)
        assert (raw.sock.selected_alpn_protocol(), raw.sock.version()) == ("h2", "TLSv1.3")
    context = ssl.create_default_context(cadata=served.ca.decode())
    with Raw(served.secure, context) as raw:
        assert raw.until(h2.events.StreamEnded) is None


def test_what_is_not_grpc_is_told_so(served: Served) -> None:
    with Raw(served.grpc) as raw:
        get = [(":method", "GET"), *REQUEST[1:]]
        assert raw.fields(raw.call(fields=get))[":status"] == "405"
        html = [*REQUEST[:5], ("content-type", "text/html")]
        fields = raw.fields(raw.call(framed(query()), fields=html))
        assert (fields[":status"], fields["grpc-status"]) == ("415", "3")
        for kind in ("application/grpc+proto", "application/grpc;charset=utf-8"):
            fields = raw.fields(raw.call(framed(query()), fields=[*REQUEST[:5], ("content-type", kind)]))
            assert fields[":status"] == "200" and "grpc-status" not in fields
        for more in (("grpc-encoding", "gzip"),):
            assert raw.fields(raw.call(framed(query()), fields=[*REQUEST, more]))["grpc-status"] == "12"
        assert raw.fields(raw.call(framed(query()), fields=[*REQUEST, ("grpc-timeout", "soon")]))["grpc-status"] == "13"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, "13"),
        (b"\0\0\0", "13"),
        (framed(query())[:-1], "13"),
        (framed(query()) * 2, "13"),
        (b"\1" + framed(query())[1:], "13"),
        (b"\0\xff\xff\xff\xff", "8"),
        (b"\0\0\0\0\2\x0a\x7f", "13"),
        (b"\0\0\0\0\1\x0f", "13"),
    ],
)
def test_a_body_that_is_no_packet_ends_its_call(served: Served, body: bytes | None, status: str) -> None:
    with Raw(served.grpc) as raw:
        assert raw.fields(raw.call(body))["grpc-status"] == status
        stream = raw.call(framed(query()))
        assert raw.fields(stream)[":status"] == "200"
        assert dict(raw.until(h2.events.TrailersReceived, stream).headers)["grpc-status"] == "0"


def test_a_call_in_small_pieces_is_answered(served: Served) -> None:
    with Raw(served.grpc) as raw:
        stream = raw.call(b"", end=False)
        for octet in framed(query()):
            raw.h2.send_data(stream, bytes((octet,)))
            raw.send()
        raw.h2.end_stream(stream)
        raw.send()
        assert raw.until(h2.events.TrailersReceived, stream) is not None


def test_a_call_that_does_not_come_is_reset_and_others_go_on(served: Served) -> None:
    with Raw(served.grpc) as raw:
        stalled = raw.call(b"\0", end=False)
        began = time.monotonic()
        assert raw.until(h2.events.StreamReset, stalled).error_code == h2.errors.ErrorCodes.CANCEL
        assert 2 < time.monotonic() - began < 5
        assert raw.fields(raw.call(framed(query())))[":status"] == "200"


def test_a_connection_that_says_nothing_ends(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.grpc), 6) as conn:
        conn.sendall(b"PRI * HT")
        while conn.recv(4096):
            continue


def test_streams_are_bounded(served: Served) -> None:
    context = ssl.create_default_context(cadata=served.ca.decode())
    context.set_alpn_protocols(["h2"])
    with Raw(served.secure, context) as raw:
        settings = raw.until(h2.events.RemoteSettingsChanged)
        assert settings.changed_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS].new_value == 2
    with Client(served.secure, served.ca, ("grpc.ssl_target_name_override", "dns.test")) as client:
        calls = [client.query.future(query(), timeout=5) for _ in range(50)]
        assert all(len(dns.message.from_wire(call.result()).additional) == 2 for call in calls)


def test_connections_beyond_the_limit_wait(served: Served) -> None:
    context = ssl.create_default_context(cadata=served.ca.decode())
    context.set_alpn_protocols(["h2"])
    with Raw(served.secure, context) as first, Raw(served.secure, context):
        with pytest.raises(TimeoutError):
            conn = socket.create_connection(("127.0.0.1", served.secure), 0.3)
            context.wrap_socket(conn, server_hostname="dns.test")
        conn.close()
        first.sock.close()
        with Raw(served.secure, context) as third:
            assert third.fields(third.call(framed(query())))[":status"] == "200"


def test_a_header_of_a_proxy_names_the_client(served: Served) -> None:
    line = b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\r\n"
    with Raw(served.proxied, before=line) as raw:
        stream = raw.call(framed(query()))
        answer = dns.message.from_wire(raw.until(h2.events.DataReceived, stream).data[7:])
        assert answer.additional[0][0].to_text() == "203.0.113.7"
    with Client(served.proxied) as client:
        assert client.ask().additional[0][0].to_text() == "127.0.0.1"


# Reloads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "times",
    [5, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(300)])],
)
def test_a_reload_loses_no_call(make: Make, times: int) -> None:
    stop = threading.Event()
    lost: list[str] = []
    asked = [0]

    def asking(port: int) -> None:
        with Client(port) as client:
            while not stop.is_set():
                asked[0] += 1
                try:
                    client.ask()
                except grpc.RpcError:
                    try:
                        client.ask()  # a client may retry once
                    except grpc.RpcError as error:
                        lost.append(f"{error.code()} {error.details()}")

    with closing(Served(make())) as served, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(asking, served.grpc)
        for _ in range(times):
            assert served.server.reload().returncode == 0
        stop.set()
    assert asked[0] > 100 and lost == []


def test_what_was_asked_before_a_reload_is_answered(make: Make) -> None:
    with closing(Served(make())) as served, Client(served.grpc) as client:
        assert client.ask().rcode() == dns.rcode.NOERROR
        slow = client.query.future(query("a.slow.test."), timeout=10)
        time.sleep(0.3)
        before = served.server.children()
        assert served.server.reload().returncode == 0
        assert dns.message.from_wire(slow.result()).rcode() == dns.rcode.SERVFAIL  # nobody answers there
        until(lambda: not set(before.values()) & set(served.server.children().values()))
        assert client.ask().rcode() == dns.rcode.NOERROR
