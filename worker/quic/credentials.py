"""What the workers' QUIC listeners prove themselves with, read in the master before the fork.

Workers need not be able to read private keys; a changed certificate is a new generation.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from aioquic.quic.configuration import QuicConfiguration

from shardns.config.model import Encryption, Listening, Model, listeners

from ..acme import first_pair
from ..encryption import EncryptionError
from .cids import LENGTH, secret

PROTOCOLS = {"quic": "doq", "https3": "h3"}
IDLE_S = 10.0  # where the `timeouts` directive says nothing
WINDOW_BYTES = 1 << 17  # of one stream: the largest request of either protocol
WITHOUT = {
    "quic": "ListenPacket: quic: tls.Config not set",
    "https3": "DoH3 requires TLS, no TLS config found",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """`configuration` is the library's; `client_auth` is the word of the `tls` directive, `ca` the certificates by
    which clients are judged.
    """

    configuration: QuicConfiguration
    client_auth: str = "nocert"
    ca: bytes | None = None


def credentials(model: Model) -> dict[int, Credentials]:
    """Return the credentials of a model's QUIC listeners by index. Raises EncryptionError."""
    secret()
    return {
        index: _of(listening) for index, listening in enumerate(listeners(model)) if listening.transport in PROTOCOLS
    }


def _of(listening: Listening) -> Credentials:
    encryption = listening.encryption
    if encryption is None:
        raise EncryptionError(WITHOUT[listening.transport])
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=[PROTOCOLS[listening.transport]],
        connection_id_length=LENGTH,
        idle_timeout=listening.timeouts.idle or IDLE_S,
        max_stream_data=WINDOW_BYTES,
        max_data=2 * WINDOW_BYTES,
    )
    if encryption.acme is not None:
        pair = first_pair(encryption.acme)
        if pair is None:  # it comes later
            return Credentials(configuration)
        encryption = replace(encryption, certificate=str(pair.certificate), key=str(pair.key))
    return Credentials(load(configuration, encryption), encryption.client_auth, _authorities(encryption))


def load(configuration: QuicConfiguration, encryption: Encryption) -> QuicConfiguration:
    """Put the certificate files into a configuration. Raises EncryptionError."""
    try:
        configuration.load_cert_chain(encryption.certificate, encryption.key)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise EncryptionError(f"plugin/tls: could not load TLS cert: {error}") from None
    return configuration


def _authorities(encryption: Encryption) -> bytes | None:
    if encryption.client_auth not in ("verify_if_given", "require_and_verify"):
        return None
    path = encryption.ca or ssl.get_default_verify_paths().cafile
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise EncryptionError(f"plugin/tls: could not load TLS cert: {error}") from None
