"""TLS contexts of the encrypted listeners, made in the master before the fork.

1. All workers share a context's ticket keys that way: a session begun with one of them resumes with any other
   (RFC 8446 §4.6.1), and workers need not be able to read private keys.
2. A live context is never loaded again: one that fails half-way breaks it. A changed certificate is a new generation.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from shardns.config.model import Encryption, Listening, Model, listeners

PROTOCOLS: dict[str, tuple[str, ...]] = {"tls": ("dot",), "https": ("h2", "http/1.1"), "grpc": ("h2",)}
QUIC = ("quic", "https3")
_VERIFY = {
    "verify_if_given": ssl.CERT_OPTIONAL,
    "require_and_verify": ssl.CERT_REQUIRED,
}

if TYPE_CHECKING:
    from .quic.credentials import Credentials


class EncryptionError(Exception):
    """A certificate that cannot be used; the text is the reference's."""


def contexts(model: Model) -> dict[int, ssl.SSLContext]:
    """Return the contexts of a model's TLS-over-TCP listeners by index. Raises EncryptionError."""
    return {
        index: context(listening.encryption, PROTOCOLS[listening.transport])
        for index, listening in enumerate(listeners(model))
        if listening.encryption is not None and _has_files(listening)
    }


def quic_credentials(model: Model) -> dict[int, Credentials]:
    """Return what a model's QUIC listeners prove themselves with. Raises EncryptionError."""
    if not any(listening.transport in QUIC for listening in listeners(model)):
        return {}
    try:
        from .quic.credentials import credentials
    except ImportError as error:
        raise EncryptionError(f"QUIC needs the package aioquic (pip install shardns[quic]): {error}") from None
    return credentials(model)


def _has_files(listening: Listening) -> bool:
    encryption = listening.encryption
    return listening.transport in PROTOCOLS and encryption is not None and bool(encryption.certificate)


def context(encryption: Encryption, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return a server's context for certificate files. Raises EncryptionError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(list(protocols))
    made.verify_mode = _VERIFY.get(encryption.client_auth, ssl.CERT_NONE)
    try:
        made.load_cert_chain(encryption.certificate, encryption.key)
        if encryption.ca:
            made.load_verify_locations(encryption.ca)
        elif made.verify_mode != ssl.CERT_NONE:
            made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        if encryption.keylog:
            made.keylog_filename = encryption.keylog
    except OSError as error:
        raise EncryptionError(f"plugin/tls: could not load TLS cert: {error}") from None
    return made
