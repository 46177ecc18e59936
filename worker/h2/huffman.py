"""The Huffman code of HPACK (RFC 7541 §5.2, appendix B): an octet a step.

1. The code is canonical: it follows from the lengths alone.
2. What an octet does in a state is found out when it is first seen, and kept: 65,536 steps at most.
3. QPACK has the same code (RFC 9204 §4.1.2). Where its library is there (extra `speed` or `quic`) it reads what is
   right, in 1.4 instead of 7 µs; what it does not take is looked at here.
"""

from __future__ import annotations

from typing import Final

try:
    import pylsqpack
except ImportError:
    _qpack = None
else:
    _qpack = pylsqpack.Decoder(0, 0)
QUICK: Final = _qpack is not None

EOS: Final = 256
# fmt: off
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
)
# fmt: on


class HuffmanError(ValueError):
    """Octets that are no text in this code."""


class State(dict[int, tuple["State", bytes]]):
    """Where a decoder may stand between two octets: the bits read since the last whole symbol.

    Maps the next octet to the state behind it and the symbols that it completes. `final` tells whether a string may
    end here: the bits are fewer than eight, and all ones.
    """

    __slots__ = ("bits", "count", "final")

    def __init__(self, bits: int, count: int) -> None:
        self.bits = bits
        self.count = count
        self.final = count < 8 and bits == (1 << count) - 1

    def __missing__(self, octet: int) -> tuple[State, bytes]:
        bits, count = self.bits, self.count
        out = bytearray()
        for shift in range(7, -1, -1):
            bits, count = bits << 1 | (octet >> shift & 1), count + 1
            symbol = _SYMBOLS.get((bits, count))
            if symbol == EOS:
                raise HuffmanError("the end of a string within it")
            if symbol is not None:
                out.append(symbol)
                bits = count = 0
        state = _STATES.setdefault((bits, count), State(bits, count))
        found = self[octet] = (state, bytes(out))
        return found


def _symbols() -> dict[tuple[int, int], int]:
    """Return the symbol of each code, which is (bits, how many)."""
    codes, code, length = {}, 0, 0
    for symbol in sorted(range(257), key=lambda one: (_LENGTHS[one], one)):
        code <<= _LENGTHS[symbol] - length
        length = _LENGTHS[symbol]
        codes[code, length] = symbol
        code += 1
    return codes


_SYMBOLS: Final = _symbols()
_ROOT: Final = State(0, 0)
_STATES: Final[dict[tuple[int, int], State]] = {(0, 0): _ROOT}


def decode(data: bytes) -> bytes:
    """Return the text. Raises HuffmanError."""
    if _qpack is not None and len(data) < 127:
        try:
            # A field section without dynamic table whose only line is `:path` with this value (RFC 9204 §4.5.4).
            return _qpack.feed_header(0, b"\0\0\x51" + bytes((0x80 | len(data),)) + data)[1][0][1]
        except pylsqpack.DecompressionFailed:
            pass
    return _decode(data)


def _decode(data: bytes) -> bytes:
    state = _ROOT
    out: list[bytes] = []
    for octet in data:
        state, text = state[octet]
        out.append(text)
    if not state.final:
        raise HuffmanError("a string that ends within a symbol")
    return b"".join(out)
