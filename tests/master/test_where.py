"""Which kernel addresses a listener means."""

import errno

import pytest

from shardns.config.model import Listening
from shardns.master import where
from shardns.master.checker import resolved
from shardns.master.sockets import _count
from shardns.master.where import ListenError, Where, endpoint, places


@pytest.fixture(autouse=True)
def _ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, "has_ipv6", lambda: True)


def one(host: str = "", transport: str = "dns", port: int = 53) -> Listening:
    return Listening(transport, host, port, ())


def hosts(*listeners: Listening) -> list[tuple[str, bool]]:
    return [(place.host, place.dual) for one in listeners for place in places(one, listeners) if place.kind == "tcp"]


def test_plain_dns_is_tcp_and_udp() -> None:
    assert [place.kind for place in places(one(), (one(),))] == ["tcp", "udp"]


@pytest.mark.parametrize(("transport", "kind"), [("tls", "tcp"), ("https", "tcp"), ("grpc", "tcp"), ("quic", "udp")])
def test_other_transports_have_one_socket(transport: str, kind: str) -> None:
    listening = one(transport=transport)
    assert [place.kind for place in places(listening, (listening,))] == [kind]


@pytest.mark.parametrize("host", ["", "::", "0.0.0.0"])
def test_a_lone_wildcard_is_dual_stack_as_in_go(host: str) -> None:
    assert hosts(one(host)) == [("::", True)]


def test_both_wildcards_are_kept_apart_by_family() -> None:
    assert hosts(one("0.0.0.0"), one("::")) == [("0.0.0.0", False), ("::", False)]


def test_other_ports_do_not_matter() -> None:
    assert hosts(one("0.0.0.0"), one("::", port=54)) == [("::", True), ("::", True)]


def test_without_ipv6_the_wildcard_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, "has_ipv6", lambda: False)
    assert hosts(one("")) == [("0.0.0.0", False)]


def test_addresses_are_taken_as_they_are() -> None:
    assert hosts(one("127.0.0.1"), one("::1")) == [("127.0.0.1", False), ("::1", False)]


def test_two_transports_on_one_address_are_two_places() -> None:
    plain, tls = one(), one(transport="tls")
    assert not set(places(plain, (plain, tls))) & set(places(tls, (plain, tls)))


@pytest.mark.parametrize(
    ("listening", "kind", "number", "text"),
    [
        (one(), "tcp", errno.EADDRINUSE, "Listen: listen tcp :53: bind: address already in use"),
        (one(), "udp", errno.EACCES, "ListenPacket: listen udp :53: bind: permission denied"),
        (
            one("192.0.2.1"),
            "tcp",
            errno.EADDRNOTAVAIL,
            "Listen: listen tcp 192.0.2.1:53: bind: cannot assign requested address",
        ),
        (one("::1"), "tcp", errno.EADDRINUSE, "Listen: listen tcp [::1]:53: bind: address already in use"),
    ],
)
def test_errors_are_told_in_the_references_words(listening: Listening, kind: str, number: int, text: str) -> None:
    place = next(place for place in places(listening, (listening,)) if place.kind == kind)
    assert str(ListenError(place, OSError(number, ""))) == text


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (":8080", Where("tcp", "::", 8080, True, ":8080", "http")),
        ("127.0.0.1:9153", Where("tcp", "127.0.0.1", 9153, False, "127.0.0.1:9153", "http")),
        ("localhost:9153", Where("tcp", "127.0.0.1", 9153, False, "127.0.0.1:9153", "http")),
        ("[::1]:9153", Where("tcp", "::1", 9153, False, "[::1]:9153", "http")),
    ],
)
def test_endpoints(address: str, place: Where) -> None:
    assert endpoint(address) == place


@pytest.mark.parametrize(("asked", "slots", "count"), [(0, 2, 2), (1, 2, 2), (3, 2, 4), (2, 4, 4), (1024, 3, 1026)])
def test_every_slot_has_as_many_sockets_and_together_they_are_enough(asked: int, slots: int, count: int) -> None:
    assert _count(asked, slots) == count


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("bla:a", "listen tcp: lookup tcp/a: unknown port"),
        (":99999", "listen tcp: address 99999: invalid port"),
        ("bla.invalid:1", "listen tcp: lookup bla.invalid: no such host"),
    ],
)
def test_endpoints_that_are_nowhere(address: str, complaint: str) -> None:
    assert resolved(address) == complaint


def test_the_port_of_an_endpoint_may_be_missing() -> None:
    where = resolved("127.0.0.1:")
    assert isinstance(where, Where)
    assert where.port == 0
