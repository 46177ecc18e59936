"""The Prometheus web configuration: TLS, response headers and users of the metrics endpoint."""

from __future__ import annotations

import base64
import binascii
import ctypes
import ctypes.util
import hashlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from shardns.worker.http import Request, Response
from shardns.worker.unverified import Unreachable, accept_any_certificate

from .webyaml import load

_VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1, "TLS11": ssl.TLSVersion.TLSv1_1, "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip
_CLIENTS: Final = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_OPTIONAL,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAnyClientCert": ssl.CERT_REQUIRED,
    "RequireClientCert": ssl.CERT_REQUIRED,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_SECTIONS: Final = {
    "tls_server_config": {
        "cert_file", "key_file", "client_auth_type", "client_ca_file", "client_allowed_sans", "min_version",
        "max_version", "cipher_suites", "curve_preferences", "prefer_server_cipher_suites",
    },
    "http_server_config": {"http2", "headers"},
}  # fmt: skip
_MAX_REMEMBERED: Final = 100  # passwords; checking one costs 50 ms on purpose


@dataclass(frozen=True)
class WebConfig:
    """What an endpoint needs of it; the default is plain HTTP for everybody."""

    context: ssl.SSLContext | None = None
    guard: Callable[[Request], Response | None] | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, file: str) -> WebConfig:
        """Read a file; its relative names are relative to its folder. Raises OSError or ValueError."""
        path = Path(file)
        found = load(path.read_text())
        _known(found, {*_SECTIONS, "basic_auth_users"}, "web.Config")
        for section, keys in _SECTIONS.items():
            if not isinstance(found.get(section) or {}, dict):
                raise ValueError(f"{section} is not a mapping")
            _known(found.get(section) or {}, keys, section)
        tls = found.get("tls_server_config")
        users = found.get("basic_auth_users")
        headers = (found.get("http_server_config") or {}).get("headers") or {}
        return cls(
            _context(tls, path.parent) if tls else None,
            _guard({str(k): str(v) for k, v in users.items()}) if users else None,
            tuple((str(name), str(value)) for name, value in headers.items()),
        )


def _known(found: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in found:
        if name not in names:
            raise ValueError(f"yaml: unmarshal errors: field {name} not found in type {where}")


def _context(config: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    for name in ("cert", "key"):
        if not config.get(f"{name}_file"):
            raise ValueError(f"missing one of {name} or {name}_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _version(config.get("min_version"), ssl.TLSVersion.TLSv1_2)
    context.maximum_version = _version(config.get("max_version"), ssl.TLSVersion.MAXIMUM_SUPPORTED)
    context.load_cert_chain(folder / str(config["cert_file"]), folder / str(config["key_file"]))
    kind, authority = str(config.get("client_auth_type") or ""), config.get("client_ca_file")
    if kind not in _CLIENTS:
        raise ValueError(f"Invalid ClientAuth: {kind}")
    if authority and _CLIENTS[kind] is ssl.CERT_NONE:
        raise ValueError("Client CA's have been configured without a Client Auth Policy")
    context.verify_mode = _CLIENTS[kind]
    if authority:
        context.load_verify_locations(folder / str(authority))
    elif "Verify" in kind:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if kind in _UNVERIFIED:
        try:
            accept_any_certificate(context)
        except Unreachable as error:
            raise ValueError(f"client_auth_type {kind}: {error}") from None
    return context


def _version(name: Any, otherwise: ssl.TLSVersion) -> ssl.TLSVersion:
    if not name:
        return otherwise
    if name not in _VERSIONS:
        raise ValueError(f"unknown TLS version: {name}")
    return _VERSIONS[name]


def _guard(users: Mapping[str, str]) -> Callable[[Request], Response | None]:
    """Return a check of a request's user and password against bcrypt hashes; it answers 401 where they are wrong."""
    refusal = Response(401, b"Unauthorized\n", headers=(("WWW-Authenticate", "Basic"),))
    remembered: dict[bytes, bool] = {}

    def check(request: Request) -> Response | None:
        user, password = _credentials(request.headers.get("authorization", ""))
        mark = hashlib.sha256(f"{user}\0{password}".encode()).digest()
        if mark not in remembered:
            if len(remembered) >= _MAX_REMEMBERED:
                remembered.clear()
            remembered[mark] = user in users and matches(password, users[user])
        return None if remembered[mark] else refusal

    return check


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


@cache
def _crypt() -> Callable[[bytes, bytes], bytes | None]:
    """Return the C library's crypt(3), which knows bcrypt; Python has none."""
    name = ctypes.util.find_library("crypt")
    if name is None:
        raise ValueError("basic_auth_users needs the C library crypt")
    function = ctypes.CDLL(name).crypt
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    function.restype = ctypes.c_char_p
    found: Callable[[bytes, bytes], bytes | None] = function
    return found


def matches(password: str, hashed: str) -> bool:
    """Tell whether a password has this bcrypt hash."""
    if "\0" in password or not hashed.startswith(("$2a$", "$2b$", "$2y$")):
        return False
    return _crypt()(password.encode(), hashed.encode()) == hashed.encode()
