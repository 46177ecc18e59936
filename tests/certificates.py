"""Certificates for tests, signed by themselves or by an authority of the test's own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Pair(NamedTuple):
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


def issue(
    folder: Path, *names: str, file: str = "cert", by: Pair | None = None, authority: bool = False, days: float = 1
) -> Pair:
    """Write a certificate for host names and addresses, good from an hour ago for some days (or until days ago)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file)])
    issuer, signer = subject, key
    if by is not None:
        issuer = x509.load_pem_x509_certificate(by.certificate.read_bytes()).subject
        loaded = serialization.load_pem_private_key(by.key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    built = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(),
        min(now, end) - datetime.timedelta(hours=1), end,
    )  # fmt: skip
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
    if authority:
        built = built.add_extension(x509.BasicConstraints(True, None), True)
    certificate = built.sign(signer, hashes.SHA256())
    pair = Pair(folder / f"{file}.pem", folder / f"{file}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return pair


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
