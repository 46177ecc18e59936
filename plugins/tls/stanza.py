"""What an ACME stanza may say, judged in the reference's words."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.worker.acme import LETS_ENCRYPT, Acme

_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_ROOTS: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
MAX_NAME: Final = 253  # octets of a name in text


def stanza(domains: tuple[str, ...], email: str, ca: str, storage: str, ca_root: str, resolver: str, root: str) -> Acme:
    """Return the stanza. Raises Refuse."""
    found = tuple(dict.fromkeys(domain(text) for text in domains))
    if not found:
        raise Refuse("ACME requires at least one domain", located=False)
    if ca:
        _check_ca(ca)
    if resolver:
        _check_resolver(resolver)
    if ca_root:
        _check_roots(ca_root)
    folder = os.path.abspath(storage or os.path.join(root, ".coredns", "acme"))
    return Acme(found, email, ca or LETS_ENCRYPT, folder, os.path.abspath(ca_root) if ca_root else "", resolver)


def domain(text: str) -> str:
    """Return a domain as certificates name it. Raises Refuse."""
    name = text.strip().lower().removesuffix(".")
    refusal = Refuse(f"invalid ACME domain {quote(name)}", located=False)
    star = "*." if name.startswith("*.") else ""
    try:
        name = name.removeprefix(star).encode("idna").decode()
    except UnicodeError:
        raise refusal from None
    if not _NAME.fullmatch(name) or len(star + name) > MAX_NAME:
        raise refusal
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return star + name
    raise refusal


def _check_ca(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise Refuse(f"invalid ACME CA URL {quote(url)}", located=False)


def _check_resolver(text: str) -> None:
    host, colon, port = text.rpartition(":")
    reason = ""
    if not colon or (":" in text and text.endswith("]")):
        reason = f"address {text}: missing port in address"
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        reason = f"address {text}: too many colons in address"
    elif not host.strip("[]"):
        reason = "host is empty"
    if reason:
        raise Refuse(f"invalid ACME resolver {quote(text)}: {reason}", located=False)
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise Refuse(f"invalid ACME resolver port {quote(port)}", located=False)


def _check_roots(path: str) -> None:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise Refuse(f"reading ACME CA root {quote(path)}: open {path}: {text}", located=False) from None
    if not _ROOTS.search(content):
        raise Refuse(f"ACME CA root {quote(path)} contains no certificates", located=False)
