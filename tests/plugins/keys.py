"""Key pairs for tests, as BIND writes them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shardns.worker.zone.keys import key_tag

ALGORITHMS = {5: "RSASHA1", 8: "RSASHA256", 10: "RSASHA512", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384",
              15: "ED25519", 16: "ED448"}  # fmt: skip
_CURVES: dict[int, tuple[Any, int]] = {13: (ec.SECP256R1(), 32), 14: (ec.SECP384R1(), 48)}


def write_pair(folder: Path, owner: str, algorithm: int = 13, flags: int = 257, ttl: str = "3600 ") -> str:
    """Write a new key pair; returns its base name."""
    public, fields = _make(algorithm)
    rdata = flags.to_bytes(2, "big") + bytes((3, algorithm)) + public
    base = folder / f"K{owner}+{algorithm:03}+{key_tag(rdata):05}"
    base.with_name(base.name + ".key").write_text(
        f"; a key\n{owner} {ttl}IN DNSKEY {flags} 3 {algorithm} {base64.b64encode(public).decode()}\n"
    )
    base.with_name(base.name + ".private").write_text(
        f"Private-key-format: v1.3\nAlgorithm: {algorithm} ({ALGORITHMS[algorithm]})\n"
        + "".join(f"{name}: {base64.b64encode(value).decode()}\n" for name, value in fields.items())
        + "Created: 20260101000000\n"
    )
    return str(base)


def _make(algorithm: int) -> tuple[bytes, dict[str, bytes]]:
    if algorithm in _CURVES:
        curve, size = _CURVES[algorithm]
        key = ec.generate_private_key(curve)
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        return point, {"PrivateKey": key.private_numbers().private_value.to_bytes(size, "big")}
    if algorithm in (15, 16):
        eddsa: Any = (ed25519.Ed25519PrivateKey if algorithm == 15 else ed448.Ed448PrivateKey).generate()
        secret = eddsa.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return eddsa.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), {"PrivateKey": secret}
    return _rsa()


def _rsa() -> tuple[bytes, dict[str, bytes]]:
    numbers = rsa.generate_private_key(65537, 1024).private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    values = {
        "Modulus": n, "PublicExponent": e, "PrivateExponent": numbers.d, "Prime1": numbers.p, "Prime2": numbers.q,
        "Exponent1": numbers.dmp1, "Exponent2": numbers.dmq1, "Coefficient": numbers.iqmp,
    }  # fmt: skip
    octets = {name: value.to_bytes((value.bit_length() + 7) // 8, "big") for name, value in values.items()}
    exponent = octets["PublicExponent"]
    return bytes((len(exponent),)) + exponent + octets["Modulus"], octets
