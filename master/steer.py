"""Admission: a classic BPF program on a SO_REUSEPORT group that spreads clients over the first sockets only.

QUIC's clients change their addresses: they are spread by what their datagrams say, the destination connection ID.
Where a configuration wants it, UDP queries are spread by their names (`steer_name`).

A socket's index is its place in the order of bind (UDP) or listen (TCP); closing one moves the last into its place, so
the master closes from the highest index down. The program hashes the client's address and port and returns an index
below `admitted`; sockets beyond get nothing, though they are bound. It needs no privilege.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Literal

from .steer_name import Instruction, names

SO_ATTACH_REUSEPORT_CBPF = 51  # linux/asm-generic/socket.h

_NET = 0xFFF00000  # linux/filter.h SKF_NET_OFF: offsets from the network header
_LD_WORD, _LD_HALF, _LD_BYTE, _LD_MEM = 0x20, 0x28, 0x30, 0x60
_ST, _TAX, _RET_A = 0x02, 0x07, 0x16
_MUL, _MOD, _RSH, _XOR_X = 0x24, 0x94, 0x74, 0xAC
_JEQ, _JSET, _JA = 0x15, 0x45, 0x05

By = Literal["flow", "name", "connection"]


def flow(admitted: int) -> list[Instruction]:
    """Return the program that spreads flows over `admitted` sockets."""
    ipv4 = [*_fold([12]), (_LD_HALF, 0, 0, _NET + 20), (_TAX, 0, 0, 0)]
    ipv6 = [*_fold([8, 12, 16, 20]), (_LD_HALF, 0, 0, _NET + 40), (_TAX, 0, 0, 0)]
    return [
        (_LD_BYTE, 0, 0, _NET),
        (_RSH, 0, 0, 4),
        (_JEQ, 0, len(ipv4) + 1, 4),
        *ipv4,
        (_JA, 0, 0, len(ipv6)),
        *ipv6,
        (_LD_MEM, 0, 0, 0),
        *_mix(0x9E3779B1),
        *_scramble(15),
        *_multiply(0x85EBCA6B),
        *_scramble(13),
        (_MOD, 0, 0, admitted),
        (_RET_A, 0, 0, 0),
    ]


def connections(admitted: int) -> list[Instruction]:
    """Return the program that spreads QUIC connections: the remainder of the ID's first two octets.

    `worker.quic.cids.home` says the same in Python. An offset from 0 is one into the datagram; the ID stands behind
    flags, version and length in a long header, behind the flags in a short one (RFC 9000 §17).
    """
    return [
        (_LD_BYTE, 0, 0, 0),
        (_JSET, 0, 2, 0x80),
        (_LD_HALF, 0, 0, 6),
        (_JA, 0, 0, 1),
        (_LD_HALF, 0, 0, 1),
        (_MOD, 0, 0, admitted),
        (_RET_A, 0, 0, 0),
    ]


def _fold(words: list[int]) -> list[Instruction]:
    """M[0] := the words of the address, one after the other multiplied and exclusive-ored."""
    program: list[Instruction] = [(_LD_WORD, 0, 0, _NET + words[0]), (_ST, 0, 0, 0)]
    for at in words[1:]:
        program += [
            (_LD_MEM, 0, 0, 0),
            (_MUL, 0, 0, 0x01000193),
            (_TAX, 0, 0, 0),
            (_LD_WORD, 0, 0, _NET + at),
            (_XOR_X, 0, 0, 0),
            (_ST, 0, 0, 0),
        ]
    return program


def _mix(factor: int) -> list[Instruction]:
    """A := (A × factor) xor (port in X), port and address sharing no plain bits."""
    return [(_MUL, 0, 0, factor), (_XOR_X, 0, 0, 0), (_MUL, 0, 0, factor)]


def _multiply(factor: int) -> list[Instruction]:
    return [(_MUL, 0, 0, factor)]


def _scramble(shift: int) -> list[Instruction]:
    """A := A xor (A >> shift)."""
    return [(_TAX, 0, 0, 0), (_RSH, 0, 0, shift), (_XOR_X, 0, 0, 0)]


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Put the program on the socket's whole group. Raises OSError."""
    raw = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(raw)
    sock.setsockopt(
        socket.SOL_SOCKET,
        SO_ATTACH_REUSEPORT_CBPF,
        struct.pack("HxxxxxxQ", len(program), ctypes.addressof(memory)),
    )


def admit(sock: socket.socket, count: int, by: By = "flow") -> None:
    """Spread the group's traffic over its first `count` sockets. Raises OSError."""
    match by:
        case "connection":
            attach(sock, connections(count))
        case "name":
            attach(sock, names(count))
        case "flow":
            attach(sock, flow(count))
