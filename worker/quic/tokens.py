"""Tokens that prove a client's address: it comes back with one from where it was sent (RFC 9000 §8.1.2).

The key is the server's, so that a token holds with every worker, through reloads as well.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import TYPE_CHECKING

from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicHeader, QuicPacketType, encode_quic_retry
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.retry import QuicRetryTokenHandler
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from .seat import QuicSeat
    from .way import Way

_CLOSE_BYTES = 25


class Tokens:
    """Makes and judges tokens."""

    def __init__(self, secret: bytes) -> None:
        self._handler = QuicRetryTokenHandler()
        self._handler._aead = AESGCM(blake2s(secret, digest_size=16, person=b"retry").digest())

    def retry(self, seat: QuicSeat, header: QuicHeader, way: Way, now: float) -> None:
        """Send a client a token instead of beginning a connection; nothing of it is kept."""
        assert header.version is not None
        cid = seat.issuer.issue()
        token = self._handler.create_token(
            address=way.peer,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=cid,
            now=now,
        )
        packet = encode_quic_retry(
            version=header.version,
            source_cid=cid,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        seat.send(packet, way)

    def original(self, header: QuicHeader, way: Way, now: float) -> bytes | None:
        """Return the connection ID that a proved client began with, None for a token that is not good."""
        try:
            return self._handler.validate_token(
                address=way.peer, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return None

    def refuse(self, seat: QuicSeat, header: QuicHeader, way: Way) -> None:
        """Tell a client that its token is not good (RFC 9000 §8.1.3)."""
        assert header.version is not None
        crypto = CryptoPair()
        crypto.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
        builder = QuicPacketBuilder(
            host_cid=header.destination_cid,
            is_client=False,
            max_datagram_size=seat.credentials.configuration.max_datagram_size,
            peer_cid=header.source_cid,
            version=header.version,
        )
        builder.start_packet(QuicPacketType.INITIAL, crypto)
        frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=_CLOSE_BYTES)
        frame.push_uint_var(QuicErrorCode.INVALID_TOKEN)
        frame.push_uint_var(QuicFrameType.PADDING)
        frame.push_uint_var(0)
        seat.send(builder.flush()[0][0], way)
