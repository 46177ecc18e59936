"""Reading the keys of `sign`; the texts of refusals are the reference's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shardns.worker.plugin import SetupError
from shardns.worker.zone.errors import quoted
from shardns.worker.zone.keys import KeyPair, base_name, pair, public


def load_keys(names: Iterable[str]) -> list[KeyPair]:
    """Return the key pairs of some base names; raises SetupError."""
    return [_load(base_name(name)) for name in names]


def _load(base: str) -> KeyPair:
    path = f"{base}.key"
    try:
        record = public(_read(path))
        shown = quoted(path.encode("utf-8", "surrogateescape"))
        if isinstance(record, int):
            raise ValueError(f"RR in {shown} is not a DNSKEY: {record}")
        found = pair(record, _read(f"{base}.private"))
    except ImportError:
        raise _refused("keys need the package cryptography: install shardns[dnssec]") from None
    except ValueError as error:
        raise _refused(str(error)) from None
    if not (found.is_zone_key and found.is_entry_point):
        raise _refused(f"DNSKEY in {shown} is not a CSK/KSK")
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise _refused(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _refused(text: str) -> SetupError:
    return SetupError(f"plugin/sign: {text}")
