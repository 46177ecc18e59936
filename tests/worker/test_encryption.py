"""TLS contexts: who gets in with which certificate, protocols, sessions. Handshakes in memory."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from shardns.config.model import Encryption
from shardns.worker.encryption import EncryptionError, context
from tests.certify import Pair, certify

ANYBODY, CERTIFIED, OURS = {"none", "stranger", "ours"}, {"stranger", "ours"}, {"ours"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """The server's, one that the client CA issued, one that nobody knows, and the CA."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = certify(folder, "ca.test", "ca")
    return {
        "server": certify(folder),
        "ours": certify(folder, "ours.test", "ours", issuer=ca),
        "stranger": certify(folder, "stranger.test", "stranger"),
        "ca": ca,
    }


def client(pair: Pair | None = None, alpn: tuple[str, ...] = (), most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client's context that takes any server."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if pair is not None:
        made.load_cert_chain(*pair)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    if most is not None:
        made.maximum_version = most
    return made


def shake(server: ssl.SSLContext, dialling: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Carry a handshake out; returns both sides, or raises the server's complaint."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = server.wrap_bio(there, back, server_side=True), dialling.wrap_bio(back, there)
    open_ends = [ends[1], ends[0]]
    for _ in range(8):
        for end in list(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not open_ends
    return ends


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
@pytest.mark.parametrize(
    ("mode", "let_in"),
    [
        ("nocert", ANYBODY),
        ("request", ANYBODY),
        ("require", CERTIFIED),
        ("verify_if_given", {"none", "ours"}),
        ("require_and_verify", OURS),
    ],
)
def test_who_gets_in(certificates: dict[str, Pair], mode: str, let_in: set[str], version: ssl.TLSVersion) -> None:
    server = certificates["server"]
    made = context(
        Encryption(str(server.certificate), str(server.key), str(certificates["ca"].certificate), mode), ("dot",)
    )
    found = set()
    for who in ANYBODY:
        try:
            end, _ = shake(made, client(certificates.get(who), most=version))
        except ssl.SSLError:
            continue
        found.add(who)
        shown = who != "none" and mode != "nocert"
        assert (end.getpeercert(True) is not None) is shown, who
    assert found == let_in


def test_a_certificate_in_the_ca_file_is_trusted_for_itself(certificates: dict[str, Pair]) -> None:
    server, ours = certificates["server"], certificates["ours"]
    made = context(
        Encryption(str(server.certificate), str(server.key), str(ours.certificate), "require_and_verify"), ()
    )
    shake(made, client(ours))
    with pytest.raises(ssl.SSLError):
        shake(made, client(certificates["stranger"]))


def plain(certificates: dict[str, Pair]) -> ssl.SSLContext:
    """Return the context of a listener without further options."""
    server = certificates["server"]
    return context(Encryption(str(server.certificate), str(server.key)), ("dot",))


@pytest.mark.parametrize(("offered", "chosen"), [((), None), (("dot",), "dot"), (("h2", "dot"), "dot"), (("x",), None)])
def test_the_protocol_name_is_answered_where_it_is_offered(
    certificates: dict[str, Pair], offered: tuple[str, ...], chosen: str | None
) -> None:
    _, end = shake(plain(certificates), client(alpn=offered))
    assert end.selected_alpn_protocol() == chosen


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_old_versions_are_refused(certificates: dict[str, Pair]) -> None:
    old = client()
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake(plain(certificates), old)


def test_every_suite_has_forward_secrecy_and_authenticated_encryption(certificates: dict[str, Pair]) -> None:
    for suite in plain(certificates).get_ciphers():
        assert suite["aead"], suite["name"]
        assert suite["name"].startswith(("TLS_", "ECDHE-"))


def test_compression_and_renegotiation_are_off(certificates: dict[str, Pair]) -> None:
    made = plain(certificates)
    assert made.options & ssl.OP_NO_COMPRESSION
    assert made.options & ssl.OP_NO_RENEGOTIATION


def test_the_key_log_is_its_owner_s_alone(certificates: dict[str, Pair], tmp_path: Path) -> None:
    server = certificates["server"]
    context(Encryption(str(server.certificate), str(server.key), keylog=str(tmp_path / "keys")), ())
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_pair_that_broke_after_the_check_is_told_with_the_plugin_s_name(tmp_path: Path) -> None:
    pair = certify(tmp_path)
    certify(tmp_path, stem="other").key.replace(pair.key)
    with pytest.raises(EncryptionError, match=r"^plugin/tls: could not load TLS cert: tls: private key does not match"):
        context(Encryption(str(pair.certificate), str(pair.key)), ())
