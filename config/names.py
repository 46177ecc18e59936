"""Domain names in wire form: what the data path compares, walks and prints.

1. A *name* is the uncompressed, lower-case wire form (RFC 1035 §3.1), the root being one zero octet.
2. An *owner* may carry the sender's letter case; `owner.lower()` is its name. Only A-Z fold (RFC 4343), which is
   what `bytes.lower` does, and length octets are below 0x40, so folding never touches them.
3. A *key* is the same labels in reverse order, so that keys sort canonically (RFC 4034 §6.1) and every subtree is
   one contiguous range.
"""

from collections.abc import Iterator

ROOT = b"\0"
MAX_NAME_BYTES = 255  # RFC 1035 §2.3.4
MAX_LABEL_BYTES = 63
_PLAIN = frozenset(b"!#$%&'*+,-/0123456789:<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~")
_ESCAPED = frozenset(b'."\\();@ ')


def labels(name: bytes) -> Iterator[bytes]:
    """Yield the labels from left to right, without the root."""
    at = 0
    while size := name[at]:
        yield name[at + 1 : at + 1 + size]
        at += size + 1


def parent(name: bytes) -> bytes:
    """Return the name one label up; the root's parent is the root."""
    return name[1 + name[0] :] or ROOT


def within(name: bytes, zone: bytes) -> bool:
    """Tell whether a name equals or lies below a zone; both lower case."""
    if not name.endswith(zone):
        return False
    end = len(name) - len(zone)
    at = 0
    while at < end:
        at += name[at] + 1
    return at == end


def join(text_labels: list[bytes]) -> bytes:
    """Build a wire name from labels; raises ValueError where RFC 1035 §2.3.4 is broken."""
    if any(not 0 < len(label) <= MAX_LABEL_BYTES for label in text_labels):
        raise ValueError("a label is empty or longer than 63 octets")
    wire = b"".join(bytes((len(label),)) + label for label in text_labels) + ROOT
    if len(wire) > MAX_NAME_BYTES:
        raise ValueError("a name is longer than 255 octets")
    return wire


def from_text(text: str, origin: bytes = ROOT) -> bytes:
    r"""Read presentation form with `\X` and `\DDD` escapes; case is kept, a relative text gets the origin.

    Raises ValueError for empty or over-long labels, over-long names and broken escapes.
    """
    if text == ".":
        return ROOT
    if text == "@":
        return origin
    if "\\" not in text and text.isascii():
        parts = text.encode().split(b".")
        absolute = not parts[-1]
        wire = join(parts[:-1] if absolute else parts)
    else:
        wire, absolute = _escaped(text)
    if absolute:
        return wire
    if len(wire) + len(origin) - 1 > MAX_NAME_BYTES:
        raise ValueError("a name is longer than 255 octets")
    return wire[:-1] + origin


def _escaped(text: str) -> tuple[bytes, bool]:
    raw = text.encode()
    found: list[bytes] = []
    label = bytearray()
    at = 0
    absolute = False
    while at < len(raw):
        char = raw[at]
        at += 1
        absolute = False
        if char == 0x2E:
            found.append(bytes(label))
            label.clear()
            absolute = True
        elif char == 0x5C:
            digits = raw[at : at + 3]
            if len(digits) == 3 and digits.isdigit():
                if int(digits) > 255:
                    raise ValueError("an escape is above 255")
                label.append(int(digits))
                at += 3
            elif digits:
                label.append(digits[0])
                at += 1
            else:
                raise ValueError("an escape is cut off")
        else:
            label.append(char)
    if not absolute:
        found.append(bytes(label))
    return join(found), absolute


def to_text(name: bytes) -> str:
    r"""Write presentation form, absolute, with `\X` for special and `\DDD` for unprintable octets."""
    if name == ROOT:
        return "."
    try:
        at = 0
        out = bytearray()
        while size := name[at]:
            out += name[at + 1 : at + 1 + size]
            out.append(0x2E)
            at += size + 1
        if _PLAIN.issuperset(out.replace(b".", b"")) and out.count(b".") == _depth(name):
            return out.decode("ascii")
    except IndexError:
        raise ValueError("a wire name without an end") from None
    return "".join(_label_text(label) + "." for label in labels(name))


def _depth(name: bytes) -> int:
    return sum(1 for _ in labels(name))


def _label_text(label: bytes) -> str:
    return "".join(chr(c) if c in _PLAIN else f"\\{chr(c)}" if c in _ESCAPED else f"\\{c:03d}" for c in label)


def key(name: bytes) -> bytes:
    r"""Return the canonical sort key of a lower-case name: labels in reverse order, each after a zero octet.

    A zero octet inside a label becomes `\x01\x01`, 0x01 becomes `\x01\x02`, so that order and prefixes stay right.
    """
    at = 0
    found: list[bytes] = []
    size = name[0]
    while size:
        found.append(name[at + 1 : at + 1 + size])
        at += size + 1
        size = name[at]
    found.append(b"")
    found.reverse()
    # found[0] is the root's empty label: `www.example.org.` gives `\0org\0example\0www`, the root gives nothing.
    if b"\0" in name[:-1] or b"\1" in name:
        found = [label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in found]
    return b"\0".join(found)
