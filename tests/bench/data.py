"""Zones and questions, the same in every run: names come from a seeded generator."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

ORIGIN = "example.org"
BIG_ORIGIN = "big.example"
NAMES = 10_000
SMALL = "small.example"  # above the zones of the small file
ZONES = 2_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_HEAD = "$TTL 3600\n@ IN SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ IN NS ns1\nns1 IN A 192.0.2.53\n"


def names(count: int = NAMES) -> list[str]:
    """Return distinct first labels of 8 to 12 letters."""
    dice = random.Random(1034)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(dice.choices(_LETTERS, k=dice.randint(8, 12)))] = None
    return list(found)


def address(number: int) -> str:
    """Return an address for the n-th name."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def write_zone(path: Path) -> None:
    """Write the zone of 10,000 names, and below `w` a wildcard for questions that never repeat."""
    records = "".join(f"{name} IN A {address(i)}\n" for i, name in enumerate(names()))
    path.write_text(f"$ORIGIN {ORIGIN}.\n{_HEAD}*.w IN A 192.0.2.80\n{records}")


def write_small_zone(path: Path) -> None:
    """Write a zone without a name of its own, for many origins."""
    path.write_text(f"{_HEAD}www IN A 192.0.2.80\n")


def make_key(folder: Path) -> str:
    """Make a key for signing on the fly; returns the name of its files without extension."""
    words = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", f"{ORIGIN}."]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return str(folder / done.stdout.strip())


def sign_zone(plain: Path, chain: str) -> Path:
    """Sign a zone with ECDSA P-256 (RFC 6605) by BIND's tools; `chain` is `nsec` or `nsec3`."""
    folder = plain.with_name(chain)
    folder.mkdir()
    for flags in (("-f", "KSK"), ()):
        words = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *flags, f"{ORIGIN}."]
        subprocess.run(words, cwd=folder, capture_output=True, check=True)
    signed = folder / "db"
    # RFC 9276 §3.1: no iterations, no salt
    words = ["dnssec-signzone", "-S", "-O", "full", "-o", f"{ORIGIN}.", "-f", str(signed)]
    words += ["-3", "-", "-H", "0"] if chain == "nsec3" else []
    subprocess.run([*words, str(plain)], cwd=folder, capture_output=True, check=True)
    return signed


def write_big_zone(path: Path, count: int) -> None:
    """Write a zone of `count` address records."""
    with path.open("w") as out:
        out.write(f"$ORIGIN {BIG_ORIGIN}.\n{_HEAD}")
        for start in range(0, count, 50_000):
            numbers = range(start, min(count, start + 50_000))
            out.write("".join(f"host{i:07d} IN A {address(i)}\n" for i in numbers))


def same(count: int, seed: int) -> Iterator[str]:
    """Yield the names of the zone, once each, in an order of their own."""
    everyone = names()
    random.Random(seed).shuffle(everyone)
    yield from (f"{name}.{ORIGIN} A\n" for name in everyone)


def mixed(count: int, seed: int) -> Iterator[str]:
    """Yield `count` questions for names of the zone, each in a letter case of its own."""
    dice = random.Random(seed)
    everyone = [f"{name}.{ORIGIN}" for name in names()]
    for _ in range(count):
        name = dice.choice(everyone)
        bits = dice.getrandbits(len(name))
        yield "".join([c.upper() if bits >> i & 1 else c for i, c in enumerate(name)]) + " A\n"


def absent(count: int, seed: int) -> Iterator[str]:
    """Yield `count` questions for names that do not exist, none twice."""
    yield from (f"nx{seed}x{i}.{ORIGIN} A\n" for i in range(count))


def fresh(count: int, seed: int) -> Iterator[str]:
    """Yield `count` questions for names below the wildcard, none twice."""
    yield from (f"m{seed}x{i}.w.{ORIGIN} A\n" for i in range(count))


def one_zone(count: int, seed: int) -> Iterator[str]:
    """Yield `count` questions for names that do not exist in one small zone, none twice."""
    yield from (f"nx{seed}x{i}.z0.{SMALL} A\n" for i in range(count))


def all_zones(count: int, seed: int) -> Iterator[str]:
    """Yield `count` questions for names that do not exist in one of all small zones, none twice."""
    yield from (f"nx{seed}x{i}.z{i * 7 % ZONES}.{SMALL} A\n" for i in range(count))
