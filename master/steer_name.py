"""A classic BPF program that gives every query name one socket of a SO_REUSEPORT group, whoever asks.

The name is hashed in words of four octets, letters folded; type, class and what follows do not count. Classic BPF has
no loops, so both walks are written out: along the labels to the name's end, then over its words. X holds the place,
M[0] the hash, M[1] the end. A datagram without a readable name goes to the first socket: a load behind the end of the
packet ends the program with 0.
"""

from __future__ import annotations

from typing import Final

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k

_START: Final = 12  # octets of header before the name
_LABELS: Final = 40  # ip6.arpa names have 34; of a longer name the first 40 labels count
_WORDS: Final = 63  # 252 octets; names have 255 at most
_SEED: Final = 0x811C9DC5
_FACTOR: Final = 0x01000193
_FOLD: Final = 0x20202020  # upper and lower case letters differ in this bit

_LD_IMM, _LD_MEM, _LD_WORD, _LD_BYTE_AT_X = 0x00, 0x60, 0x20, 0x50
_LDX_IMM, _LDX_MEM, _ST, _STX, _TAX = 0x01, 0x61, 0x02, 0x03, 0x07
_ADD, _ADD_X, _SUB_X, _MUL, _OR, _XOR_X, _RSH, _MOD = 0x04, 0x0C, 0x1C, 0x24, 0x44, 0xAC, 0x74, 0x94
_JA, _JEQ, _JGT, _JGE, _RET_A = 0x05, 0x15, 0x25, 0x35, 0x16


def names(admitted: int) -> list[Instruction]:
    """Return the program that spreads names over `admitted` sockets."""
    return [
        (_LD_IMM, 0, 0, _SEED),
        (_ST, 0, 0, 0),
        *_find_end(),
        *_hash_words(),
        *_hash_rest(),
        (_LD_MEM, 0, 0, 0),
        *_scramble(15),
        (_MUL, 0, 0, 0x85EBCA6B),
        *_scramble(13),
        (_MOD, 0, 0, admitted),
        (_RET_A, 0, 0, 0),
    ]


def _find_end() -> list[Instruction]:
    """M[1] := the place of the root label."""
    program: list[Instruction] = [(_LDX_IMM, 0, 0, _START)]
    step: Final = 6
    for label in range(_LABELS):
        program += [
            (_LD_BYTE_AT_X, 0, 0, 0),
            (_JEQ, 0, 1, 0),
            (_JA, 0, 0, 3 + step * (_LABELS - 1 - label)),
            (_ADD_X, 0, 0, 0),
            (_ADD, 0, 0, 1),
            (_TAX, 0, 0, 0),
        ]
    return [*program, (_STX, 0, 0, 1)]


def _hash_words() -> list[Instruction]:
    """Mix in all whole words; X := the place behind them."""
    program: list[Instruction] = []
    step: Final = 11
    for word in range(_WORDS):
        place = _START + 4 * word
        program += [
            (_LDX_IMM, 0, 0, place),
            (_LD_MEM, 0, 0, 1),
            (_JGE, 1, 0, place + 4),
            (_JA, 0, 0, 8 + step * (_WORDS - 1 - word)),  # behind the last instruction of this function
            (_LD_WORD, 0, 0, place),
            (_OR, 0, 0, _FOLD),
            *_mix(),
        ]
    return [*program, (_LDX_IMM, 0, 0, _START + 4 * _WORDS)]


def _hash_rest() -> list[Instruction]:
    """Mix in the up to three octets that are left."""
    program: list[Instruction] = [(_STX, 0, 0, 2), (_LD_MEM, 0, 0, 1), (_SUB_X, 0, 0, 0), (_ST, 0, 0, 3)]
    step: Final = 10
    for octet in range(3):
        program += [
            (_LD_MEM, 0, 0, 3),
            (_JGT, 0, 8 + step * (2 - octet), octet),
            (_LDX_MEM, 0, 0, 2),
            (_LD_BYTE_AT_X, 0, 0, octet),
            (_OR, 0, 0, _FOLD & 0xFF),
            *_mix(),
        ]
    return program


def _mix() -> list[Instruction]:
    """M[0] := M[0] × factor xor A."""
    return [(_TAX, 0, 0, 0), (_LD_MEM, 0, 0, 0), (_MUL, 0, 0, _FACTOR), (_XOR_X, 0, 0, 0), (_ST, 0, 0, 0)]


def _scramble(shift: int) -> list[Instruction]:
    """A := A xor (A >> shift)."""
    return [(_TAX, 0, 0, 0), (_RSH, 0, 0, shift), (_XOR_X, 0, 0, 0)]
