"""Certificates that an ACME authority issues (RFC 8555): which domains, where they are kept, and who is shown which.

1. The storage is laid out as certmagic lays it out: certificates and accounts of the reference go on to be used.
2. Everything in it is for its owner alone: folders 0700, files 0600. A file is replaced whole or not at all.
3. A listener's context is made with what is stored at that time. A new certificate is a new generation.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
LABEL: Final = b"\x0f_acme-challenge"


@dataclass(frozen=True)
class Acme:
    """One ACME stanza: names as ASCII without a final dot, `*.` before those of a wildcard; absolute paths."""

    domains: tuple[str, ...]
    email: str = ""
    ca: str = LETS_ENCRYPT
    storage: str = ""
    ca_root: str = ""
    resolver: str = ""

    @property
    def account(self) -> tuple[str, ...]:
        """Everything but the domains."""
        return self.email, self.ca, self.storage, self.ca_root, self.resolver

    def managed(self, name: str) -> str | None:
        """Return the domain of a server name that a client asked for: itself, or the wildcard one label above it."""
        name = name.lower().removesuffix(".")
        wildcard = "*." + name.partition(".")[2]
        return name if name in self.domains else wildcard if wildcard in self.domains else None


class Pair(NamedTuple):
    """Where the certificate of a domain and its key are kept."""

    certificate: Path
    key: Path


class Storage:
    """The folder of one stanza."""

    def __init__(self, acme: Acme) -> None:
        self.folder = Path(acme.storage)
        where = urlsplit(acme.ca)
        self.issuer = _safe(where.netloc + where.path.rstrip("/").replace("/", "-"))
        self._user = _safe(acme.email) or "default"
        self._user_file = _safe(acme.email.partition("@")[0])

    def pair(self, domain: str) -> Pair:
        """Return the names of a domain's files, whether they exist or not."""
        name = _safe(domain)
        folder = self.folder / "certificates" / self.issuer / name
        return Pair(folder / f"{name}.crt", folder / f"{name}.key")

    @property
    def account_key(self) -> Path:
        """Where the key of the account is kept."""
        folder = self.folder / "acme" / self.issuer / "users" / self._user
        return folder / f"{self._user_file or 'private'}.key"

    @property
    def lock(self) -> Path:
        """The file whose holder alone asks the authority."""
        return self.folder / "locks" / "shardns.lock"

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file. Raises OSError."""
        self.make(path.parent)
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def make(self, folder: Path) -> None:
        """Make a folder and those above it. Raises OSError."""
        for path in (*reversed(folder.parents), folder):
            if path.is_relative_to(self.folder) and not path.is_dir():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _safe(name: str) -> str:
    """Return a name as certmagic writes it into file names."""
    for old, new in ((" ", "_"), ("+", "_plus_"), ("*", "wildcard_"), (":", "-"), ("..", "")):
        name = name.lower().strip().replace(old, new)
    return "".join(letter for letter in name if letter.isalnum() or letter in "_@.-")


def stamp(acme: Acme) -> str:
    """Return a digest of what is stored for the domains; "" where something cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for _, pair in _stored(acme):
            digest.update(pair.certificate.read_bytes() + b"\0")
    except OSError:
        return ""
    return digest.hexdigest()


def _stored(acme: Acme) -> Iterator[tuple[str, Pair]]:
    storage = Storage(acme)
    for domain in acme.domains:
        pair = storage.pair(domain)
        if os.access(pair.certificate, os.R_OK) and os.access(pair.key, os.R_OK):
            yield domain, pair


def first_pair(acme: Acme) -> Pair | None:
    """Return the files of the first domain, where they are there: for clients that name no server."""
    return next((pair for domain, pair in _stored(acme) if domain == acme.domains[0]), None)


def context(acme: Acme, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return a listener's context: each server name gets its domain's certificate, no name that of the first domain.

    A name that is not managed, or whose certificate is not there yet, ends the handshake.
    """
    ready: dict[str, ssl.SSLContext] = {}
    for domain, pair in _stored(acme):
        made = make()
        try:
            made.load_cert_chain(pair.certificate, pair.key)
        except (OSError, ValueError):  # as if it were missing: a fresh one is on its way
            continue
        ready[domain] = made
    outer = make()
    outer.sni_callback = lambda tls, name, _: _choose(acme, ready, tls, name)
    return outer


def _choose(
    acme: Acme, ready: dict[str, ssl.SSLContext], tls: ssl.SSLSocket | ssl.SSLObject, name: str | None
) -> int | None:
    domain = acme.domains[0] if name is None else acme.managed(name)
    if domain is None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    if domain not in ready:
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
    tls.context = ready[domain]
    return None
