"""prometheus: what is counted under which labels, what a repetition counts again, and what is refused."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.model import Key
from shardns.plugins.prometheus.delimited import encode
from shardns.plugins.prometheus.page import Page, wants_protobuf
from shardns.plugins.prometheus.prometheus import Options, Prometheus, plugin_enabled
from shardns.plugins.prometheus.webconfig import WebConfig, matches
from shardns.plugins.prometheus.webyaml import load
from shardns.worker import core_metrics, log, metrics
from shardns.worker.address import to_sockaddr
from shardns.worker.exposition import SeatsCollector, text
from shardns.worker.http import Request as HttpRequest
from shardns.worker.http import Response, Server
from shardns.worker.listener import Listener
from shardns.worker.query import Query, Request
from shardns.worker.reply import DROP, Refused, Reply, ServFail
from shardns.worker.stream import Stream
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section

ZONE = from_text("example.org.")


@pytest.fixture(autouse=True)
def seat(tmp_path: Path) -> Iterator[None]:
    before = metrics.seat
    metrics.open(tmp_path, 0)
    core_metrics.runtime_zones.clear()
    yield
    metrics.use(before)


def built(*zones: str, view: str = "") -> Prometheus:
    wires = tuple(from_text(zone) for zone in zones or ("example.org.",))
    block = SimpleNamespace(index=0, keys=tuple(Key("dns", zone, 53) for zone in wires), hosts=("127.0.0.1",))
    site: Any = SimpleNamespace(zones=wires, block=block, view=view, logger=lambda _name: None)
    plugin = Prometheus(Options(), site)
    site.plugins = [plugin, SimpleNamespace(directive="errors"), SimpleNamespace(directive="hosts")]
    return plugin


def query(name: str = "a.example.org.", qtype: int = 1, via: str = "udp", edns: Edns | None = None) -> Query:
    wire = from_text(name)
    size = 12 + len(wire) + 4 + (11 if edns else 0)
    request = Request(
        Listener(0, "dns://127.0.0.1:53", "dns", "127.0.0.1", 53), to_sockaddr("192.0.2.1", 9), 1, via, 0.0, size
    )
    return Query(request, 1, 0x100, wire.lower(), wire, qtype, 1, edns)


ANSWER = Section([RRset(from_text("a.example.org."), 1, 3600, (bytes(4),))])


def run(plugin: Prometheus, asked: Query, outcome: Any) -> Query:
    steps = plugin.around(asked)
    assert next(steps) is asked
    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)):
            steps.throw(outcome)
    else:
        assert steps.send(outcome) is outcome
    return asked


def shown(tmp_path: Path, name: str) -> list[str]:
    page = text(SeatsCollector(tmp_path, 0).collect()).decode()
    return [line.removeprefix(f"coredns_{name}") for line in page.splitlines() if line.startswith(f"coredns_{name}")]


def test_queries_are_counted_as_the_reference_counts_them(tmp_path: Path) -> None:
    plugin = built()
    for asked in (query(), query(), query(via="tcp"), query(edns=Edns(flags=DO)), query(qtype=65280)):
        run(plugin, asked, Reply(0, answer=ANSWER if asked.qtype == 1 else Section()))
    run(plugin, query(qtype=15), ServFail("x"))
    where = 'server="dns://127.0.0.1:53"'
    assert shown(tmp_path, "dns_requests_total") == [
        f'{{family="1",proto="tcp",{where},type="A",view="",zone="example.org."}} 1',
        f'{{family="1",proto="udp",{where},type="A",view="",zone="example.org."}} 3',
        f'{{family="1",proto="udp",{where},type="MX",view="",zone="example.org."}} 1',
        f'{{family="1",proto="udp",{where},type="other",view="",zone="example.org."}} 1',
    ]
    assert shown(tmp_path, "dns_responses_total") == [
        f'{{plugin="",rcode="SERVFAIL",{where},view="",zone="example.org."}} 1',
        f'{{plugin="errors",rcode="NOERROR",{where},view="",zone="example.org."}} 5',
    ]
    assert shown(tmp_path, "dns_do_requests_total") == [f'{{{where},view="",zone="example.org."}} 1']
    assert shown(tmp_path, "dns_request_size_bytes_sum")[1:] == [
        f'{{proto="udp",{where},view="",zone="example.org."}} {4 * 31 + 42}'
    ]
    assert shown(tmp_path, "dns_response_size_bytes_sum")[1:] == [
        f'{{proto="udp",{where},view="",zone="example.org."}} {3 * 60 + 31}'
    ]
    assert shown(tmp_path, "dns_request_duration_seconds_count") == [f'{{{where},view="",zone="example.org."}} 6']


def test_a_repetition_counts_everything_again(tmp_path: Path) -> None:
    asked = run(built(), query(edns=Edns(flags=DO)), Reply(0, answer=ANSWER))
    names = (
        "dns_requests_total",
        "dns_responses_total",
        "dns_do_requests_total",
        "dns_request_size_bytes",
        "dns_response_size_bytes",
    )
    before = [shown(tmp_path, name) for name in names]
    metrics.repeat(asked.request.series, 2)
    tripled = [[line.rpartition(" ")[0] + f" {3 * int(line.rpartition(' ')[2])}" for line in lines] for lines in before]
    assert [shown(tmp_path, name) for name in names] == tripled
    assert shown(tmp_path, "dns_request_duration_seconds_count")[0].endswith(" 3")


def test_an_answer_of_several_messages_counts_once_with_the_size_of_all(tmp_path: Path) -> None:
    steps = built().around(query())
    next(steps)
    outcome = steps.send(Stream(Reply(0, answer=ANSWER), iter([None, Reply(0, answer=ANSWER)])))
    assert isinstance(outcome, Stream)
    assert len(list(outcome.parts)) == 2
    assert [line.rpartition(" ")[2] for line in shown(tmp_path, "dns_response_size_bytes_sum")] == [str(2 * 60)]
    assert [line.rpartition(" ")[2] for line in shown(tmp_path, "dns_responses_total")] == ["1"]


def test_an_answer_that_is_not_repeated_lists_nothing() -> None:
    asked = query()
    asked.once()
    assert run(built(), asked, Reply(0)).request.series == []


@pytest.mark.parametrize(
    ("outcome", "labels"),
    [
        (DROP, 'plugin="",rcode="NOERROR"'),
        (Refused(), 'plugin="",rcode="REFUSED"'),
        (Reply(12), 'plugin="errors",rcode="RCODE12"'),
    ],
)
def test_rcodes_of_what_was_not_written(tmp_path: Path, outcome: Any, labels: str) -> None:
    run(built(), query(), outcome)
    assert shown(tmp_path, "dns_responses_total")[0].startswith(f"{{{labels},")


def test_the_longest_zone_of_the_block_is_the_label(tmp_path: Path) -> None:
    plugin = built("org.", "example.org.")
    for name in ("a.example.org.", "b.org.", "c.net."):
        run(plugin, query(name), Reply(0))
    core_metrics.runtime_zones[0].add(from_text("c.net."))
    run(plugin, query("c.net."), Reply(0))
    zones = [
        line.partition('zone="')[2]
        for line in shown(tmp_path, "dns_do_requests_total") or shown(tmp_path, "dns_responses_total")
    ]
    assert zones == ['."} 1', 'c.net."} 1', 'example.org."} 1', 'org."} 1']


def test_a_rewritten_type_is_the_one_counted(tmp_path: Path) -> None:
    asked = query()
    asked.request.rewritten = asked.ask(qtype=28)
    run(built(), asked, Reply(0))
    assert 'type="AAAA"' in shown(tmp_path, "dns_requests_total")[0]


def test_what_the_core_refuses_is_dropped(tmp_path: Path) -> None:
    asked = query("google.com.", edns=Edns())
    core_metrics.count_dropped(asked, asked.reply(5))
    core_metrics.count_panic()
    assert shown(tmp_path, "dns_responses_total") == [
        '{plugin="",rcode="REFUSED",server="dns://127.0.0.1:53",view="",zone="dropped"} 1'
    ]
    assert shown(tmp_path, "dns_response_size_bytes_sum")[0].endswith(" 39")  # with the OPT that the core adds
    assert shown(tmp_path, "panics_total") == [" 1"]


def test_chain_plugins_are_shown_for_the_first_zone(tmp_path: Path) -> None:
    built("example.org.", "example.net.").enable()
    assert shown(tmp_path, "plugin_enabled") == [
        f'{{name="{name}",server="dns://127.0.0.1:53",view="",zone="example.org."}} 1'
        for name in ("errors", "hosts", "prometheus")
    ]
    plugin_enabled.clear()
    assert shown(tmp_path, "plugin_enabled") == []


def test_protobuf_is_for_who_prefers_it() -> None:
    prometheus = (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    )
    assert wants_protobuf(prometheus)
    assert not wants_protobuf(prometheus.replace("q=0.6", "q=0.2"))
    assert not wants_protobuf("text/plain")
    assert not wants_protobuf("application/openmetrics-text;version=1.0.0,text/plain;q=0.5;proto=x")


def test_protobuf_has_the_messages_of_the_exposition_format(tmp_path: Path) -> None:
    run(built(), query(), Reply(0))
    families = [f for f in SeatsCollector(tmp_path, 0).collect() if f.name == "coredns_dns_responses"]
    labels = {
        "plugin": "errors",
        "rcode": "NOERROR",
        "server": "dns://127.0.0.1:53",
        "view": "",
        "zone": "example.org.",
    }
    pairs = b""
    for key, value in labels.items():
        pair = bytes((0x0A, len(key))) + key.encode() + bytes((0x12, len(value))) + value.encode()
        pairs += bytes((0x0A, len(pair))) + pair
    metric = pairs + b"\x1a\x09\x09" + b"\0\0\0\0\0\0\xf0\x3f"
    head = b"\x0a\x1bcoredns_dns_responses_total\x12" + bytes((len(families[0].documentation),))
    body = head + families[0].documentation.encode() + b"\x18\x00\x22" + bytes((len(metric),)) + metric
    assert encode(families) == bytes((len(body) & 0x7F | 0x80, len(body) >> 7)) + body


def test_runtime_metrics_stay_when_a_later_configuration_does_not_ask_for_them(tmp_path: Path) -> None:
    def shows(full: bool) -> bool:
        scope: Any = SimpleNamespace(generation=SimpleNamespace(folder=tmp_path, table={}))
        return any(family.name.startswith("python_gc") for family in Page.shared(scope, 0, full).registry.collect())

    assert [shows(full) for full in (False, True, False)] == [False, True, True]


def test_the_yaml_of_web_configurations() -> None:
    found = load(
        "# comment\n---\ntls_server_config:\n  cert_file: 'a b.pem' # c\n  client_auth_type: \"NoClientCert\"\n"
        "  cipher_suites:\n  - A\n  - B\nbasic_auth_users:\n    alice: $2y$10$x:y\nhttp_server_config: {}\n"
    )
    assert found["tls_server_config"] == {
        "cert_file": "a b.pem",
        "client_auth_type": "NoClientCert",
        "cipher_suites": ["A", "B"],
    }
    assert found["basic_auth_users"] == {"alice": "$2y$10$x:y"}
    assert load("") == {}


@pytest.mark.parametrize("junk", ["junk", "a: 1\n  b: 2", "- a", "a: 1\na: 2", "\ta: 1"])
def test_other_text_is_refused(junk: str) -> None:
    with pytest.raises(ValueError, match="yaml: line"):
        load(junk)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("tls_server_config:\n  key_file: k", "missing one of cert"),
        ("tls_server_config:\n  cert_file: c", "missing one of key"),
        ("surprise: 1", "field surprise not found"),
        ("tls_server_config: 1", "not a mapping"),
        ("tls_server_config:\n  cert_file: c\n  key_file: k\n  min_version: SSL3", "unknown TLS version"),
    ],
)
def test_a_bad_web_configuration_is_refused(tmp_path: Path, config: str, problem: str) -> None:
    file = tmp_path / "web.yml"
    file.write_text(config)
    with pytest.raises(ValueError, match=problem):
        WebConfig.read(str(file))


def test_an_empty_web_configuration_is_plain_http(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("")
    assert WebConfig.read(str(file)) == WebConfig()


def test_a_missing_certificate_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config:\n  cert_file: none.pem\n  key_file: none.key\n")
    with pytest.raises((OSError, ssl.SSLError)):
        WebConfig.read(str(file))


def test_users_are_checked_against_bcrypt(tmp_path: Path) -> None:
    # A published test vector of crypt_blowfish.
    hashed = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    assert matches("U*U", hashed)
    assert not matches("U*V", hashed)
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users:\n  alice: {hashed}\n")
    guard = WebConfig.read(str(file)).guard
    assert guard is not None
    good = HttpRequest("GET", "/metrics", "", {"authorization": "Basic YWxpY2U6VSpV"})
    assert guard(good) is None
    for headers in ({}, {"authorization": "Basic !"}, {"authorization": "Basic Ym9iOlUqVQ=="}):
        refused = guard(HttpRequest("GET", "/metrics", "", headers))
        assert refused is not None
        assert refused.status == 401


def test_a_missing_tls_file_is_logged_and_nothing_is_opened(capfd: pytest.CaptureFixture[str]) -> None:
    log.flush()  # what others left behind
    capfd.readouterr()
    plugin = built()
    plugin.options = Options(tls="/nonexistent/web.yml")
    asyncio.run(plugin.start(SimpleNamespace()))  # type: ignore[arg-type]  # not reached
    assert capfd.readouterr().out == "[ERROR] TLS config file does not exist: /nonexistent/web.yml\n"


def test_a_missing_certificate_is_not_taken_for_a_missing_web_configuration(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.yml").write_text("tls_server_config:\n  cert_file: none.pem\n  key_file: none.pem\n")
    log.flush()  # what others left behind
    capfd.readouterr()
    plugin = built()
    plugin.options = Options(tls=str(tmp_path / "web.yml"))
    asyncio.run(plugin.start(SimpleNamespace()))  # type: ignore[arg-type]  # not reached
    assert capfd.readouterr().out.startswith("[ERROR] Failed to start HTTPS metrics server: [Errno 2] No such file")


def test_that_nobody_can_listen_is_left_to_who_found_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log.flush()  # what others left behind
    capfd.readouterr()
    scope: Any = SimpleNamespace(generation=SimpleNamespace(folder=tmp_path, table={}), endpoint=lambda _address: None)
    plugin = built()
    plugin.options = Options(address="localhost:99999")
    asyncio.run(plugin.start(scope))
    assert (plugin.release, capfd.readouterr().out) == (None, "")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("prometheus", "localhost:9153"), ("prometheus localhost:53", "localhost:53"), ("prometheus :0", ":0"),
        ("prometheus localhost:53 {\nruntime_metrics\n}", "localhost:53"), ("prometheus [::1]:1", "[::1]:1"),
    ],
)  # fmt: skip
def test_what_is_accepted(line: str, address: str) -> None:
    assert Options.read(line).address == address


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("prometheus {}", "plugin/prometheus: address {}: missing port in address"),
        ("prometheus /foo", "plugin/prometheus: address /foo: missing port in address"),
        ("prometheus a b c", "Wrong argument count"),
        ("prometheus {\nruntime_metrics extra_arg\n}", "Wrong argument count"),
        ("prometheus {\ntls\n}", "Wrong argument count"),
        ("prometheus {\ntls a\ntls b\n}", "tls block already specified"),
        ("prometheus {\nbogus\n}", "unknown option: bogus"),
        ("prometheus\nprometheus", "this plugin can only be used once per Server Block"),
        ("prometheus a:b:c", "address a:b:c: too many colons in address"),
    ],
)
def test_what_is_refused(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(line)
    assert problem in caught.value.text


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate for 127.0.0.1, its key, and a web configuration that names both."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "web.yml").write_text("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n")
    return tmp_path


async def fetched(where: tuple[str, int], tls: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(*where, ssl=tls)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n", 1)[0]


@pytest.mark.system
@pytest.mark.parametrize(
    ("kind", "anonymous"),
    [
        ("", True),
        ("RequireAndVerifyClientCert", False),
        ("VerifyClientCertIfGiven", True),
        ("RequireAnyClientCert", False),
        ("RequireClientCert", False),
        ("RequestClientCert", True),
    ],
)
def test_an_endpoint_with_a_certificate_speaks_https_alone(certificate: Path, kind: str, anonymous: bool) -> None:
    if kind:
        authority = "  client_ca_file: cert.pem\n" if "Verify" in kind else ""
        with (certificate / "web.yml").open("a") as file:
            file.write(f"  client_auth_type: {kind}\n{authority}")
    client = ssl.create_default_context(cafile=certificate / "cert.pem")

    async def main() -> None:
        config = WebConfig.read(str(certificate / "web.yml"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            where = listener.getsockname()
            server = Server({"/metrics": lambda _request: Response(200, b"")}, config.context)
            server.start(listener)
            assert await fetched(where, None) == b"HTTP/1.0 400 Bad Request"
            try:
                answer = await fetched(where, client)
            except (ssl.SSLError, ConnectionError):
                answer = b""
            assert answer == (b"HTTP/1.1 200 OK" if anonymous else b"")
            client.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
            assert await fetched(where, client) == b"HTTP/1.1 200 OK"
            await server.close()

    asyncio.run(main())


def test_the_system_s_authorities_count_where_none_is_named(certificate: Path) -> None:
    with (certificate / "web.yml").open("a") as file:
        file.write("  client_auth_type: RequireAndVerifyClientCert\n")
    context = WebConfig.read(str(certificate / "web.yml")).context
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_busy_address_is_complained_about_in_the_words_of_the_reference() -> None:
    draft = Draft()
    Options.read("prometheus :1", draft)
    assert [one.complaint for one in draft.endpoints] == ["Failed to start metrics handler"]
