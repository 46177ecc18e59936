"""Reading the keys of `dnssec`, from files or from AWS; the texts of refusals are the reference's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shardns.worker.plugin import SetupError
from shardns.worker.wire.names import to_text, within
from shardns.worker.zone.keys import KeyPair, base_name, pair, public

from .options import AWS, Keys


def load_keys(lines: Sequence[Keys], zones: Sequence[bytes]) -> list[KeyPair]:
    """Return the keys of all lines; raises SetupError for one that cannot be read, or can sign none of the zones."""
    found = [key for line in lines for key in (_secrets(line) if line.source == AWS else _files(line))]
    for key in found:
        if not any(within(zone, key.owner) for zone in zones):
            raise _refused(f"key {to_text(key.owner)} (keyid: {key.tag}) can not sign any of the zones")
    return found


def _files(line: Keys) -> Iterator[KeyPair]:
    for name in line.names:
        base = base_name(name)
        texts = []
        for path in (f"{base}.key", f"{base}.private"):
            try:
                texts.append(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
            except OSError as error:
                raise _refused(f"open {path}: {(error.strerror or str(error)).lower()}") from None
        yield _pair(*texts, missing="no public key found")


def _secrets(line: Keys) -> Iterator[KeyPair]:
    client = _client()
    from botocore.exceptions import BotoCoreError, ClientError

    for name in line.names:
        try:
            secret = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
            key_text, private_text = str(secret["key"]), str(secret["private"])
        except (BotoCoreError, ClientError, KeyError, TypeError, ValueError) as error:
            raise _refused(str(error)) from None
        yield _pair(key_text, private_text, missing="invalid public key format")


def _client() -> Any:
    try:
        import botocore.session
    except ImportError:
        raise _refused(f"{AWS} needs the package botocore") from None
    return botocore.session.get_session().create_client("secretsmanager")


def _pair(key_text: str, private_text: str, *, missing: str) -> KeyPair:
    try:
        record = public(key_text)
    except ValueError as error:
        raise _refused(missing if str(error) == "no record" else str(error)) from None
    if isinstance(record, int):
        raise _refused(missing)
    try:
        return pair(record, private_text)
    except ImportError:
        raise _refused("keys need the package cryptography: install shardns[dnssec]") from None
    except ValueError as error:
        raise _refused("no private key found" if not private_text.strip() else str(error)) from None


def _refused(text: str) -> SetupError:
    return SetupError(f"plugin/dnssec: {text}")
