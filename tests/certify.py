"""Certificates for tests: self-signed, or issued by another one."""

from __future__ import annotations

import atexit
import datetime
import shutil
import tempfile
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: Path
    key: Path

    @property
    def serial(self) -> int:
        """The certificate's number."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).serial_number


def certify(
    folder: Path, name: str = "dns.test", stem: str = "", issuer: Pair | None = None, authority: bool | None = None
) -> Pair:
    """Write `cert.pem` and `key.pem` (or STEM-cert.pem …) for a name and 127.0.0.1 into a folder.

    Without an issuer the certificate is its own and may issue others.
    """
    prefix = f"{stem}-" if stem else ""
    pair = Pair(folder / f"{prefix}cert.pem", folder / f"{prefix}key.pem")
    _write(pair, name, (name, "127.0.0.1"), issuer, issuer is None if authority is None else authority, DAY)
    return pair


def issue(
    folder: Path, *names: str, file: str = "cert", by: Pair | None = None, authority: bool = False, days: float = 1
) -> Pair:
    """Write a certificate FILE.pem with its key FILE.key for host names and addresses, if any.

    It is good for some days, or was good until so many days ago.
    """
    pair = Pair(folder / f"{file}.pem", folder / f"{file}.key")
    _write(pair, file, names, by, authority, days * DAY)
    return pair


def _write(
    pair: Pair, common: str, names: tuple[str, ...], issuer: Pair | None, authority: bool, left: datetime.timedelta
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
    signer, by = key, subject
    if issuer is not None:
        loaded = serialization.load_pem_private_key(issuer.key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer, by = loaded, x509.load_pem_x509_certificate(issuer.certificate.read_bytes()).subject
    now = datetime.datetime.now(datetime.UTC)
    start, end = min(now, now + left) - HOUR, now + left
    built = x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number(), start, end)
    built = built.add_extension(x509.BasicConstraints(authority, None), critical=True)
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    certificate = built.sign(signer, hashes.SHA256())
    _replace(pair.key, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    _replace(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)


@cache
def example() -> Pair:
    """Return a pair that lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="certificate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return certify(folder)
