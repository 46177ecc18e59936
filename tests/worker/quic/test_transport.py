"""The library's connection with our bounds: what a client can make us keep, and the private names this rests on."""

from __future__ import annotations

import pytest

pytest.importorskip("aioquic")
from aioquic import tls
from aioquic.quic.events import StreamDataReceived, StreamReset
from aioquic.quic.packet import QuicErrorCode

from shardns.worker.quic.cids import home, origin, reset_token
from shardns.worker.quic.credentials import WINDOW_BYTES
from shardns.worker.quic.transport import LINGER_S, MOST_ACKS, MOST_CIDS, MOST_GAPS

from .pair import CLIENT, SECRET, Pair


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


def test_gaps_in_a_stream_end_the_connection_before_they_are_many() -> None:
    pair = Pair()
    sender = pair.client._get_or_create_stream_for_send(0).sender
    sender.write(bytes(4 * MOST_GAPS))
    for octet in range(0, 4 * MOST_GAPS, 2):
        sender._pending.subtract(octet, octet + 1)
    for _ in range(30):
        pair.exchange()
    assert pair.server._close_event is not None
    assert pair.server._close_event.error_code == QuicErrorCode.INTERNAL_ERROR
    assert len(pair.server._streams[0].receiver._ranges) < 2 * MOST_GAPS


def test_acknowledgements_that_are_never_acknowledged_are_not_kept() -> None:
    pair = Pair()
    pair.client._loss._cc.congestion_window = 1 << 30
    sent = 0
    for number in range(8 * MOST_ACKS):
        pair.now += 0.05
        pair.client.send_ping(number)
        for data, _ in pair.client.datagrams_to_send(pair.now):
            pair.server.receive_datagram(data, CLIENT, pair.now)
        pair.now += 0.05
        sent += len(pair.server.datagrams_to_send(pair.now))
    assert sent > 4 * MOST_ACKS
    assert len(pair.server._spaces[tls.Epoch.ONE_RTT].sent_packets) <= 2 * MOST_ACKS


def test_nothing_is_sent_to_who_does_not_want_to_hear_it() -> None:
    pair = Pair()
    pair.client.send_stream_data(0, b"x", True)
    pair.exchange()
    pair.client._streams[0].receiver.stop(3)
    pair.exchange()
    pair.server.send_stream_data(0, b"y", True)
    pair.server.send_stream_data(400, b"y", True)
    pair.exchange()
    assert pair.server._close_event is None
    assert [event for event in pair.heard if isinstance(event, StreamDataReceived)] == []
    assert [event.error_code for event in pair.heard if isinstance(event, StreamReset)] == [3]


def test_a_client_that_calls_itself_slow_is_not_waited_for_when_all_is_over() -> None:
    pair = Pair()
    pair.server._loss.max_ack_delay = 16.0
    pair.server.close(2)
    pair.server.datagrams_to_send(pair.now)
    timer = pair.server.get_timer()
    assert timer is not None and timer <= pair.now + LINGER_S


def test_a_client_that_has_closed_is_known_to_have_left() -> None:
    pair = Pair()
    assert not pair.server.left
    pair.client.close()
    pair.exchange()
    assert pair.server.left


def test_an_address_counts_when_its_client_has_answered_from_there() -> None:
    pair = Pair()
    stranger = ("198.51.100.7", 7)
    pair.client.send_stream_data(0, b"x", True)
    for data, _ in pair.client.datagrams_to_send(pair.now):
        pair.server.receive_datagram(data, stranger, pair.now)
    assert pair.server.get_peer_address() == stranger  # where answers go, as far as the amplification limit allows
    assert pair.server.proved == CLIENT
    pair.address = stranger
    pair.exchange()
    assert pair.server.proved == stranger


def packet(pair: Pair, frames: bytes) -> bytes:
    """Return a datagram of the client's with frames of our choice."""
    space = pair.client._cryptos[tls.Epoch.ONE_RTT]
    pair.client._packet_number += 1
    number = pair.client._packet_number
    head = bytes((0x41,)) + pair.client._peer_cid.cid + (number & 0xFFFF).to_bytes(2, "big")
    return space.encrypt_packet(head, frames, number)


def crumbs(count: int) -> bytes:
    """Return as many STREAM frames of one octet of stream 0, all at its beginning."""
    return bytes.fromhex("0a0001 78") * count


def test_crumbs_again_and_again_end_the_connection() -> None:
    pair = Pair()
    taken = 0
    while pair.server._close_event is None and taken < 400:
        pair.server.receive_datagram(packet(pair, crumbs(250)), CLIENT, pair.now)
        taken += 1
    assert 100 < taken < 300
    assert pair.server._close_event is not None
    assert pair.server._close_event.reason_phrase == "much ado about nothing"


def test_many_frames_now_and_then_are_fine() -> None:
    pair = Pair()
    for _ in range(400):
        pair.now += 1
        pair.server.receive_datagram(packet(pair, crumbs(250)), CLIENT, pair.now)
        pair.server.datagrams_to_send(pair.now)
    assert pair.server._close_event is None
    for _ in range(400):
        pair.server.receive_datagram(packet(pair, crumbs(30)), CLIENT, pair.now)
    assert pair.server._close_event is None
