"""Mailboxes: datagrams that reached the wrong worker are handed to the one whose connection they are for.

A box is a pair of datagram sockets that the master makes for each slot of a generation. It is bounded by its socket
buffer; a letter that finds no room is lost as on the network. Once its reader is gone the kernel says so.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

MAX_LETTER_BYTES = 2304  # a datagram and where it came from
_HEAD_BYTES = 5
BOX_BYTES = 1 << 18


class Post:
    """The boxes of one generation. `boxes` are read by the worker of each slot, `doors` are written to by all."""

    def __init__(self, generation: int, slots: int) -> None:
        self.generation = generation
        self.boxes: list[socket.socket] = []
        self.doors: list[socket.socket] = []
        for _ in range(slots):
            box, door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for end in (box, door):
                end.setblocking(False)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BOX_BYTES)
            self.boxes.append(box)
            self.doors.append(door)

    def close(self) -> None:
        """Close all ends that this process has."""
        for end in (*self.boxes, *self.doors):
            end.close()


@dataclass(frozen=True, slots=True)
class Letter:
    """A datagram with where it came from, and the listener it came in by."""

    listener: int
    name: bytes  # the sender's address as the kernel writes it
    control: bytes  # packet info
    named: bytes  # the client's address where a PROXY header tells it
    data: bytes

    def packed(self) -> bytes:
        """Return it as one packet."""
        sizes = (len(self.name), len(self.control), len(self.named))
        head = bytes((self.listener >> 8, self.listener & 255, *sizes))
        return head + self.name + self.control + self.named + self.data

    @classmethod
    def unpacked(cls, packet: bytes) -> Letter:
        """Read a packet."""
        parts = []
        at = _HEAD_BYTES
        for size in packet[2:_HEAD_BYTES]:
            parts.append(packet[at : at + size])
            at += size
        name, control, named = parts
        return cls((packet[0] << 8) | packet[1], name, control, named, packet[at:])


def drop(door: socket.socket, letter: Letter) -> bool:
    """Put a letter into a box; False where nobody reads it any more."""
    try:
        door.send(letter.packed(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except BlockingIOError:
        return True  # full: lost as on the network
    except OSError:
        return False
    return True


def collect(box: socket.socket) -> Letter | None:
    """Return the next letter; None where there is none."""
    try:
        packet = box.recv(MAX_LETTER_BYTES, socket.MSG_DONTWAIT)
    except OSError:
        return None
    return Letter.unpacked(packet) if len(packet) > _HEAD_BYTES else None


@dataclass(slots=True)
class Mail:
    """What one worker has of the post: its own box, and the doors of its generation and of the one before."""

    box: socket.socket
    own: Post
    before: list[Post] = field(default_factory=list)

    def descriptors(self) -> set[int]:
        """Return the descriptors that the worker keeps."""
        doors = (door for post in (self.own, *self.before) for door in post.doors)
        return {self.box.fileno(), *(door.fileno() for door in doors)}
