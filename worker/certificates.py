"""Certificate files: judged as the reference judges them, and told apart by their contents.

1. Judging reads files and changes nothing; the texts are the reference's, those of Go's crypto/tls among them.
2. A key that is locked by a passphrase is refused: nobody is there to be asked for it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import ssl
from pathlib import Path

from shardns.config.model import Encryption

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.S)
_LOAD = "could not load TLS cert: "


class EncryptionError(Exception):
    """A certificate that cannot be used; the text is the reference's, without the plugin's name."""


def judge_pair(encryption: Encryption) -> None:
    """Refuse files that hold no certificate and no key. Raises EncryptionError."""
    certificate, key = read(encryption.certificate), read(encryption.key)
    for text in (_wrong_certificate(certificate), _wrong_key(key)):
        if text:
            raise EncryptionError(_LOAD + text)


def read(path: str) -> bytes:
    """Return the content of a certificate or key file. Raises EncryptionError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise EncryptionError(f"{_LOAD}open {path}: {_reason(error)}") from None


def load_pair(context: ssl.SSLContext, encryption: Encryption) -> None:
    """Give a context its certificate chain and key. Raises EncryptionError."""
    try:
        context.load_cert_chain(encryption.certificate, encryption.key, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = "tls: private key does not match public key"
        else:
            text = f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
        raise EncryptionError(_LOAD + text) from None
    except ValueError as error:
        raise EncryptionError(_LOAD + str(error)) from None
    except OSError as error:
        raise EncryptionError(f"{_LOAD}open {error.filename or encryption.certificate}: {_reason(error)}") from None


def load_authorities(context: ssl.SSLContext, path: str) -> None:
    """Have a context judge clients by the certificates in a file, each of them trusted for itself.

    Raises EncryptionError.
    """
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise EncryptionError(f"could not read root certs: no certificate in {path}") from None
    except OSError as error:
        raise EncryptionError(f"error reading {path}: open {path}: {_reason(error)}") from None
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def unwritable(path: str, error: OSError) -> str:
    """Say why session keys cannot be logged."""
    return f'unable to write TLS Key Log to "{path}": open {path}: {_reason(error)}'


def judge_keylog(path: str) -> None:
    """Refuse a key log that could not be written, without making it. Raises EncryptionError."""
    folder = os.path.dirname(path) or "."
    found = os.path.exists(path)
    number = 0
    if os.path.isdir(path):
        number = errno.EISDIR
    elif not found and not os.path.isdir(folder):
        number = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
    elif not os.access(path if found else folder, os.W_OK):
        number = errno.EACCES
    if number:
        raise EncryptionError(unwritable(path, OSError(number, "")))


def stamp(encryption: Encryption) -> str:
    """Return a digest of the files' contents; "" where one of them cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files(encryption):
        try:
            content = Path(path).read_bytes()
        except OSError:
            return ""
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def files(encryption: Encryption) -> tuple[str, ...]:
    """Return the names of the files that a certificate is made of."""
    return tuple(filter(None, (encryption.certificate, encryption.key, encryption.ca)))


def _blocks(pem: bytes) -> list[str]:
    return [found.group(1).decode() for found in _BLOCK.finditer(pem)]


def _wrong_certificate(pem: bytes) -> str:
    kinds = _blocks(pem)
    if "CERTIFICATE" in kinds:
        return ""
    if not kinds:
        return "tls: failed to find any PEM data in certificate input"
    if any(kind.endswith("PRIVATE KEY") for kind in kinds):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following '
        f"types: [{' '.join(kinds)}]"
    )


def _wrong_key(pem: bytes) -> str:
    kinds = _blocks(pem)
    if any(kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY") for kind in kinds):
        return ""
    if not kinds:
        return "tls: failed to find any PEM data in key input"
    if kinds == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of '
        f"the following types: [{' '.join(kinds)}]"
    )


def _no_passphrase() -> str:
    raise ValueError("tls: failed to parse private key: it is locked by a passphrase")


def _reason(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
