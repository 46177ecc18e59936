"""The OPT record of a query as the reference's library shows it to templates: fields, methods, texts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final

from shardns.worker.wire.codes import OPT, class_text, type_text
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.names import to_text
from shardns.worker.wire.read import Malformed, name_at

from .go import Struct

_CO: Final = 0x4000  # compact answers are fine (RFC 9824)
_REST: Final = 0x3FFF
_ALGORITHMS: Final = {
    1: "RSAMD5", 3: "DSA", 5: "RSASHA1", 6: "DSA-NSEC3-SHA1", 7: "RSASHA1-NSEC3-SHA1", 8: "RSASHA256", 10: "RSASHA512",
    12: "ECC-GOST", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448", 252: "INDIRECT",
    253: "PRIVATEDNS", 254: "PRIVATEOID",
}  # fmt: skip
_HASHES: Final = {1: "SHA1", 2: "SHA256", 3: "GOST94", 4: "SHA384", 5: "SHA512"}
_UNDERSTOOD: Final = {
    5: ("DAU", "DNSSEC ALGORITHM", _ALGORITHMS), 6: ("DHU", "DS HASH", _HASHES), 7: ("N3U", "NSEC3 HASH", _HASHES),
}  # fmt: skip
_ERRORS: Final = (  # RFC 8914 §5.2 and later ones, by number
    "Other", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer",
    "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing",
    "RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored",
    "Filtered", "Prohibited", "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported", "No Reachable Authority",
    "Network Error", "Invalid Data", "Signature Expired Before Valid", "Too Early",
    "Unsupported NSEC3 Iterations Value", "Unable To Conform To Policy", "Synthesized", "Invalid Query Type",
)  # fmt: skip
Fields = dict[str, Any]


def printable(go_type: str, fields: Fields, text: Callable[[], str], **methods: Callable[..., Any]) -> Struct:
    """A structure that prints as a text, which templates may also ask for by name."""
    return Struct(go_type, fields, {"String": text, **methods}, text)


def opt(edns: Edns) -> Struct:
    """The record; its options are those of the query in their order."""
    ttl = (edns.rcode_high << 24) | (edns.version << 16) | edns.flags
    size = sum(4 + len(value) for _, value in edns.options)
    head = {"Name": ".", "Rrtype": OPT, "Class": edns.size, "Ttl": ttl, "Rdlength": size}
    header = printable("dns.RR_Header", head, lambda: f";.\t{ttl}\t{class_text(edns.size)}\t{type_text(OPT)}\t")
    options = [option(code, value) for code, value in edns.options]
    return printable(
        "*dns.OPT", {"Hdr": header, "Option": [shown for shown, _ in options]}, lambda: _text(edns, options),
        Header=lambda: header, Version=lambda: edns.version, UDPSize=lambda: edns.size, Do=lambda: edns.do,
        Co=lambda: bool(edns.flags & _CO), Z=lambda: edns.flags & _REST, ExtendedRcode=lambda: edns.rcode_high << 4,
    )  # fmt: skip


def _text(edns: Edns, options: list[tuple[Struct, str]]) -> str:
    flags = (" do" if edns.flags & DO else "") + (" co" if edns.flags & _CO else "")
    rest = f"MBZ: 0x{edns.flags & _REST:04x}, " if edns.flags & _REST else ""
    found = f"\n;; OPT PSEUDOSECTION:\n; EDNS: version {edns.version}; flags:{flags}; {rest}udp: {edns.size}"
    for (code, value), (shown, heading) in zip(edns.options, options, strict=True):
        found += f"\n; {heading}: {shown}"
        if code == 3:
            found += "  " + "".join(f"({chr(octet)})" for octet in value)
    return found


def option(code: int, value: bytes) -> tuple[Struct, str]:
    """Return one option, and the heading that it has in the text of the record."""
    name, heading, fields, text = _known(code, value)
    return printable(f"*dns.EDNS0_{name}", fields, lambda: text, Option=lambda: code), heading


def _known(code: int, value: bytes) -> tuple[str, str, Fields, str]:
    """Type, heading, fields and text. What is cut off counts as zero."""
    text = value.decode("utf-8", "surrogateescape")
    match code:
        case 1:
            names, sizes = ("Version", "Opcode", "Error", "Id", "LeaseLife"), (2, 2, 2, 8, 4)
            fields: Fields = dict(zip(names, _numbers(value, *sizes), strict=True))
            return "LLQ", "LONG LIVED QUERIES", {"Code": 1} | fields, " ".join(map(str, fields.values()))
        case 2:
            lease, key_lease = _numbers(value.ljust(8, b"\0"), 4, 4)
            return "UL", "UPDATE LEASE", {"Code": 2, "Lease": lease, "KeyLease": key_lease}, f"{lease} {key_lease}"
        case 3:
            return "NSID", "NSID", {"Code": 3, "Nsid": value.hex()}, value.hex()
        case 4:
            return "ESU", "ESU", {"Code": 4, "Uri": text}, text
        case 5 | 6 | 7:
            name, what, known = _UNDERSTOOD[code]
            listed = "".join(f" {known.get(octet, octet)}" for octet in value)
            return name, f"{what} UNDERSTOOD", {"Code": code, "AlgCode": value}, listed
        case 8:
            return _subnet(value)
        case 9:
            until = int.from_bytes(value[:4], "big")
            return "EXPIRE", "EXPIRE", {"Code": 9, "Expire": until, "Empty": not value}, str(until) if value else ""
        case 10:
            return "COOKIE", "COOKIE", {"Code": 10, "Cookie": value.hex()}, value.hex()
        case 11:
            tenths = int.from_bytes(value, "big")
            # The reference multiplies in 16 bits.
            shown = f"timeout {tenths * 100 & 0xFFFF}ms" if tenths else "timeout omitted"
            fields = {"Code": 11, "Timeout": tenths, "Length": 0}
            return "TCP_KEEPALIVE", "KEEPALIVE", fields, f"use tcp keep-alive, {shown}"
        case 12:
            return "PADDING", "PADDING", {"Padding": value}, value.hex().upper()
        case 15:
            number, text = int.from_bytes(value[:2], "big"), value[2:].decode("utf-8", "surrogateescape")
            meaning = f" ({_ERRORS[number]})" if number < len(_ERRORS) else ""
            return "EDE", "EDE", {"InfoCode": number, "ExtraText": text}, f"{number}{meaning}: ({text})"
        case 18:
            agent = _name(value)
            return "REPORTING", "REPORT-CHANNEL", {"Code": 18, "AgentDomain": agent}, agent
        case 19:
            count, kind = _numbers(value, 1, 1)
            version = value[2:].decode("utf-8", "surrogateescape")
            fields = {"Code": 19, "LabelCount": count, "Type": kind, "Version": version}
            return "ZONEVERSION", "ZONEVERSION", fields, version
    return "LOCAL", "LOCAL OPT", {"Code": code, "Data": value}, f"{code}:0x{value.hex()}"


def _numbers(value: bytes, *sizes: int) -> list[int]:
    found, at = [], 0
    for size in sizes:
        found.append(int.from_bytes(value[at : at + size], "big"))
        at += size
    return found


def _name(value: bytes) -> str:
    try:
        return to_text(name_at(value, 0)[0])
    except (IndexError, Malformed):
        return ""


def _subnet(value: bytes) -> tuple[str, str, Fields, str]:
    family, mask, scope = _numbers(value, 2, 1, 1)
    octets = value[4:]
    if family == 2:
        six = ipaddress.IPv6Address(octets[:16].ljust(16, b"\0"))
        address = str(six.ipv4_mapped or six)
    else:
        address = str(ipaddress.IPv4Address(octets[:4].ljust(4, b"\0") if family else 0))
    fields = {
        "Code": 8, "Family": family, "SourceNetmask": mask, "SourceScope": scope,
        "Address": printable("net.IP", {}, lambda: address),
    }  # fmt: skip
    shown = f"[{address}]" if ":" in address else address
    return "SUBNET", "SUBNET", fields, f"{shown}/{mask}/{scope}"
