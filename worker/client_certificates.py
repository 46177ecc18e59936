"""The files of a `tls` property: proved at set-up, in the reference's order and words, and used by each worker."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence

from shardns.config.errors import Refuse


def context(files: Sequence[str]) -> ssl.SSLContext:
    """Return what a client proves its upstreams with, of no files, CA, CERT KEY, or CERT KEY CA. Raises Refuse.

    Without a CA the system's roots count. A certificate given as a CA is trusted for itself too, as in Go. Names are
    compared in the handshake; who compares them behind it switches that off.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if len(files) >= 2:
        _key_pair(made, files[0], files[1])
    if len(files) in (1, 3):
        _roots(made, files[-1])
    else:
        made.load_default_certs()
    return made


def _key_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        for path in (certificate, key):
            with open(path, "rb"):
                pass
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise Refuse(f"could not load TLS cert: tls: {error.reason or error}") from None
    except OSError as error:
        raise Refuse(f"could not load TLS cert: {_open_text(error)}") from None


def _roots(context: ssl.SSLContext, path: str) -> None:
    try:
        with open(path, "rb") as file:
            pem = file.read()
    except OSError as error:
        raise Refuse(f"error reading {path}: {_open_text(error)}") from None
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", "replace"))
    except ssl.SSLError:
        raise Refuse("could not read root certs: %!s(<nil>)") from None


def _open_text(error: OSError) -> str:
    text = os.strerror(error.errno or 0)
    return f"open {error.filename}: {text[:1].lower()}{text[1:]}"
