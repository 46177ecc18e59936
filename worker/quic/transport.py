"""The library's QUIC connection, with connection IDs that lead here and bounds on what a client can make us keep.

1. This module alone touches private names of aioquic, whose version is pinned for it; `tests/worker/quic` holds it to
   what they must do.
2. Credit for data is given by what is still buffered, never by what came: a client that leaves gaps runs out of it.
3. Frames cost us the more the smaller they are: datagrams that are full of crumbs spend the client's patience.
4. What a client never acknowledges is kept only as far as the congestion window goes; acknowledgements are not.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionError,
    QuicConnectionId,
    QuicConnectionState,
    QuicReceiveContext,
    stream_is_client_initiated,
    stream_is_unidirectional,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from ..h2.calm import Calm
from .cids import reset_token
from .credentials import WINDOW_BYTES

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicNetworkPath
    from aioquic.quic.packet_builder import QuicPacketBuilder
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

    from .cids import Issuer
    from .credentials import Credentials

MAX_CRYPTO_BYTES = 1 << 16  # of a client's handshake messages
BUFFERED_BYTES = 1 << 17  # of a connection that may lie beyond a gap before credit is withheld
SMALL_BYTES = 1024  # of our handshake messages that are no certificate
MOST_CIDS = 4  # of a connection at a time
MOST_GAPS = 128  # in what came of a stream; the largest request fits into 60 packets
GAP_BYTES = 128  # what we need to remember one
MOST_ACKS = 256  # packets that need no acknowledgement and wait for one all the same
USUAL_FRAMES = 64  # of a datagram; queries that are sent together take 20 to 30
FRAMES_A_COST = 16  # beyond the usual ones; see `Calm` for what that buys
LINGER_S = 1.0  # for packets behind our close (RFC 9000 §10.2.1), however slow the client says it is
LEAST_UNI_STREAMS = 3  # RFC 9114 §6.2: control, QPACK encoder, QPACK decoder
_HANDLERS = "_QuicConnection__frame_handlers"
logging.getLogger("quic").disabled = True  # what clients do wrong is counted, not logged


class Transport(QuicConnection):
    """One client's connection. `max_streams` bounds the streams it has open at a time; 0 is the library's number."""

    def __init__(
        self,
        credentials: Credentials,
        issuer: Issuer,
        secret: bytes,
        max_streams: int,
        original: bytes,
        retried: bytes | None = None,
    ) -> None:
        super().__init__(
            configuration=credentials.configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        self._credentials = credentials
        self._issuer = issuer
        self._secret = secret
        self._prune_at = MOST_ACKS
        self._calm: Calm | None = None
        self._frames = vars(self)[_HANDLERS] = Frames(vars(self)[_HANDLERS])
        first = self._host_cids[0]
        first.cid = issuer.issue()
        first.stateless_reset_token = reset_token(secret, first.cid)
        self.host_cid = self._local_initial_source_connection_id = first.cid
        if max_streams:
            for limit, most in (
                (self._local_max_streams_bidi, max_streams),
                (self._local_max_streams_uni, max(max_streams, LEAST_UNI_STREAMS)),
            ):
                limit.value = limit.sent = most

    # What others ask ------------------------------------------------------------------------------------------------

    @property
    def opened(self) -> int:
        """How many bidirectional streams the client has opened so far, those without data included."""
        return self._local_max_streams_bidi.used

    @property
    def begun(self) -> bool:
        """Whether a packet of the client could be read."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def left(self) -> bool:
        """Whether the client has closed it: nothing more comes, and nothing may be sent (RFC 9000 §10.2.2)."""
        return self._state is QuicConnectionState.DRAINING

    @property
    def proved(self) -> Hashable:
        """The last address from which the client has answered; it may be going on from another (RFC 9000 §9.3)."""
        paths = self._network_paths
        address: Hashable = next((path.addr for path in paths if path.is_validated), paths[0].addr)
        return address

    def unsent(self, stream_id: int) -> int:
        """Return how much of an answer the client has not acknowledged."""
        stream = self._streams.get(stream_id)
        return len(stream.sender._buffer) if stream is not None else 0

    def held(self) -> int:
        """Return the octets kept for all streams: what came behind gaps, the gaps, and answers not taken."""
        return sum(
            len(one.receiver._buffer) + len(one.sender._buffer) + GAP_BYTES * len(one.receiver._ranges)
            for one in self._streams.values()
        )

    def finish_reading(self, stream_id: int) -> None:
        """Forget the client's half of a stream: what more it sends there is not looked at."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.receiver.is_finished = True

    def judge_client(self) -> int:
        """Return the error with which the client's certificate is refused, 0 where it may stay (`client_auth`)."""
        mode = self._credentials.client_auth
        certificate = self.tls._peer_certificate
        if certificate is None:
            missing = mode in ("require", "require_and_verify")
            return QuicErrorCode.CRYPTO_ERROR + tls.AlertDescription.certificate_required if missing else 0
        if mode not in ("verify_if_given", "require_and_verify"):
            return 0
        try:
            tls.verify_certificate(certificate, self.tls._peer_certificate_chain, cadata=self._credentials.ca or b"")
        except tls.Alert as alert:
            return QuicErrorCode.CRYPTO_ERROR + int(alert.description)
        return 0

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Send on a stream, and acknowledge what came with the same packet instead of a little later with another.

        Nothing goes out on a stream that the client does not want to hear any more.
        """
        stream = self._streams.get(stream_id)
        if stream.sender._reset_error_code is not None if stream else stream_is_client_initiated(stream_id):
            return
        super().send_stream_data(stream_id, data, end_stream)
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        if space is not None and space.ack_at is not None:
            space.ack_at = 0.0

    def receive_datagram(self, data: bytes, addr: Hashable, now: float) -> None:
        """Take a datagram; a client whose datagrams are crumbs again and again loses its connection."""
        frames = self._frames
        frames.seen = 0
        super().receive_datagram(data, addr, now)
        excess = frames.seen - USUAL_FRAMES
        if excess > 0:
            self._calm = self._calm or Calm(now)
            if not self._calm.spend(excess / FRAMES_A_COST, now):
                self.close(QuicErrorCode.INTERNAL_ERROR, QuicFrameType.PADDING, "much ado about nothing")

    # What the library asks ------------------------------------------------------------------------------------------

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        # The library's are 16 KiB each; only the certificate takes more than this, and only until it was shown.
        for epoch in (tls.Epoch.INITIAL, tls.Epoch.ONE_RTT):
            self._crypto_buffers[epoch] = Buffer(capacity=SMALL_BYTES)
        self.tls._request_client_certificate = self._credentials.client_auth != "nocert"

    def _discard_epoch(self, epoch: tls.Epoch) -> None:
        super()._discard_epoch(epoch)
        if epoch is tls.Epoch.HANDSHAKE:
            self._crypto_buffers[epoch] = Buffer(capacity=SMALL_BYTES)

    def _replenish_connection_ids(self) -> None:
        while len(self._host_cids) < min(MOST_CIDS, self._remote_active_connection_id_limit):
            cid = self._issuer.issue()
            token = reset_token(self._secret, cid)
            self._host_cids.append(QuicConnectionId(cid, self._host_cid_seq, token))
            self._host_cid_seq += 1

    def _handle_crypto_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        if buf.pull_uint_var() + buf.pull_uint_var() > MAX_CRYPTO_BYTES:
            raise QuicConnectionError(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "too much crypto data")
        buf.seek(start)
        super()._handle_crypto_frame(context, frame_type, buf)
        self._judge_gaps(self._crypto_streams[context.epoch], frame_type)

    def _handle_stream_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        stream_id = buf.pull_uint_var()
        buf.seek(start)
        super()._handle_stream_frame(context, frame_type, buf)
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._judge_gaps(stream, frame_type)

    def _judge_gaps(self, stream: QuicStream, frame_type: int) -> None:
        # The library looks at all of them for each frame.
        if len(stream.receiver._ranges) > MOST_GAPS:
            raise QuicConnectionError(QuicErrorCode.INTERNAL_ERROR, frame_type, "too many gaps")

    def _close_begin(self, is_initiator: bool, now: float) -> None:
        super()._close_begin(is_initiator, now)
        assert self._close_at is not None
        self._close_at = min(self._close_at, now + LINGER_S)

    def _flush_builder(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, peer_cid: bytes, now: float
    ) -> list[tuple[bytes, Hashable]]:
        flushed = super()._flush_builder(builder, network_path, peer_cid, now)
        for space in self._spaces.values():
            sent = space.sent_packets
            if len(sent) > self._prune_at:
                # RFC 9002 §2: what holds acknowledgements alone is not in flight; the library keeps it all the same.
                for number in [number for number, packet in sent.items() if not packet.in_flight]:
                    del sent[number]
                self._prune_at = len(sent) + MOST_ACKS
        return flushed

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        data = self._local_max_data
        if data.value - data.used < WINDOW_BYTES and self.held() < BUFFERED_BYTES:
            data.value = data.used + 2 * WINDOW_BYTES
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            if limit is not data and limit.sent - limit.used >= limit.value - limit.sent:
                continue  # as the library: wait until it is worth a frame
            if limit.value != limit.sent:
                frame = builder.start_frame(
                    limit.frame_type,
                    capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                    handler=self._on_connection_limit_delivery,
                    handler_args=(limit,),
                )
                frame.push_uint_var(limit.value)
                limit.sent = limit.value

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        # A request fits into the first window; only the streams beside the requests go on for ever.
        ident = stream.stream_id
        if ident is None or not stream_is_unidirectional(ident) or not stream.max_stream_data_local:
            return
        read = stream.receiver.starting_offset()
        if stream.max_stream_data_local - read < WINDOW_BYTES // 2:
            stream.max_stream_data_local = read + WINDOW_BYTES
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(ident)
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local


class Frames(dict[int, tuple[Any, Any]]):
    """What the library looks handlers of frames up in: `seen` counts them.

    The library makes a set of epochs for each frame of each connection, 7 KiB; these here are shared.
    """

    seen = 0
    _epochs: ClassVar[dict[frozenset[tls.Epoch], frozenset[tls.Epoch]]] = {}

    def __init__(self, handlers: dict[int, tuple[Any, frozenset[tls.Epoch]]]) -> None:
        shared = self._epochs
        super().__init__(
            {kind: (handler, shared.setdefault(epochs, epochs)) for kind, (handler, epochs) in handlers.items()}
        )

    def __getitem__(self, kind: int) -> tuple[Any, Any]:
        self.seen += 1
        return super().__getitem__(kind)
