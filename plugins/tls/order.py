"""One certificate from an ACME authority (RFC 8555), by the DNS-01 challenge. Everything here waits: for a thread."""

from __future__ import annotations

import datetime
import socket
import time
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import msgspec
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.errors import Error as JoseError
from josepy.jwa import ES256, RS256
from josepy.jwk import JWKEC, JWKRSA

from shardns.worker.acme import Acme, Storage
from shardns.worker.wire.names import from_text

from .challenges import Challenges
from .roots import bundle

# What can go wrong without being our fault: the authority, the network, the disk, files that others wrote.
FAILURES: Final = (errors.Error, JoseError, requests.RequestException, OSError, ValueError)
PATIENCE_S: Final = 90.0  # for the authority to look, and to issue
TIMEOUT_S: Final = 20  # of one request
SEEN_S: Final = 120.0  # for a resolver to see a challenge
LOOK_S: Final = 2.0
AGENT: Final = "shardns"


def obtain(acme: Acme, domain: str, presented: Challenges, folder: Path) -> None:
    """Get a certificate for one domain and store it. Raises one of FAILURES."""
    storage = Storage(acme)
    authority = _authority(acme, storage, folder)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _pem(key)
    order = authority.new_order(crypto_util.make_csr(pem, [domain]))
    shown: list[tuple[bytes, str]] = []
    try:
        for authorization in order.authorizations:
            _answer(acme, authority, authorization, presented, shown)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=PATIENCE_S)
        order = authority.poll_and_finalize(order, deadline)
    finally:
        for name, value in shown:
            presented.clean_up(name, value)
    pair = storage.pair(domain)
    storage.write(pair.key, pem)
    storage.write(pair.certificate, order.fullchain_pem.encode())
    about = {"sans": [domain], "issuer_data": {"ca": acme.ca}}  # without it certmagic takes a certificate for missing
    storage.write(pair.certificate.with_suffix(".json"), msgspec.json.encode(about))


def due(acme: Acme, domain: str, now: datetime.datetime) -> bool:
    """Tell whether a domain needs a certificate: it has none, or a third of its lifetime or less is left."""
    pair = Storage(acme).pair(domain)
    try:
        found = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return True
    if _public(found.public_key()) != _public(key.public_key()):
        return True
    start, end = found.not_valid_before_utc, found.not_valid_after_utc
    return (end - now) <= (end - start) / 3


def _answer(
    acme: Acme, authority: Any, authorization: Any, presented: Challenges, shown: list[tuple[bytes, str]]
) -> None:
    """Present what one authorization asks for, and say so."""
    if authorization.body.status == messages.STATUS_VALID:
        return
    offered = (one for one in authorization.body.challenges if isinstance(one.chall, challenges.DNS01))
    challenge = next(offered, None)
    if challenge is None:
        raise errors.Error("the authority offers no DNS-01 challenge")
    key = authority.net.key
    host = challenge.chall.validation_domain_name(authorization.body.identifier.value)
    name, value = from_text(host.lower() + "."), challenge.chall.validation(key)
    presented.present(name, value)
    shown.append((name, value))
    if acme.resolver:
        _wait_seen(acme.resolver, host, value)
    authority.answer_challenge(challenge, challenge.chall.response(key))


def _wait_seen(resolver: str, host: str, value: str) -> None:
    """Wait until a resolver answers with a value. Raises OSError past `SEEN_S`."""
    server, _, port = resolver.rpartition(":")
    where = socket.getaddrinfo(server.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0][4]
    end = time.monotonic() + SEEN_S
    while time.monotonic() < end:
        try:
            query = dns.message.make_query(host, dns.rdatatype.TXT)
            reply, _ = dns.query.udp_with_fallback(query, str(where[0]), timeout=LOOK_S, port=int(where[1]))
        except (dns.exception.DNSException, OSError):
            reply = None
        if reply is not None and f'"{value}"' in str(reply):
            return
        time.sleep(LOOK_S)
    raise TimeoutError(f"{resolver} does not see the TXT record of {host}")


# The account ----------------------------------------------------------------------------------------------------------


def _authority(acme: Acme, storage: Storage, folder: Path) -> Any:
    """Return a client that acts for the account, which is made where there is none."""
    key = _account_key(storage)
    signed, algorithm = (
        (JWKEC(key=key), ES256) if isinstance(key, ec.EllipticCurvePrivateKey) else (JWKRSA(key=key), RS256)
    )
    net: Any = client.ClientNetwork(signed, alg=algorithm, user_agent=AGENT, timeout=TIMEOUT_S)
    if acme.ca_root:
        net.verify_ssl = str(bundle(acme.ca_root, folder))
    authority = client.ClientV2(client.ClientV2.get_directory(acme.ca, net), net)
    asked = messages.NewRegistration.from_data(email=acme.email or None, terms_of_service_agreed=True)
    try:
        authority.new_account(asked)
    except errors.ConflictError as known:
        net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
    return authority


def _account_key(storage: Storage) -> Any:
    try:
        key = serialization.load_pem_private_key(storage.account_key.read_bytes(), None)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        storage.write(storage.account_key, _pem(key))
    if isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        return key
    raise ValueError(f"{storage.account_key}: not a key that ACME accounts have")


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _public(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    octets: bytes = key.public_bytes(serialization.Encoding.DER, form)
    return octets
