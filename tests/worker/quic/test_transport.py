"""The library's connection with our bounds: what a client can make us keep, and the private names this rests on."""

from __future__ import annotations

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

pytest.importorskip("aioquic")
from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent, StreamDataReceived
from aioquic.quic.packet import QuicErrorCode

from shardns.worker.quic.cids import LENGTH, Issuer, Origin, home, origin, reset_token
from shardns.worker.quic.credentials import WINDOW_BYTES, Credentials
from shardns.worker.quic.transport import MOST_CIDS, Transport

SECRET = bytes(32)
CLIENT, SERVER = ("192.0.2.1", 1), ("192.0.2.2", 2)


def credentials() -> Credentials:
    """Return a fresh key with a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dns.test")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    ).sign(key, hashes.SHA256())
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=["doq"],
        connection_id_length=LENGTH,
        max_stream_data=WINDOW_BYTES,
        max_data=2 * WINDOW_BYTES,
    )
    configuration.certificate, configuration.private_key = certificate, key
    return Credentials(configuration)


class Pair:
    """A client and our side with nothing between; `now` passes only when it is told to."""

    def __init__(self, max_streams: int = 10) -> None:
        self.now = 1000.0
        configuration = QuicConfiguration(is_client=True, alpn_protocols=["doq"], verify_mode=ssl.CERT_NONE)
        self.client = QuicConnection(configuration=configuration)
        self.client.connect(SERVER, self.now)
        self.server = Transport(
            credentials(),
            Issuer(SECRET, Origin(5, 1), 1, 3),
            SECRET,
            max_streams,
            original=self.client.original_destination_connection_id,
        )
        self.seen: list[QuicEvent] = []
        self.exchange()

    def exchange(self) -> None:
        """Let packets go both ways until there are no more."""
        for _ in range(50):
            self.now += 0.03  # acknowledgements and paced packets become due
            there = self.client.datagrams_to_send(self.now)
            for data, _ in there:
                self.server.receive_datagram(data, CLIENT, self.now)
            while (event := self.server.next_event()) is not None:
                self.seen.append(event)
            back = self.server.datagrams_to_send(self.now)
            for data, _ in back:
                self.client.receive_datagram(data, SERVER, self.now)
            while self.client.next_event() is not None:
                continue
            if not there and not back:
                return


def test_all_connection_ids_lead_here() -> None:
    pair = Pair()
    issued = [one.cid for one in pair.server._host_cids]
    assert len(issued) == MOST_CIDS
    assert all(home(cid, 3) == 1 and origin(SECRET, cid) == (5, 1) for cid in issued)
    known = [pair.client._peer_cid, *pair.client._peer_cid_available]
    assert {one.cid: one.stateless_reset_token for one in known} == {cid: reset_token(SECRET, cid) for cid in issued}


def test_streams_opened_are_counted_though_they_carry_nothing() -> None:
    pair = Pair()
    pair.client.send_stream_data(4 * 6, b"x")
    pair.client._local_next_stream_id_bidi = 28
    pair.exchange()
    assert pair.server.opened == 7


def test_streams_beyond_the_limit_wait_at_the_client() -> None:
    pair = Pair(max_streams=3)
    for number in range(5):
        pair.client.send_stream_data(4 * number, b"x", True)
    pair.exchange()
    assert pair.server.opened == 3
    pair.server.send_stream_data(0, b"y", True)
    pair.exchange()
    assert pair.server.opened == 4


def test_a_stream_that_was_answered_makes_room_without_its_end() -> None:
    pair = Pair(max_streams=2)
    for number in range(6):
        pair.client.send_stream_data(4 * number, b"x")
        pair.exchange()
        pair.server.finish_reading(4 * number)
        pair.server.send_stream_data(4 * number, b"y", True)
        pair.exchange()
    assert pair.server.opened == 6
    assert not pair.server._streams


def test_a_stream_gets_no_more_credit_than_a_request_needs() -> None:
    pair = Pair()
    pair.client.send_stream_data(0, bytes(4 * WINDOW_BYTES))
    for _ in range(30):
        pair.exchange()
    assert sum(len(event.data) for event in pair.seen if isinstance(event, StreamDataReceived)) == WINDOW_BYTES


def test_gaps_in_many_streams_do_not_earn_credit() -> None:
    pair = Pair()
    for number in range(10):  # a client that breaks off before the last octet of each window
        stream = pair.client._get_or_create_stream_for_send(4 * number)
        stream.sender.write(bytes(WINDOW_BYTES))
        stream.sender._pending.subtract(0, WINDOW_BYTES - 1)
    for _ in range(10):
        pair.exchange()
    assert pair.server.held() <= 3 * WINDOW_BYTES


def test_credit_for_the_connection_goes_on_while_streams_are_read() -> None:
    pair = Pair(max_streams=100)
    for number in range(30):
        pair.client.send_stream_data(4 * number, bytes(60_000), True)
        for _ in range(20):
            pair.exchange()
    assert sum(len(event.data) for event in pair.seen if isinstance(event, StreamDataReceived)) == 30 * 60_000


def test_handshake_messages_far_ahead_end_the_connection() -> None:
    pair = Pair()
    sender = pair.client._crypto_streams[tls.Epoch.ONE_RTT].sender
    sender.write(bytes(100_000))
    sender._pending.subtract(0, 90_000)  # nothing of it comes that could be read
    for _ in range(30):
        pair.exchange()
    assert pair.server._close_event is not None
    assert pair.server._close_event.error_code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


def test_an_answer_takes_the_acknowledgement_along() -> None:
    pair = Pair()
    pair.client.send_stream_data(0, b"x", True)
    for data, _ in pair.client.datagrams_to_send(pair.now):
        pair.server.receive_datagram(data, CLIENT, pair.now)
    pair.server.send_stream_data(0, b"y", True)
    assert len(pair.server.datagrams_to_send(pair.now)) == 1
    assert all(space.ack_at is None for space in pair.server._spaces.values())
