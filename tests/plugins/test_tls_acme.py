"""tls with ACME: stanzas, the refusals of the reference, challenges, what is stored, who is shown which certificate."""

from __future__ import annotations

import datetime
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.model import Encryption
from shardns.plugins.tls.challenges import KEPT_S, Challenges
from shardns.plugins.tls.issuance import Issuance
from shardns.plugins.tls.options import Options
from shardns.worker.acme import LETS_ENCRYPT, Acme, Storage, first_pair, stamp
from shardns.worker.encryption import context, restamped
from tests.certify import Pair, issue
from tests.meta.load import load_text
from tests.plugins.small import options, refusal

PLACE = "Corefile:2 - Error during parsing: "


def shaped(text: str, root: str = "") -> Acme:
    draft = Draft(root=root)
    options(Options, text, draft)
    assert draft.encryption is not None and isinstance(draft.encryption.acme, Acme)
    return draft.encryption.acme


def stanza(*lines: str) -> str:
    return "\n".join(("tls {", *lines, "}"))


def test_domains_are_normalised_and_paths_stand_below_the_root(tmp_path: Path) -> None:
    issue(tmp_path, "ca.test", file="roots")
    lines = ("acme DNS.Example. dns.example *.Wild.example bücher.example", "storage certs", "ca_root roots.pem")
    found = shaped(stanza(*lines, "email a@b.example", "resolver [::1]:5353"), str(tmp_path))
    assert found == Acme(
        ("dns.example", "*.wild.example", "xn--bcher-kva.example"), "a@b.example", LETS_ENCRYPT,
        str(tmp_path / "certs"), str(tmp_path / "roots.pem"), "[::1]:5353",
    )  # fmt: skip


def test_the_storage_is_a_hidden_folder_below_the_root_unless_named(tmp_path: Path) -> None:
    assert shaped(stanza("acme a.example"), str(tmp_path)).storage == str(tmp_path / ".coredns" / "acme")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("tls", "plugin/tls: ACME requires at least one domain"),
        (stanza("email a@b"), "plugin/tls: ACME requires at least one domain"),
        (stanza("acme"), f"{PLACE}Wrong argument count or unexpected line ending after 'acme'"),
        (stanza("acme 192.0.2.1"), 'plugin/tls: invalid ACME domain "192.0.2.1"'),
        (stanza("acme 2001:db8::1"), 'plugin/tls: invalid ACME domain "2001:db8::1"'),
        (stanza("acme *.*.example"), 'plugin/tls: invalid ACME domain "*.*.example"'),
        (stanza("acme a.*.example"), 'plugin/tls: invalid ACME domain "a.*.example"'),
        (stanza("acme *"), 'plugin/tls: invalid ACME domain "*"'),
        (stanza("acme *.*.EXAMPLE."), 'plugin/tls: invalid ACME domain "*.*.example"'),
        (stanza("acme a.b", "resolver :53"), 'plugin/tls: invalid ACME resolver ":53": host is empty'),
        (stanza("acme a..b"), 'plugin/tls: invalid ACME domain "a..b"'),
        (stanza("acme a.b", "ca ftp://x"), 'plugin/tls: invalid ACME CA URL "ftp://x"'),
        (stanza("acme a.b", "ca https://"), 'plugin/tls: invalid ACME CA URL "https://"'),
        (
            stanza("acme a.b", "resolver 1.1.1.1"),
            'plugin/tls: invalid ACME resolver "1.1.1.1": address 1.1.1.1: missing port in address',
        ),
        (stanza("acme a.b", "resolver 1.1.1.1:dns"), 'plugin/tls: invalid ACME resolver port "dns"'),
        (stanza("acme a.b", "resolver 1.1.1.1:0"), 'plugin/tls: invalid ACME resolver port "0"'),
        (
            stanza("acme a.b", "ca_root /nowhere/roots.pem"),
            'plugin/tls: reading ACME CA root "/nowhere/roots.pem": open /nowhere/roots.pem: no such file or directory',
        ),
        (stanza("acme a.b", "ca_root /dev/null"), 'plugin/tls: ACME CA root "/dev/null" contains no certificates'),
        (stanza("acme a.b", "provider x"), 'Corefile:3 - Error during parsing: unknown ACME option "provider"'),
        (
            stanza("acme a.b", "client_auth require"),
            'Corefile:3 - Error during parsing: unknown ACME option "client_auth"',
        ),
        (
            stanza("acme a.b", "acme c.d"),
            'Corefile:3 - Error during parsing: ACME option "acme" can only be specified once',
        ),
        (
            stanza("acme a.b", "ca http://a", "ca http://b"),
            'Corefile:4 - Error during parsing: ACME option "ca" can only be specified once',
        ),
    ],
)  # fmt: skip
def test_bad_stanzas_are_refused_in_the_reference_s_words(text: str, refused: str) -> None:
    assert refusal(Options, text).endswith(refused)


def test_a_line_with_files_knows_no_acme_option(tmp_path: Path) -> None:
    pair = issue(tmp_path, "a.test")
    text = f"tls {pair.certificate} {pair.key} {{\nemail a@b\n}}"
    assert refusal(Options, text).endswith("Corefile:2 - Error during parsing: unknown option 'email'")


def test_a_domain_may_not_be_issued_in_two_ways(tmp_path: Path) -> None:
    block = "tls://.:{} {{\n tls {{\n acme {}\n storage " + str(tmp_path) + "\n ca https://{}/\n}}\n}}\n"
    same = block.format(853, "a.example b.example", "one") + block.format(854, "b.example a.example", "one")
    assert len(load_text(same).blocks) == 2
    with pytest.raises(ConfigError) as caught:
        load_text(same + block.format(855, "a.example", "two"))
    assert caught.value.text == 'plugin/tls: ACME domain "a.example" is configured with conflicting options'


def test_every_block_answers_challenges_at_the_place_of_tls(tmp_path: Path) -> None:
    text = (
        ". {\n cache\n whoami\n}\nb.test:5353 {\n}\n"
        "tls://. {\n log\n minimal\n tls {\n acme a.example\n storage " + str(tmp_path) + "\n }\n}\n"
    )
    model = load_text(text)
    assert [[one.name for one in block.directives] for block in model.blocks] == [
        ["cache", "tls", "whoami"], ["tls"], ["log", "tls", "minimal"],
    ]  # fmt: skip
    assert [block.encryption is not None for block in model.blocks] == [False, False, True]


# Challenges -----------------------------------------------------------------------------------------------------------

NAME = b"\x0f_acme-challenge\3dns\7example\0"


def test_a_value_presented_twice_is_taken_back_twice(tmp_path: Path) -> None:
    keeper, worker = Challenges(tmp_path), Challenges(tmp_path)
    keeper.present(NAME, "one")
    keeper.present(NAME, "one")
    keeper.present(NAME, "another")
    assert worker.find(NAME) == ["another", "one"]
    keeper.clean_up(NAME, "one")
    assert worker.find(NAME) == ["another", "one"]
    keeper.clean_up(NAME, "one")
    keeper.clean_up(NAME, "another")
    assert worker.find(NAME) == []
    keeper.clean_up(NAME, "another")
    assert list((tmp_path / "challenges").iterdir()) == []


def test_what_a_dead_keeper_presented_is_gone_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    challenges = Challenges(tmp_path, lambda: now[0])
    challenges.present(NAME, "one")
    now[0] = KEPT_S - 1
    assert challenges.find(NAME) == ["one"]
    now[0] = KEPT_S + 1
    assert challenges.find(NAME) == []


# Storage --------------------------------------------------------------------------------------------------------------


def acme(folder: Path, *domains: str) -> Acme:
    return Acme(domains or ("dns.example", "*.wild.example"), storage=str(folder / "store"))


def keep(found: Acme, domain: str, pair: Pair) -> None:
    storage = Storage(found)
    storage.write(storage.pair(domain).certificate, pair.certificate.read_bytes())
    storage.write(storage.pair(domain).key, pair.key.read_bytes())


def test_the_storage_is_certmagic_s_and_for_its_owner_alone(tmp_path: Path) -> None:
    found = replace(acme(tmp_path), email="Ann@b.example")
    keep(found, "*.wild.example", issue(tmp_path, "x.wild.example"))
    storage = Storage(found)
    storage.write(storage.account_key, b"key")
    site = "certificates/acme-v02.api.letsencrypt.org-directory/wildcard_.wild.example/wildcard_.wild.example"
    names = (f"{site}.crt", f"{site}.key", "acme/acme-v02.api.letsencrypt.org-directory/users/ann@b.example/ann.key")
    assert all((storage.folder / name).is_file() for name in names)
    for path in (storage.folder, *storage.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("DNS.EXAMPLE.", "dns.example"), ("one.wild.example", "*.wild.example"), ("two.one.wild.example", None),
        ("wild.example", None), ("other.example", None), ("example", None),
    ],
)  # fmt: skip
def test_a_wildcard_stands_for_one_label(name: str, domain: str | None, tmp_path: Path) -> None:
    assert acme(tmp_path).managed(name) == domain


@pytest.mark.parametrize(("days", "age", "due"), [(90, 0, False), (90, 59, False), (90, 61, True), (1, 2, True)])
def test_a_certificate_is_due_when_a_third_of_its_life_is_left(
    days: float, age: float, due: bool, tmp_path: Path
) -> None:
    order = pytest.importorskip("shardns.plugins.tls.order", exc_type=ImportError)
    found = acme(tmp_path)
    keep(found, "dns.example", issue(tmp_path, "dns.example", days=days))
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=age)
    assert order.due(found, "dns.example", now) is due
    assert order.due(found, "*.wild.example", now) is True


def test_a_certificate_whose_key_does_not_fit_is_due(tmp_path: Path) -> None:
    order = pytest.importorskip("shardns.plugins.tls.order", exc_type=ImportError)
    found = acme(tmp_path)
    pair, other = issue(tmp_path, "dns.example"), issue(tmp_path, "dns.example", file="other")
    keep(found, "dns.example", Pair(pair.certificate, other.key))
    assert order.due(found, "dns.example", datetime.datetime.now(datetime.UTC))


# Listeners ------------------------------------------------------------------------------------------------------------


def shown(made: ssl.SSLContext, name: str | None) -> bytes | str:
    """Shake hands in memory; returns the certificate that the client was shown, or how it failed."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.set_alpn_protocols(["dot"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = made.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            if side is client:
                return str(error.reason)
    assert client.selected_alpn_protocol() == "dot"
    return client.getpeercert(binary_form=True) or b""


def test_each_server_name_gets_its_certificate_and_no_name_the_first(tmp_path: Path) -> None:
    found = acme(tmp_path)
    first, second = issue(tmp_path, "dns.example", file="first"), issue(tmp_path, "x.wild.example", file="second")
    keep(found, "dns.example", first)
    keep(found, "*.wild.example", second)
    made = context(encryption(found), ("dot",))
    der = {domain: ssl.PEM_cert_to_DER_cert(pair.certificate.read_text()) for domain, pair in
           (("first", first), ("second", second))}  # fmt: skip
    assert shown(made, "DNS.example") == der["first"]
    assert shown(made, "one.wild.example") == der["second"]
    assert shown(made, None) == der["first"]
    assert shown(made, "other.example") == "TLSV1_UNRECOGNIZED_NAME"
    assert first_pair(found) == Storage(found).pair("dns.example")


def test_a_certificate_that_is_not_there_yet_ends_the_handshake(tmp_path: Path) -> None:
    found = acme(tmp_path)
    keep(found, "*.wild.example", issue(tmp_path, "x.wild.example"))
    made = context(encryption(found), ("dot",))
    assert shown(made, "dns.example") == shown(made, None) == "TLSV1_ALERT_INTERNAL_ERROR"
    assert isinstance(shown(made, "one.wild.example"), bytes)


def test_a_stored_certificate_that_cannot_be_used_is_as_good_as_none(tmp_path: Path) -> None:
    found = acme(tmp_path, "dns.example")
    pair, other = issue(tmp_path, "dns.example"), issue(tmp_path, "dns.example", file="other")
    keep(found, "dns.example", Pair(pair.certificate, other.key))
    assert shown(context(encryption(found), ("dot",)), None) == "TLSV1_ALERT_INTERNAL_ERROR"


def test_quic_shows_the_certificate_of_the_first_domain_once_it_is_there(tmp_path: Path) -> None:
    quic = pytest.importorskip("shardns.worker.quic.credentials", exc_type=ImportError)
    text = "quic://. {\n tls {\n acme dns.example\n storage " + str(tmp_path / "store") + "\n }\n}\n"
    assert quic.credentials(load_text(text))[0].configuration.certificate is None
    pair = issue(tmp_path, "dns.example")
    keep(acme(tmp_path, "dns.example"), "dns.example", pair)
    assert quic.credentials(load_text(text))[0].configuration.certificate is not None


def encryption(found: Acme) -> Encryption:
    return Encryption(acme=found)


def test_a_new_certificate_changes_the_stamp_of_an_equal_model(tmp_path: Path) -> None:
    text = "tls://. {\n tls {\n acme dns.example\n storage " + str(tmp_path / "store") + "\n }\n}\n"
    model = load_text(text)
    before = model.blocks[0].encryption
    keep(acme(tmp_path, "dns.example"), "dns.example", issue(tmp_path, "dns.example"))
    again = restamped(model)
    assert again == model and before is not None and again.blocks[0].encryption is not None
    assert again.blocks[0].encryption.stamp != before.stamp
    assert again.blocks[0].encryption.stamp == stamp(acme(tmp_path, "dns.example"))


def test_stanzas_that_say_the_same_count_once(tmp_path: Path) -> None:
    issuance = Issuance(None, tmp_path)
    for domains in (("a.example", "b.example"), ("b.example", "a.example"), ("c.example",)):
        issuance.add(acme(tmp_path, *domains), "")
    assert [one.domains for one in issuance._stanzas] == [("a.example", "b.example"), ("c.example",)]


class Log:
    """Notes what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    error = info


def test_a_failure_is_tried_again_and_a_success_renews_the_listeners_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = pytest.importorskip("shardns.plugins.tls.order", exc_type=ImportError)
    found, pair, tried = acme(tmp_path), issue(tmp_path, "dns.example", days=90), []

    def obtain(acme: Acme, domain: str, presented: Challenges, folder: Path) -> None:
        tried.append(domain)
        if len(tried) == 1:
            raise OSError("away")
        keep(acme, domain, pair)

    monkeypatch.setattr(order, "obtain", obtain)
    log, renewed = Log(), []
    issuance = Issuance(log, tmp_path, retry_s=(0.0,))
    issuance.add(found, stamp(found))

    def renew() -> None:
        renewed.append(len(tried))
        if len(renewed) == 2:
            issuance._stop.set()

    issuance._renew = renew
    issuance._run()
    assert tried == ["dns.example", "*.wild.example", "dns.example"]
    assert renewed == [2, 3]
    assert log.lines[1] == "No certificate for dns.example: OSError: away"
