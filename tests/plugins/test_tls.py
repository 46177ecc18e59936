"""tls: what the directive accepts, what it refuses and with which words, and what the block gets."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.model import Encryption
from shardns.plugins import ORDER
from shardns.plugins.tls.options import MODES, Options
from shardns.worker.certificates import stamp
from tests.certify import Pair, certify
from tests.plugins.small import options, refusal

PLACE = "Corefile:{} - Error during parsing: "


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A certificate with its key."""
    return certify(tmp_path)


def shaped(text: str, root: str = "") -> tuple[Encryption, list[str]]:
    """Return what the block gets, and the warnings."""
    draft = Draft(root=root)
    options(Options, text, draft)
    assert draft.encryption is not None
    return draft.encryption, draft.warnings


def test_a_pair_becomes_the_block_s_certificate(pair: Pair) -> None:
    encryption, warnings = shaped(f"tls {pair.certificate} {pair.key}")
    assert encryption == Encryption(str(pair.certificate), str(pair.key))
    assert encryption.stamp == stamp(encryption) != ""
    assert warnings == []


@pytest.mark.parametrize("mode", MODES)
def test_every_way_to_ask_clients_is_taken(pair: Pair, mode: str) -> None:
    encryption, _ = shaped(f"tls {pair.certificate} {pair.key} {pair.certificate} {{\n client_auth {mode}\n}}")
    assert encryption.client_auth == mode
    assert encryption.ca == str(pair.certificate)


def test_the_last_of_several_properties_and_lines_counts(pair: Pair, tmp_path: Path) -> None:
    other = certify(tmp_path, stem="other")
    text = f"tls {pair.certificate} {pair.key}\ntls {other.certificate} {other.key} {{\n"
    encryption, _ = shaped(text + " client_auth require\n client_auth request\n}")
    assert encryption.certificate == str(other.certificate)
    assert encryption.client_auth == "request"


def test_relative_names_are_below_the_root(pair: Pair, tmp_path: Path) -> None:
    encryption, warnings = shaped("tls cert.pem key.pem cert.pem {\n keylog keys.log\n}", root=str(tmp_path))
    assert encryption.certificate == str(tmp_path / "cert.pem")
    assert encryption.ca == str(tmp_path / "cert.pem")
    assert encryption.keylog == str(tmp_path / "keys.log")
    assert warnings == [f'[WARNING] plugin/tls: Writing TLS Key Log to "{tmp_path}/keys.log"']


def test_a_key_log_is_named_in_full(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encryption, warnings = shaped("tls cert.pem key.pem {\n keylog keys.log\n}")
    assert encryption.keylog == str(tmp_path / "keys.log")
    assert warnings == [f'[WARNING] plugin/tls: Writing TLS Key Log to "{tmp_path}/keys.log"']
    text = refusal(Options, "tls cert.pem key.pem {\n keylog no/keys\n}")
    path = tmp_path / "no" / "keys"
    assert text.endswith(f'unable to write TLS Key Log to "{path}": open {path}: no such file or directory')


def test_the_certificate_is_looked_at_before_the_key_log() -> None:
    text = refusal(Options, "tls /nonexistent/cert /nonexistent/key {\n keylog /nonexistent/keys\n}")
    assert text.startswith("plugin/tls: could not load TLS cert: ")


def test_the_stamp_changes_with_the_files_and_the_model_does_not(pair: Pair, tmp_path: Path) -> None:
    before, _ = shaped(f"tls {pair.certificate} {pair.key}")
    certify(tmp_path)
    after, _ = shaped(f"tls {pair.certificate} {pair.key}")
    assert before == after
    assert before.stamp != after.stamp


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("unknown", "unknown option 'unknown'"),
        ("client_auth", "Wrong argument count or unexpected line ending after 'client_auth'"),
        ("client_auth none bogus", "Wrong argument count or unexpected line ending after 'bogus'"),
        ("client_auth bogus", "unknown authentication type 'bogus'"),
        ("client_auth NOCERT", "unknown authentication type 'NOCERT'"),
        ("keylog", "Wrong argument count or unexpected line ending after 'keylog'"),
        ("keylog a b", "Wrong argument count or unexpected line ending after 'b'"),
        (
            "keylog /nonexistent/keys",
            'unable to write TLS Key Log to "/nonexistent/keys": open /nonexistent/keys: no such file or directory',
        ),
    ],
)
def test_wrong_properties_are_refused(pair: Pair, block: str, complaint: str) -> None:
    text = refusal(Options, f"tls {pair.certificate} {pair.key} {{\n{block}\n}}")
    line = 3 if block.startswith("keylog /") else 2
    assert text in (f"plugin/tls: {PLACE.format(n)}{complaint}" for n in (2, line))


@pytest.mark.parametrize("words", ["cert.pem", "a b c d"])
def test_a_wrong_number_of_files_is_refused(words: str) -> None:
    last = words.split()[-1]
    wrong = f"Wrong argument count or unexpected line ending after '{last}'"
    assert refusal(Options, f"tls {words}") == f"plugin/tls: plugin/tls: {PLACE.format(1)}{wrong}"


def test_neither_files_nor_domains_are_refused() -> None:
    assert refusal(Options, "tls") == "plugin/tls: ACME requires at least one domain"


def write(folder: Path, name: str, content: bytes) -> str:
    """Write a file; returns its name."""
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_files_that_are_no_pair_are_refused_in_the_reference_s_words(pair: Pair, tmp_path: Path) -> None:
    certificate, key = map(str, pair)
    text = write(tmp_path, "notes", b"not a certificate\n")
    other = str(certify(tmp_path, stem="other").key)
    request = write(tmp_path, "request", b"-----BEGIN NOTHING-----\nAA==\n-----END NOTHING-----\n")
    load = "plugin/tls: could not load TLS cert: "
    for files, complaint in [
        ((f"{tmp_path}/no", key), f"open {tmp_path}/no: no such file or directory"),
        ((certificate, f"{tmp_path}/no"), f"open {tmp_path}/no: no such file or directory"),
        ((text, key), "tls: failed to find any PEM data in certificate input"),
        ((certificate, text), "tls: failed to find any PEM data in key input"),
        (
            (key, certificate),
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched",
        ),
        ((certificate, certificate), "tls: found a certificate rather than a key in the PEM for the private key"),
        ((certificate, other), "tls: private key does not match public key"),
        (
            (request, key),
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of '
            "the following types: [NOTHING]",
        ),
    ]:
        assert refusal(Options, f"tls {files[0]} {files[1]}") == load + complaint


def test_a_locked_key_is_refused_and_nobody_is_asked(pair: Pair, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    text = refusal(Options, f"tls {pair.certificate} {write(tmp_path, 'locked', locked)}")
    assert text.startswith("plugin/tls: could not load TLS cert: tls: failed to parse private key")


def test_a_ca_file_must_be_there_and_hold_certificates(pair: Pair, tmp_path: Path) -> None:
    head = f"tls {pair.certificate} {pair.key}"
    missing = f"{tmp_path}/none"
    text = f"plugin/tls: error reading {missing}: open {missing}: no such file or directory"
    assert refusal(Options, f"{head} {missing}") == text
    assert refusal(Options, f"{head} {pair.key}").startswith("plugin/tls: could not read root certs: ")


def test_every_problem_is_told(pair: Pair) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(f"tls {pair.certificate} {pair.key} {{\n ciphers strong\n client_auth sometimes\n}}", Draft())
    assert [problem.text.rpartition(": ")[2] for problem in caught.value.problems] == [
        "unknown option 'ciphers'", "unknown authentication type 'sometimes'",
    ]  # fmt: skip


def test_checking_a_key_log_does_not_make_it(pair: Pair, tmp_path: Path) -> None:
    shaped(f"tls {pair.certificate} {pair.key} {{\n keylog {tmp_path}/keys\n}}")
    assert not os.path.exists(tmp_path / "keys")
    text = refusal(Options, f"tls {pair.certificate} {pair.key} {{\n keylog {tmp_path}\n}}")
    assert text.endswith("is a directory")


def test_it_stands_right_behind_dnssec() -> None:
    assert ORDER[ORDER.index("dnssec") + 1] == "tls"


def test_the_reference_s_modes_are_known_to_ssl() -> None:
    from shardns.worker.encryption import ASKS

    assert tuple(ASKS) == MODES
    assert ASKS["require"] == ssl.CERT_REQUIRED
