"""The beginning of a TLS connection to an upstream, and what goes wrong there in the words of Go's crypto/tls.

The event loop calls, nothing waits: `Handshake` goes on whenever the socket is ready, then calls `done` or `failed`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import texts
from .engine import Engine
from .identity import mismatch

REJECTED: Final = "tls: failed to verify certificate: "
OUT_OF_TIME: Final = "context deadline exceeded"
UNKNOWN_AUTHORITY: Final = "x509: certificate signed by unknown authority"
# OpenSSL's X509_V_ERR_* numbers: x509_vfy.h
_UNTRUSTED: Final = frozenset((2, 18, 19, 20, 21, 24, 27))
_EXPIRED: Final = frozenset((9, 10))
_PLAIN: Final = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"))
_ALERTS: Final = {
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "handshake failure",
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "expired certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "revoked certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "unknown certificate",
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": "unexpected message",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "protocol version not supported",
    "TLSV1_ALERT_UNKNOWN_CA": "unknown certificate authority",
    "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV1_ALERT_DECRYPT_ERROR": "error decrypting message",
    "TLSV1_ALERT_INTERNAL_ERROR": "internal error",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "no application protocol",
    "TLSV1_UNRECOGNIZED_NAME": "unrecognized name",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "certificate required",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """How an upstream proves itself: against whose roots, under which name or address."""

    context: ssl.SSLContext
    server_name: str


class Handshake:
    """One handshake over a connected, non-blocking socket, which becomes `sock`."""

    def __init__(
        self,
        engine: Engine,
        sock: socket.socket,
        trust: Trust,
        session: ssl.SSLSession | None,
        done: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._trust = trust
        self._done = done
        self._failed = failed
        self.sock = trust.context.wrap_socket(
            sock, do_handshake_on_connect=False, server_hostname=trust.server_name, session=session
        )

    def go_on(self) -> None:
        """Take the next step."""
        loop, descriptor = self._engine.loop, self.sock.fileno()
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            loop.remove_writer(descriptor)
            loop.add_reader(descriptor, self.go_on)
        except ssl.SSLWantWriteError:
            loop.remove_reader(descriptor)
            loop.add_writer(descriptor, self.go_on)
        except OSError as error:
            self._failed(reason(error, self.sock))
        else:
            loop.remove_writer(descriptor)
            loop.remove_reader(descriptor)
            wrong = mismatch(self.sock.getpeercert() or {}, self._trust.server_name)
            if wrong:
                self._failed(REJECTED + wrong)
            else:
                self._done()


def reason(error: OSError | ValueError, sock: socket.socket | None = None) -> str:
    """Return Go's text for what ended a handshake or a TLS connection."""
    match error:
        case ssl.SSLCertVerificationError():
            return REJECTED + _verdict(error)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "EOF"
        case ssl.SSLError():
            word = error.reason or ""
            if word in _PLAIN:
                return "tls: first record does not look like a TLS handshake"
            if word in _ALERTS:
                return f"remote error: tls: {_ALERTS[word]}"
            return f"tls: {(word or str(error)).replace('_', ' ').lower()}"
        case ValueError():
            return f"tls: {error}"
        case _:
            ends = "" if sock is None else f" {texts.ends(sock, '')}"
            return f"read tcp{ends}: read: {texts.reason(error)}"


def _verdict(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code in _UNTRUSTED:
        return UNKNOWN_AUTHORITY
    if code in _EXPIRED:
        return "x509: certificate has expired or is not yet valid"
    return f"x509: {error.verify_message}"
