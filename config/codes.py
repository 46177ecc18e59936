"""Names of the numbers of the DNS protocol, as configurations and zone files write them.

The names are those of the reference's library; whatever has no name prints as RFC 3597 writes it (`TYPE65280`).
"""

from enum import IntEnum


class Opcode(IntEnum):
    """RFC 6895 §2.2."""

    QUERY = 0
    IQUERY = 1
    STATUS = 2
    NOTIFY = 4
    UPDATE = 5
    STATEFUL = 6


class Rcode(IntEnum):
    """RFC 6895 §2.3; 16 and above need an OPT record or a TSIG."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    DSOTYPENI = 11
    BADVERS = 16
    BADKEY = 17
    BADTIME = 18
    BADMODE = 19
    BADNAME = 20
    BADALG = 21
    BADTRUNC = 22
    BADCOOKIE = 23


RCODE_TEXT: dict[int, str] = {code.value: code.name for code in Rcode} | {16: "BADSIG"}

TYPE_TEXT: dict[int, str] = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 12: "PTR",
    13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID",
    32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL",
    43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
    51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS",
    60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 100: "UINFO",
    101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48",
    109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA",
    255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 260: "AMTRELAY", 261: "RESINFO", 32768: "TA", 32769: "DLV",
}  # fmt: skip
TYPE_CODE: dict[str, int] = {text: code for code, text in TYPE_TEXT.items()}
TYPE_TEXT |= {0: "None", 65535: "Reserved"}  # what logs say; no zone file can

CLASS_TEXT: dict[int, str] = {1: "IN", 2: "CS", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
CLASS_CODE: dict[str, int] = {text: code for code, text in CLASS_TEXT.items()}


def type_text(code: int) -> str:
    """Return the mnemonic of a type, `TYPE<n>` where there is none (RFC 3597 §5)."""
    return TYPE_TEXT.get(code) or f"TYPE{code}"


def class_text(code: int) -> str:
    """Return the mnemonic of a class, `CLASS<n>` where there is none (RFC 3597 §5)."""
    return CLASS_TEXT.get(code) or f"CLASS{code}"
