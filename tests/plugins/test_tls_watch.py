"""Certificate files as the keeper watches them: what has it ask for a renewal, and what does not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from shardns.config.model import Encryption
from shardns.plugins.tls import watch as module
from shardns.plugins.tls.watch import Watch
from shardns.worker.certificates import stamp
from shardns.worker.encryption import EncryptionError
from tests.certify import certify


class Keeper:
    """Log and scope of a keeper: `told` are its lines, `renewals` how often it asked."""

    def __init__(self, folder: Path) -> None:
        pair = certify(folder)
        self.folder = folder
        self.told: list[str] = []
        self.renewals = 0
        self.encryption = Encryption(str(pair.certificate), str(pair.key))
        object.__setattr__(self.encryption, "stamp", stamp(self.encryption))
        self.watch = Watch(self)

    def begin(self) -> None:
        """Watch from now on."""
        self.watch.add(self.encryption)

    def looks(self, times: int = 1) -> None:
        """Let intervals pass."""
        for _ in range(times):
            asyncio.run(self.watch.look(cast(Any, self)))

    def renew(self) -> None:
        """Count it."""
        self.renewals += 1

    def info(self, text: str) -> None:
        """A line."""
        self.told.append(text)

    error = warning = info


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """A keeper with a certificate that was checked."""
    return Keeper(tmp_path)


@pytest.fixture
def blind(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A keeper that sees the files and may not read them."""

    def judge(_: Encryption) -> None:
        raise EncryptionError("could not load TLS cert: open key.pem: permission denied")

    monkeypatch.setattr(module, "stamp", lambda _: "")
    monkeypatch.setattr(module, "judge", judge)
    monkeypatch.setattr(module, "_hidden", lambda _: True)
    return keeper


def test_files_that_rest_are_left_alone(keeper: Keeper) -> None:
    keeper.begin()
    keeper.looks(5)
    assert (keeper.renewals, keeper.told) == (0, [])


def test_a_change_counts_once_when_it_has_rested(keeper: Keeper) -> None:
    keeper.begin()
    certify(keeper.folder)
    keeper.looks()
    assert keeper.renewals == 0
    keeper.looks(5)
    assert keeper.renewals == 1
    assert keeper.told == [f"Certificate files have changed: {keeper.folder}/cert.pem {keeper.folder}/key.pem"]


def test_a_change_between_check_and_start_counts(keeper: Keeper) -> None:
    certify(keeper.folder)
    keeper.begin()
    keeper.looks()
    assert keeper.renewals == 1


def test_the_same_content_written_anew_does_not_count(keeper: Keeper) -> None:
    keeper.begin()
    for path in (keeper.folder / "cert.pem", keeper.folder / "key.pem"):
        path.write_bytes(path.read_bytes())
    keeper.looks(4)
    assert keeper.renewals == 0


def test_what_does_not_fit_is_told_once(keeper: Keeper) -> None:
    keeper.begin()
    certify(keeper.folder, stem="other").key.replace(keeper.folder / "key.pem")
    keeper.looks(5)
    assert keeper.renewals == 0
    assert len(keeper.told) == 1
    assert keeper.told[0].endswith("private key does not match public key; the certificate stays as it was")


def test_files_that_only_the_master_may_read_are_not_renewed_before_they_change(blind: Keeper) -> None:
    blind.begin()
    blind.looks(5)
    assert (blind.renewals, blind.told) == (0, [])


def test_their_change_is_left_to_the_master_s_judgement(blind: Keeper) -> None:
    blind.begin()
    certify(blind.folder)
    blind.looks(4)
    assert blind.renewals == 1


def test_files_that_cannot_even_be_seen_are_told_at_the_start(keeper: Keeper) -> None:
    (keeper.folder / "key.pem").unlink()
    keeper.begin()
    assert len(keeper.told) == 1 and "cannot be seen" in keeper.told[0]
    keeper.looks(3)
    assert keeper.renewals == 0
