"""TLS contexts of the encrypted listeners, made in the master before the fork.

1. All workers share a context's ticket keys that way: a session begun with one of them resumes with any other
   (RFC 8446 §4.6.1), and workers need not be able to read private keys.
2. A live context is never loaded again: one that fails half-way breaks it. A changed certificate is a new generation.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from shardns.config.model import Encryption, Model, listeners

from . import acme
from .certificates import EncryptionError, judge_pair, load_authorities, load_pair, stamp, unwritable
from .unverified import Unreachable, accept_any_certificate

__all__ = [
    "PROTOCOLS", "QUIC", "EncryptionError", "context", "contexts", "judge", "open_keylogs", "quic_credentials",
    "restamped",
]  # fmt: skip

PROTOCOLS: dict[str, tuple[str, ...]] = {"tls": ("dot",), "https": ("h2", "http/1.1"), "grpc": ("h2",)}
QUIC = ("quic", "https3")
# TLS 1.2: forward secrecy and authenticated encryption (RFC 9325 §4.2). All suites of TLS 1.3 have both.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
ASKS = {
    "nocert": ssl.CERT_NONE,
    "request": ssl.CERT_OPTIONAL,
    "require": ssl.CERT_REQUIRED,
    "verify_if_given": ssl.CERT_OPTIONAL,
    "require_and_verify": ssl.CERT_REQUIRED,
}
UNVERIFIED = ("request", "require")

if TYPE_CHECKING:
    from .quic.credentials import Credentials


def contexts(model: Model) -> dict[int, ssl.SSLContext]:
    """Return the contexts of a model's TLS-over-TCP listeners by index. Raises EncryptionError."""
    return {
        index: context(listening.encryption, PROTOCOLS[listening.transport])
        for index, listening in enumerate(listeners(model))
        if listening.encryption is not None and listening.transport in PROTOCOLS
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


def context(encryption: Encryption, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return a server's context for certificate files, or for what ACME has brought. Raises EncryptionError."""
    if encryption.acme is not None:
        return acme.context(encryption.acme, lambda: _bare(protocols))
    try:
        if encryption.keylog:
            make_keylog(encryption.keylog)
        return _context(encryption, protocols)
    except EncryptionError as error:
        raise EncryptionError(f"plugin/tls: {error}") from None


def _bare(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context without a certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_ciphers(CIPHERS)
    made.set_alpn_protocols(list(protocols))
    return made


def _context(encryption: Encryption, protocols: tuple[str, ...]) -> ssl.SSLContext:
    made = _bare(protocols)
    made.verify_mode = ASKS[encryption.client_auth]
    load_pair(made, encryption)
    if encryption.ca:
        load_authorities(made, encryption.ca)
    elif made.verify_mode != ssl.CERT_NONE and encryption.client_auth not in UNVERIFIED:
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if encryption.client_auth in UNVERIFIED:
        try:
            accept_any_certificate(made)
        except Unreachable as error:
            raise EncryptionError(f"client_auth {encryption.client_auth}: {error}") from None
    return made


def judge(encryption: Encryption) -> None:
    """Refuse files and modes that no listener could use. Raises EncryptionError, without the plugin's name."""
    judge_pair(encryption)
    _context(encryption, ())


def make_keylog(path: str) -> None:
    """Make the file for session keys, for its owner alone. Raises EncryptionError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise EncryptionError(unwritable(path, error)) from None


def open_keylogs(model: Model, tcp: Mapping[int, ssl.SSLContext], quic: Mapping[int, Credentials]) -> None:
    """Begin to log session keys where that is asked for: in a worker, while it still may open the files."""
    for index, listening in enumerate(listeners(model)):
        path = listening.encryption.keylog if listening.encryption is not None else ""
        if path and index in tcp:
            tcp[index].keylog_filename = path
        if path and index in quic:
            quic[index].configuration.secrets_log_file = open(path, "a", buffering=1)  # noqa: SIM115  as long as we live


def restamped(model: Model) -> Model:
    """Return a model whose certificate files were looked at anew."""
    blocks = []
    for block in model.blocks:
        encryption = block.encryption
        if encryption is not None and encryption.acme is not None:
            block = replace(block, encryption=replace(encryption, stamp=acme.stamp(encryption.acme)))
        elif encryption is not None and encryption.certificate:
            block = replace(block, encryption=replace(encryption, stamp=stamp(encryption)))
        blocks.append(block)
    return replace(model, blocks=tuple(blocks))
