"""HPACK (RFC 7541): header blocks in, field lists out; and blocks out that need no state.

1. A decoder keeps at most `TABLE_BYTES` and gives up at the first field that makes a list too long: a few octets
   cannot become many.
2. What we send refers to the static table alone, so it can be put together once and sent often.
3. Short Huffman strings that were decoded are remembered for all connections, unless decoding is quick: popular names
   come again and again.
"""

from __future__ import annotations

from typing import Final

from .huffman import QUICK, HuffmanError, decode

TABLE_BYTES: Final = 4096  # RFC 9113 §6.5.2: what a peer may assume before it reads our settings
FIELD_BYTES: Final = 32  # RFC 7541 §4.1: what each field counts besides its octets
MAX_REMEMBERED: Final = 16384  # strings
MAX_REMEMBERED_BYTES: Final = 192  # of each
NO_TABLE: Final = b"\x20"  # a block's beginning that says that its encoder keeps nothing
Field = tuple[bytes, bytes]

# fmt: off
STATIC: Final[tuple[Field, ...]] = (
    (b"", b""), (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"),
    (b":status", b"204"), (b":status", b"206"), (b":status", b"304"), (b":status", b"400"), (b":status", b"404"),
    (b":status", b"500"), (b"accept-charset", b""), (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""),
    (b"accept-ranges", b""), (b"accept", b""), (b"access-control-allow-origin", b""), (b"age", b""), (b"allow", b""),
    (b"authorization", b""), (b"cache-control", b""), (b"content-disposition", b""), (b"content-encoding", b""),
    (b"content-language", b""), (b"content-length", b""), (b"content-location", b""), (b"content-range", b""),
    (b"content-type", b""), (b"cookie", b""), (b"date", b""), (b"etag", b""), (b"expect", b""), (b"expires", b""),
    (b"from", b""), (b"host", b""), (b"if-match", b""), (b"if-modified-since", b""), (b"if-none-match", b""),
    (b"if-range", b""), (b"if-unmodified-since", b""), (b"last-modified", b""), (b"link", b""), (b"location", b""),
    (b"max-forwards", b""), (b"proxy-authenticate", b""), (b"proxy-authorization", b""), (b"range", b""),
    (b"referer", b""), (b"refresh", b""), (b"retry-after", b""), (b"server", b""), (b"set-cookie", b""),
    (b"strict-transport-security", b""), (b"transfer-encoding", b""), (b"user-agent", b""), (b"vary", b""),
    (b"via", b""), (b"www-authenticate", b""),
)
# fmt: on
_COUNT: Final = len(STATIC)
_WHOLE: Final = {field: index for index, field in enumerate(STATIC) if field[1]}
_NAMES: Final = {field[0]: index for index, field in reversed(list(enumerate(STATIC))) if index}


class HpackError(ValueError):
    """A header block that cannot be read; its connection cannot go on (RFC 9113 §4.3)."""


class TooLong(HpackError):
    """A field list that is longer than we want to keep."""


class Decoder:
    """The receiving side of one connection. `most_bytes` bounds a field list as RFC 9113 §6.5.2 counts it."""

    __slots__ = ("_limit", "_size", "_table", "most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._table: list[Field] = []  # the newest is last
        self._size = 0
        self._limit = TABLE_BYTES

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a block. Raises HpackError."""
        try:
            return self._fields(block)
        except IndexError:
            raise HpackError("a header block that is cut off") from None
        except HuffmanError as error:
            raise HpackError(str(error)) from None

    def _fields(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        table = self._table
        at, left, end = 0, self.most_bytes, len(block)
        while at < end:
            first = block[at]
            at += 1
            if first >= 0x80:  # RFC 7541 §6.1: indexed
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _integer(block, at, index)
                if 0 < index < _COUNT:
                    field = STATIC[index]
                elif 0 < (behind := index - _COUNT + 1) <= len(table):
                    field = table[-behind]
                else:
                    raise HpackError("no such field in the table")
            elif first & 0xE0 == 0x20:  # §6.3: a new size of the table, first of all
                if fields:
                    raise HpackError("a new table size within a header block")
                at = self._resize(block, at, first & 0x1F)
                continue
            else:  # §6.2: literal
                mask = 0x3F if first & 0x40 else 0x0F
                index = first & mask
                if index == mask:
                    index, at = _integer(block, at, index)
                if index:
                    name = STATIC[index][0] if index < _COUNT else self._dynamic(index)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                field = (name, value)
                if first & 0x40:
                    self._add(field)
            left -= len(field[0]) + len(field[1]) + FIELD_BYTES
            if left < 0:
                raise TooLong("the field list is too long")
            fields.append(field)
        return fields

    def _dynamic(self, index: int) -> Field:
        behind = index - _COUNT + 1
        if not 0 < behind <= len(self._table):
            raise HpackError("no such field in the table")
        return self._table[-behind]

    def _add(self, field: Field) -> None:
        self._size += len(field[0]) + len(field[1]) + FIELD_BYTES
        self._table.append(field)
        self._evict()

    def _resize(self, block: bytes, at: int, size: int) -> int:
        if size == 0x1F:
            size, at = _integer(block, at, size)
        if size > TABLE_BYTES:
            raise HpackError("the table may not be that large")
        self._limit = size
        self._evict()
        return at

    def _evict(self) -> None:
        gone, table = 0, self._table
        while self._size > self._limit:
            name, value = table[gone]
            self._size -= len(name) + len(value) + FIELD_BYTES
            gone += 1
        if gone:
            del table[:gone]


_remembered: dict[bytes, bytes] = {}


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    first = block[at]
    at += 1
    size = first & 0x7F
    if size == 0x7F:
        size, at = _integer(block, at, size)
    end = at + size
    text = block[at:end]
    if len(text) < size:
        raise HpackError("a string that is cut off")
    if first < 0x80:
        return text, end
    if QUICK:
        return decode(text), end
    plain = _remembered.get(text)
    if plain is None:
        plain = decode(text)
        if size <= MAX_REMEMBERED_BYTES:
            if len(_remembered) >= MAX_REMEMBERED:
                _remembered.clear()
            _remembered[text] = plain
    return plain, end


def _integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """Read the rest of an integer whose prefix is full (RFC 7541 §5.1)."""
    for shift in range(0, 28, 7):
        octet = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
    raise HpackError("a number that is too large")


def encode(fields: list[Field]) -> bytes:
    """Return a block for fields, which leaves no trace in the other side's table."""
    return b"".join([_encoded(field) for field in fields])


def _encoded(field: Field) -> bytes:
    index = _WHOLE.get(field)
    if index is not None:
        return bytes((0x80 | index,))
    name, value = field
    index = _NAMES.get(name, 0)
    head = _number(0, 15, index)
    return (head if index else head + _number(0, 127, len(name)) + name) + _number(0, 127, len(value)) + value


def _number(first: int, most: int, value: int) -> bytes:
    if value < most:
        return bytes((first | value,))
    out = bytearray((first | most,))
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
