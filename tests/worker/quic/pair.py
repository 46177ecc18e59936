"""A client of the library's and our side of a connection, with nothing between."""

from __future__ import annotations

import datetime
import ssl

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from shardns.worker.quic.cids import LENGTH, Issuer, Origin
from shardns.worker.quic.credentials import WINDOW_BYTES, Credentials
from shardns.worker.quic.transport import Transport

SECRET = bytes(32)
CLIENT, SERVER = ("192.0.2.1", 1), ("192.0.2.2", 2)


def credentials(alpn: str) -> Credentials:
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
        alpn_protocols=[alpn],
        connection_id_length=LENGTH,
        max_stream_data=WINDOW_BYTES,
        max_data=2 * WINDOW_BYTES,
    )
    configuration.certificate, configuration.private_key = certificate, key
    return Credentials(configuration)


class Pair:
    """A client and our side with nothing between; `now` passes only when it is told to."""

    def __init__(self, max_streams: int = 10, alpn: str = "doq") -> None:
        self.now = 1000.0
        self.address = CLIENT
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE)
        self.client = QuicConnection(configuration=configuration)
        self.client.connect(SERVER, self.now)
        self.server = Transport(
            credentials(alpn),
            Issuer(SECRET, Origin(5, 1), 1, 3),
            SECRET,
            max_streams,
            original=self.client.original_destination_connection_id,
        )
        self.seen: list[QuicEvent] = []  # by the server
        self.heard: list[QuicEvent] = []  # by the client
        self.exchange()

    def exchange(self) -> None:
        """Let packets go both ways until there are no more."""
        for _ in range(50):
            self.now += 0.03  # acknowledgements and paced packets become due
            there = self.client.datagrams_to_send(self.now)
            for data, _ in there:
                self.server.receive_datagram(data, self.address, self.now)
            while (event := self.server.next_event()) is not None:
                self.seen.append(event)
            back = self.server.datagrams_to_send(self.now)
            for data, _ in back:
                self.client.receive_datagram(data, SERVER, self.now)
            while (event := self.client.next_event()) is not None:
                self.heard.append(event)
            if not there and not back:
                return
