"""Whether a certificate names the upstream that showed it, in the words of Go's crypto/x509 (RFC 6125, RFC 9525).

OpenSSL verifies the chain. It could compare names as well, but then would not tell which ones there were.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any


def mismatch(certificate: Mapping[str, Any], name: str) -> str:
    """Return what is wrong with a verified certificate (as `ssl.SSLSocket.getpeercert` gives it); "" if nothing is.

    Alternative names count alone, the common name never (RFC 9525 §2).
    """
    alternatives = certificate.get("subjectAltName", ())
    hosts = [value for kind, value in alternatives if kind == "DNS"]
    addresses = [_address(value) for kind, value in alternatives if kind == "IP Address"]
    address = _address(name)
    if address is not None:
        if address in addresses:
            return ""
        if not addresses:
            return f"x509: cannot validate certificate for {name} because it doesn't contain any IP SANs"
        return f"x509: certificate is valid for {', '.join(map(str, addresses))}, not {name}"
    if any(_names(pattern, name) for pattern in hosts):
        return ""
    if not alternatives and any(_names(common, name) for common in _common_names(certificate)):
        return "x509: certificate relies on legacy Common Name field, use SANs instead"
    if not hosts:
        return f"x509: certificate is not valid for any names, but wanted to match {name}"
    return f"x509: certificate is valid for {', '.join(hosts)}, not {name}"


def _names(pattern: str, name: str) -> bool:
    """Compare label by label; `*` stands for the whole leftmost label and for nothing else (RFC 9525 §6.3)."""
    wanted = name.lower().removesuffix(".").split(".")
    given = pattern.lower().removesuffix(".").split(".")
    if len(wanted) != len(given) or not all(wanted):
        return False
    if given[0] == "*" and len(given) > 1:
        return given[1:] == wanted[1:]
    return given == wanted


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None


def _common_names(certificate: Mapping[str, Any]) -> Iterable[str]:
    return (value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName")
