"""Zones signed by others are served here, zones signed here are verified by others (BIND, ldns, Knot)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.zone
import pytest

from shardns.config.draft import Draft
from shardns.plugins.sign.options import Options
from shardns.plugins.sign.sign import Sign
from tests.plugins.keys import write_pair
from tests.worker.fakes import FakeSite
from tests.worker.store.prover import Bogus, Prover
from tests.worker.store.serving import Lines, Server

ORIGIN = dns.name.from_text("example.")
LIMIT_S = 300
DIGEST = f"{7:064x}"

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(LIMIT_S)]


def zone_text() -> str:
    """Return a zone of some 2,000 names, with everything that proofs differ by."""
    lines = ["$ORIGIN example.", "$TTL 3600", "@ SOA ns1 hostmaster 1 7200 3600 1209600 900", "@ NS ns1",
             "@ NS ns2.elsewhere.test.", "ns1 A 192.0.2.1", "@ MX 10 mail", "mail A 192.0.2.2"]  # fmt: skip
    lines += [f"h{n} A 10.0.{n >> 8}.{n & 255}" for n in range(500)]
    lines += [f"a.b{n}.ent{n % 7} A 10.1.{n >> 8}.{n & 255}" for n in range(250)]
    for n in range(200):
        lines += [f"cut{n} NS ns.cut{n}", f"ns.cut{n} A 10.2.0.1", f"*.w{n} A 10.3.0.1", f"x.y.w{n} A 10.3.0.2"]
    for n in range(100):
        lines += [f"sec{n} NS ns.sec{n}", f"ns.sec{n} A 10.2.0.1", f"sec{n} DS {n} 13 2 {DIGEST}"]
        lines += [f"al{n} CNAME h{n}", f"gone{n} CNAME nope{n}", f"*.wc{n} CNAME h{n}", f"out{n} CNAME www.cut{n}"]
    lines += [f"dn{n} DNAME ent{n % 7}" for n in range(30)]
    return "\n".join(lines) + "\n"


def run(folder: Path, *words: str) -> str:
    """Run a tool in a folder; its complaint is the test's."""
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stdout}"
    return done.stdout


def bind(folder: Path, *options: str) -> None:
    """Sign with dnssec-signzone."""
    for flags in (("-f", "KSK"), ()):
        run(folder, "dnssec-keygen", "-a", "ECDSAP256SHA256", *flags, "example.")
    run(folder, "dnssec-signzone", "-S", "-o", "example.", "-f", "signed", *options, "db")


def ldns(folder: Path, *options: str) -> None:
    """Sign with ldns-signzone."""
    base = write_pair(folder, "example.", 13)
    run(folder, "ldns-signzone", "-o", "example.", "-f", "signed", *options, "db", base)


def knot(folder: Path, *options: str) -> None:
    """Sign with kzonesign."""
    (folder / "knot.conf").write_text(
        f"database:\n  storage: {folder}\npolicy:\n  - id: p\n    single-type-signing: on\n"
        + "".join(f"    {option}\n" for option in options)
        + f"zone:\n  - domain: example.\n    file: {folder}/db\n    dnssec-signing: on\n    dnssec-policy: p\n"
    )
    (folder / "out").mkdir()
    run(folder, "kzonesign", "-c", "knot.conf", "-o", "out", "example.")
    next((folder / "out").iterdir()).rename(folder / "signed")


@pytest.mark.parametrize(
    ("sign", "options"),
    [
        pytest.param(bind, (), id="bind-nsec"),
        pytest.param(bind, ("-3", "aabbccdd", "-H", "3"), id="bind-nsec3"),
        pytest.param(bind, ("-3", "-", "-A"), id="bind-opt-out"),
        pytest.param(ldns, (), id="ldns-nsec", marks=pytest.mark.soak),
        pytest.param(ldns, ("-n", "-s", "ab", "-t", "1"), id="ldns-nsec3"),
        pytest.param(ldns, ("-n", "-p"), id="ldns-opt-out", marks=pytest.mark.soak),
        pytest.param(knot, (), id="knot-nsec"),
        pytest.param(knot, ("nsec3: on", "nsec3-iterations: 0"), id="knot-nsec3", marks=pytest.mark.soak),
        pytest.param(knot, ("nsec3: on", "nsec3-opt-out: on"), id="knot-opt-out", marks=pytest.mark.soak),
    ],
)
def test_a_validator_accepts_the_answers_for_all_names(
    sign: Callable[..., None], options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "db").write_text(zone_text())
    sign(tmp_path, *options)
    plain = dns.zone.from_file(str(tmp_path / "db"), ORIGIN, relativize=False)
    whole = dns.zone.from_file(str(tmp_path / "signed"), ORIGIN, relativize=False, check_origin=False)
    prover = Prover(ORIGIN, whole.find_rrset(ORIGIN, dns.rdatatype.DNSKEY))
    server = Server(f"example {{\n file {tmp_path}/signed {{\n complete_proofs\n }}\n}}", tmp_path)
    server.load()
    wrong = []
    try:
        for owner in plain.nodes:
            for name, rtype in questions(owner):
                answer = ask(server, name, rtype)
                try:
                    prover.check(answer)
                except (Bogus, dns.exception.ValidationFailure) as error:
                    wrong.append(f"{name} {rtype}: {error}")
    finally:
        server.stores.close()
    assert wrong == []


def questions(owner: dns.name.Name) -> list[tuple[dns.name.Name, str]]:
    """Return what is asked for a name: itself, a type that it lacks, names below and beside it, its parent."""
    found = [(owner, "A"), (owner, "TXT"), (owner, "DS"), (dns.name.Name((b"nope", *owner.labels)), "A")]
    found.append((dns.name.Name((b"x", b"zz", *owner.labels)), "TXT"))
    if owner != ORIGIN:
        found += [(owner.parent(), "A"), (dns.name.Name((b"q" + owner.labels[0], *owner.labels[1:])), "AAAA")]
    return found


def ask(server: Server, name: dns.name.Name, rtype: str) -> dns.message.Message:
    """Return the answer to a client that validates."""
    query = dns.message.make_query(name, rtype, want_dnssec=True, payload=4096)
    wire = server.exchange(query.to_wire(), "tcp")
    assert wire is not None
    return dns.message.from_wire(wire)


@pytest.mark.parametrize("algorithm", [8, 10, 13, 14, 15, 16])
def test_what_sign_writes_is_what_the_tools_expect(algorithm: int, tmp_path: Path) -> None:
    (tmp_path / "db").write_text(
        zone_text().replace("@ NS ns1\n", "@ 600 NS ns1\n").replace("@ NS ns2", "@ 600 NS ns2")
    )
    base = write_pair(tmp_path, "example.", algorithm)
    lines = Options.read(f"sign {tmp_path}/db example {{\n key file {base}\n directory {tmp_path}\n}}", Draft())
    log = Lines()
    plugin = Sign(lines, cast(Any, FakeSite(logger=lambda directive: log)))
    asyncio.run(plugin.load(cast(Any, None)))
    asyncio.run(plugin.signers[0].look())
    assert "Successfully signed" in log.lines[-1]
    signed = str(tmp_path / "db.example.signed")
    run(tmp_path, "dnssec-verify", "-o", "example.", "-z", signed)
    run(tmp_path, "ldns-verify-zone", signed)
    run(tmp_path, "kzonecheck", "-d", "on", "-o", "example.", signed)
