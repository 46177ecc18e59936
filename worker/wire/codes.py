"""Numbers and names of the DNS protocol that the data path needs: types, classes, opcodes, rcodes, header flags.

The names are those of the reference's library; whatever has no name prints as RFC 3597 writes it (`TYPE65280`).
"""

from shardns.config.codes import (
    CLASS_CODE,
    CLASS_TEXT,
    RCODE_TEXT,
    TYPE_CODE,
    TYPE_TEXT,
    Opcode,
    Rcode,
    class_text,
    type_text,
)

__all__ = [
    "AA",
    "AAAA",
    "AD",
    "AFSDB",
    "ANY",
    "ANY_CLASS",
    "AXFR",
    "CD",
    "CH",
    "CLASS_CODE",
    "CLASS_TEXT",
    "CNAME",
    "DNAME",
    "DNSKEY",
    "DS",
    "HINFO",
    "HS",
    "HTTPS",
    "IN",
    "IXFR",
    "KX",
    "MB",
    "MD",
    "MF",
    "MG",
    "MINFO",
    "MR",
    "MX",
    "NAPTR",
    "NONE",
    "NS",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "NXT",
    "OPCODE_MASK",
    "OPT",
    "PTR",
    "PX",
    "QR",
    "RA",
    "RCODE_MASK",
    "RCODE_TEXT",
    "RD",
    "RP",
    "RRSIG",
    "RT",
    "SIG",
    "SOA",
    "SRV",
    "SVCB",
    "TC",
    "TSIG",
    "TXT",
    "TYPE_CODE",
    "TYPE_TEXT",
    "A",
    "Opcode",
    "Rcode",
    "Z",
    "class_text",
    "type_text",
]

# Header flags (RFC 1035 §4.1.1, RFC 4035 §3) as bits of the second 16-bit word.
QR = 0x8000
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
Z = 0x0040
AD = 0x0020
CD = 0x0010
OPCODE_MASK = 0x7800
RCODE_MASK = 0x000F

IN = 1
CH = 3
HS = 4
NONE = 254
ANY_CLASS = 255

A = 1
NS = 2
MD = 3
MF = 4
CNAME = 5
SOA = 6
MB = 7
MG = 8
MR = 9
PTR = 12
HINFO = 13
MINFO = 14
MX = 15
TXT = 16
RP = 17
AFSDB = 18
RT = 21
SIG = 24
PX = 26
AAAA = 28
NXT = 30
SRV = 33
NAPTR = 35
KX = 36
DNAME = 39
OPT = 41
DS = 43
RRSIG = 46
NSEC = 47
DNSKEY = 48
NSEC3 = 50
NSEC3PARAM = 51
SVCB = 64
HTTPS = 65
TSIG = 250
IXFR = 251
AXFR = 252
ANY = 255
