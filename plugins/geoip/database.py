"""A MaxMind database: what kind it is, and the labels that it gives an address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from shardns.config.golang import quote

CITY: Final = frozenset({
    "DBIP-City-Lite", "DBIP-Country-Lite", "DBIP-Country", "DBIP-Location (compat=City)", "GeoLite2-City",
    "GeoIP2-City", "GeoIP2-City-Africa", "GeoIP2-City-Asia-Pacific", "GeoIP2-City-Europe",
    "GeoIP2-City-North-America", "GeoIP2-City-South-America", "GeoIP-City-Redacted-US", "GeoIP2-Precision-City",
    "GeoLite2-Country", "GeoIP2-Country", "GeoIP2-Enterprise", "GeoIP-Enterprise-Redacted-US",
    "DBIP-ISP (compat=Enterprise)", "DBIP-Location-ISP (compat=Enterprise)",
})  # fmt: skip
ASN: Final = frozenset({
    "GeoLite2-ASN", "DBIP-ASN-Lite (compat=GeoLite2-ASN)", "GeoIP2-ISP", "GeoIP2-Precision-ISP",
})  # fmt: skip
OTHERS: Final = frozenset({
    "GeoIP2-Anonymous-IP", "GeoIP-Anonymous-Plus", "GeoIP2-Connection-Type", "GeoIP2-Domain", "GeoIP2-Static-IP-Score",
    "GeoIP2-User-Connection-Type", "GeoIP2-User-Count", "GeoIP2-DensityIncome", "GeoIP2-IP-Risk",
})  # fmt: skip
PROBED: Final = ipaddress.IPv4Address("127.0.0.1")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Label = tuple[str, Callable[[], str]]


class Unusable(Exception):
    """A database that cannot be used, with the reference's text."""


class Database:
    """One open file. `schema` is "city" or "asn"."""

    def __init__(self, path: str) -> None:
        self.reader = opened(path)
        self.schema = schema_of(self.reader.metadata().database_type)

    def labels(self, address: Address) -> Iterator[Label]:
        """Yield the labels of an address, empty ones where nothing is known. Raises ValueError for a broken file."""
        if address.version == 6 and self.reader.metadata().ip_version == 4:
            raise ValueError(f"cannot look up the IPv6 address {address} in an IPv4 database")
        found = self.reader.get(address)
        record = found if isinstance(found, dict) else {}
        return city(record) if self.schema == "city" else asn(record)

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()


def probe(path: str) -> None:
    """Look up one address, to see whether a file can be used; raises Unusable."""
    database = Database(path)
    try:
        list(database.labels(PROBED))
    except (OSError, ValueError, RuntimeError) as error:
        what = f"{quote(Path(path).name)} schema {quote(database.schema)}"
        raise Unusable(f"unexpected failure looking up database {what}: {error}") from None
    finally:
        database.close()


def opened(path: str) -> Any:
    """Open a file; raises Unusable."""
    try:
        import maxminddb
    except ImportError:
        text = "failed to open database file: the package maxminddb is missing: pip install 'shardns[geoip]'"
        raise Unusable(text) from None
    try:
        return maxminddb.open_database(path)
    except FileNotFoundError:
        raise Unusable(f"failed to open database file: open {path}: no such file or directory") from None
    except PermissionError:
        raise Unusable(f"failed to open database file: open {path}: permission denied") from None
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        raise Unusable("failed to open database file: error opening database: invalid MaxMind DB file") from None


def schema_of(kind: str) -> str:
    """Return which labels a kind of database has; raises Unusable."""
    if kind in CITY:
        return "city"
    if kind in ASN:
        return "asn"
    if kind in OTHERS:
        raise Unusable("database does not provide any supported schema (city, asn)")
    raise Unusable(f'failed to open database file: geoip2: reader does not support the "{kind}" database type')


def city(record: dict[str, Any]) -> Iterator[Label]:
    """Yield the labels of a place."""
    country, continent, location = (_part(record, name) for name in ("country", "continent", "location"))
    subdivisions = record.get("subdivisions") or ()
    yield "geoip/city/name", _constant(_name(_part(record, "city")))
    yield "geoip/country/code", _constant(_text(country, "iso_code"))
    yield "geoip/country/name", _constant(_name(country))
    european = "true" if country.get("is_in_european_union") is True else "false"
    yield "geoip/country/is_in_european_union", _constant(european)
    yield "geoip/continent/code", _constant(_text(continent, "code"))
    yield "geoip/continent/name", _constant(_name(continent))
    yield "geoip/latitude", _constant(decimal(location.get("latitude")))
    yield "geoip/longitude", _constant(decimal(location.get("longitude")))
    yield "geoip/timezone", _constant(_text(location, "time_zone"))
    yield "geoip/postalcode", _constant(_text(_part(record, "postal"), "code"))
    yield "geoip/subdivisions/code", _constant(",".join(_text(one, "iso_code") for one in subdivisions))


def asn(record: dict[str, Any]) -> Iterator[Label]:
    """Yield the labels of a network."""
    yield "geoip/asn/number", _constant(str(record.get("autonomous_system_number") or 0))
    yield "geoip/asn/org", _constant(_text(record, "autonomous_system_organization"))


def decimal(number: float | None) -> str:
    """Return the shortest decimal without exponent, nothing for what is not there."""
    if number is None:
        return ""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _constant(text: str) -> Callable[[], str]:
    return lambda: text


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _text(record: dict[str, Any], name: str) -> str:
    found = record.get(name)
    return found if isinstance(found, str) else ""


def _name(record: dict[str, Any]) -> str:
    return _text(_part(record, "names"), "en")
