"""A client that sends mutated queries over UDP and TCP and takes no interest in answers.

Run as a process of its own: `python -m tests.system.fuzz PORT SECONDS SEED`. Prints how many it sent.
"""

from __future__ import annotations

import random
import socket
import sys
import time

import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype

ZONE = "check.test"
NAMES = (
    ZONE,
    f"www.{ZONE}",
    f"nx.{ZONE}",
    f"a.b.c.{ZONE}",
    f"_x._tcp.{ZONE}",
    f"*.{ZONE}",
    ".",
    "version.bind",
    "x." * 120,
)
TYPES = ("A", "AAAA", "MX", "ANY", "AXFR", "IXFR", "SOA", "TXT", "OPT", "TSIG", "RRSIG", "TYPE65280", "DS")
GROWN = 1400  # octets that a mutation may append


def seeds() -> list[bytes]:
    """Return well-formed messages to begin with."""
    found = []
    for name in NAMES:
        for qtype in TYPES:
            query = dns.message.make_query(name, qtype, want_dnssec=True, payload=4096)
            found += [query.to_wire(), dns.message.make_query(name, qtype, rdclass="CH").to_wire()]
    update = dns.message.make_query(ZONE, "SOA")
    update.set_opcode(dns.opcode.UPDATE)
    notify = dns.message.make_query(ZONE, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    notify.flags |= dns.flags.AA
    return [*found, update.to_wire(), notify.to_wire()]


def mutate(dice: random.Random, message: bytes) -> bytes:
    """Change a message in one to four ways."""
    wire = bytearray(message)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(wire)) if wire else 0
        match dice.randrange(7):
            case 0 if wire:
                wire[at] ^= 1 << dice.randrange(8)
            case 1 if wire:
                wire[at] = dice.choice((0, 1, 63, 64, 0xC0, 0xFF))
            case 2:
                wire = wire[:at]
            case 3:
                wire += dice.randbytes(dice.randrange(GROWN))
            case 4:
                wire[at:at] = dice.randbytes(dice.randrange(8))
            case 5 if len(wire) > 12:  # counts that promise more than there is
                wire[4 + 2 * dice.randrange(4) + 1] = dice.randrange(256)
            case _:
                wire[at:at] = bytes((0xC0, dice.randrange(256)))  # a compression pointer
    return bytes(wire)


def run(port: int, seconds: float, seed: int) -> int:
    """Send until the time is over; returns the number of messages."""
    dice = random.Random(seed)
    messages = seeds()
    sent = 0
    end = time.monotonic() + seconds
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", port))
        udp.setblocking(False)
        while time.monotonic() < end:
            some = [mutate(dice, dice.choice(messages)) for _ in range(50)]
            for wire in some:
                exchange(udp, wire)
            stream(port, dice, some)
            sent += 2 * len(some)
    return sent


def exchange(udp: socket.socket, wire: bytes) -> None:
    """Send a datagram and take what waits."""
    try:
        udp.send(wire)
        udp.recv(4096)
    except OSError:
        return


def stream(port: int, dice: random.Random, some: list[bytes]) -> None:
    """Send messages over one connection, some of them in frames of a wrong length, and go away."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
        try:
            for wire in some:
                length = len(wire) if dice.random() < 0.95 else dice.randrange(65536)
                sock.sendall(length.to_bytes(2, "big") + wire)
            sock.settimeout(0.01)
            sock.recv(65536)
        except OSError:
            return


if __name__ == "__main__":
    print(run(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
