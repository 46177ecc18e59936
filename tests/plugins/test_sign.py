"""`sign`: when a zone is signed, what is added to it, and the file that comes of it."""

from __future__ import annotations

import asyncio
import calendar
import re
import time
from pathlib import Path
from typing import Any, cast

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import pytest
from dns.rdatatype import CDNSKEY, CDS, DNSKEY, DS, NS, NSEC, RRSIG, SOA

from shardns.config.draft import Draft
from shardns.plugins.sign.decision import NOT_FOUND, judge, reason
from shardns.plugins.sign.options import Options
from shardns.plugins.sign.sign import Sign, Signer
from shardns.worker.plugin import SetupError
from tests.plugins.keys import write_pair
from tests.plugins.small import refusal
from tests.worker.fakes import FakeSite
from tests.worker.store.serving import Lines

ZONE = """
$TTL 1800
@ SOA linode.atoom.net. miek.miek.nl. 1282630057 14400 3600 604800 14400
@ NS linode.atoom.net.
@ NS ns3.blaaat
@ MX 1 aspmx.l.google.com.
@ 900 DNSKEY 257 3 13 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
bla NS ns1.bla
bla NS ns2.bla
ns1.bla A 192.0.2.1
ns2.bla A 192.0.2.2
ns3.blaaat A 192.0.2.3
child NS ns.child
child DS 34385 13 2 FC7397C560491C6E0E4BDEE1D9A64D0CE6A0BDD1D1B2F2D1C0E6FEB2A1F7A6B3
ns.child A 192.0.2.4
*.w TXT "x"
www A 192.0.2.5
www 60 A 192.0.2.6
dn DNAME www
hidden.dn A 192.0.2.7
elsewhere.org. A 192.0.2.8
"""
ORIGIN = dns.name.from_text("miek.nl.")


def name(text: str) -> dns.name.Name:
    """Return a name of the zone."""
    return dns.name.from_text(text, ORIGIN)


def plugin(text: str) -> tuple[Sign, Lines]:
    """Return the plugin for Corefile lines, with its keys read, and its log."""
    log = Lines()
    made = Sign(Options.read(text, Draft()), cast(Any, FakeSite(logger=lambda directive: log)))
    asyncio.run(made.load(cast(Any, None)))
    return made, log


def signer(folder: Path, text: str = ZONE, keys: int = 1) -> tuple[Signer, Lines]:
    """Return the signer of a zone in a folder."""
    (folder / "db").write_text(text)
    lines = "".join(f" key file {write_pair(folder, 'other.example.')}\n" for _ in range(keys))
    made, log = plugin(f"sign {folder}/db miek.nl {{\n{lines} directory {folder}\n}}")
    return made.signers[0], log


def signed(folder: Path, text: str = ZONE, keys: int = 1) -> dns.zone.Zone:
    """Sign a zone and read what comes of it."""
    one, log = signer(folder, text, keys)
    asyncio.run(one.look())
    assert log.lines[-1].startswith('[INFO] Successfully signed zone "miek.nl."'), log.lines
    return dns.zone.from_file(str(folder / "db.miek.nl.signed"), ORIGIN, relativize=False)


# Set-up ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sign", "Wrong argument count or unexpected line ending after 'sign'"),
        ("sign db {\n key\n}", "Wrong argument count or unexpected line ending after 'key'"),
        ("sign db {\n key file\n}", "Wrong argument count or unexpected line ending after 'file'"),
        ("sign db {\n key directory x\n}", "plugin/sign: directory: not implemented"),
        ("sign db {\n directory a b\n}", 'plugin/sign: can only be one argument after "directory"'),
        ("sign db {\n directory\n}", 'plugin/sign: can only be one argument after "directory"'),
        ("sign db {\n x\n}", "unknown property 'x'"),
        ("sign d\udcffb", 'dbfile "d\ufffdb" contains invalid characters'),
        ("sign d\ufffdb", 'dbfile "d\ufffdb" contains invalid characters'),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_as_the_reference_refuses_it(text: str, wanted: str) -> None:
    assert wanted in refusal(Options, text)


def test_the_output_is_named_after_the_zone(tmp_path: Path) -> None:
    base = write_pair(tmp_path, "miek.nl.")
    made, _ = plugin(f"sign db.miek.nl miek.nl {{\n key file {base}.key\n}}")
    assert made.signers[0].target == "/var/lib/coredns/db.miek.nl.signed"
    made, _ = plugin(f"sign db a.example b.example {{\n key file {base}\n directory testdata\n}}")
    assert [one.target for one in made.signers] == ["testdata/db.a.example.signed", "testdata/db.b.example.signed"]
    made, _ = plugin("sign db a.example {\n directory ./x/../\n}")
    assert made.signers[0].target == "db.a.example.signed"


def test_a_folder_that_is_not_there_is_named_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("db").write_text("$TTL 60\n@ SOA a b 1 2 3 4 5\n")
    made, log = plugin("sign db a.example {\n directory none\n}")
    asyncio.run(made.signers[0].look())
    wanted = r'.*"a\.example\.": failed to move zone file into place: open none/signed-\S+: no such file or directory'
    assert re.fullmatch(wanted, log.lines[1])


@pytest.mark.parametrize(
    ("flags", "text", "wanted"),
    [
        (256, None, r'DNSKEY in ".*\.key" is not a CSK/KSK'),
        (257, "miek.nl. IN A 192.0.2.1\n", r'RR in ".*\.key" is not a DNSKEY: 1'),
        (257, "", r"no record"),
    ],
)
def test_a_key_that_may_not_sign_is_refused(flags: int, text: str | None, wanted: str, tmp_path: Path) -> None:
    base = write_pair(tmp_path, "miek.nl.", flags=flags)
    if text is not None:
        Path(base + ".key").write_text(text)
    with pytest.raises(SetupError, match=f"^plugin/sign: {wanted}"):
        plugin(f"sign db miek.nl {{\n key file {base}\n}}")


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(SetupError, match=r"^plugin/sign: open Knone\.key: no such file or directory"):
        plugin("sign db miek.nl {\n key file Knone\n}")


# The signed zone ---------------------------------------------------------------------------------------------------


def test_the_apex_publishes_the_key_and_tells_the_parent(tmp_path: Path) -> None:
    zone = signed(tmp_path)
    counts = {rtype: len(zone.get_rdataset(ORIGIN, rtype) or ()) for rtype in (DNSKEY, CDS, CDNSKEY, DS)}
    assert counts == {DNSKEY: 1, CDS: 2, CDNSKEY: 1, DS: 0}
    keys = zone.find_rdataset(ORIGIN, DNSKEY)
    assert keys.ttl == 1800
    assert dns.dnssec.make_cds(ORIGIN, keys[0], "SHA256") in zone.find_rdataset(ORIGIN, CDS)
    assert abs(zone.find_rdataset(ORIGIN, SOA)[0].serial - time.time()) < 60


def test_every_authoritative_set_has_a_valid_signature_and_glue_has_none(tmp_path: Path) -> None:
    zone = signed(tmp_path, keys=2)
    keys: dict[Any, Any] = {ORIGIN: zone.find_rdataset(ORIGIN, DNSKEY)}
    missing = []
    for owner, node in zone.nodes.items():
        for rdataset in node.rdatasets:
            if rdataset.rdtype == RRSIG:
                continue
            signature = zone.get_rdataset(owner, RRSIG, rdataset.rdtype)
            if signature is None:
                missing.append((owner.relativize(ORIGIN).to_text(), dns.rdatatype.to_text(rdataset.rdtype)))
                continue
            assert len(signature) == 2 and signature.ttl == rdataset.ttl == signature[0].original_ttl
            dns.dnssec.validate((owner, rdataset), (owner, signature), keys)
    assert sorted(missing) == [
        ("bla", "NS"), ("child", "NS"), ("hidden.dn", "A"), ("ns.child", "A"), ("ns1.bla", "A"), ("ns2.bla", "A"),
    ]  # fmt: skip


def test_the_nsec_chain_goes_through_all_authoritative_names_and_back(tmp_path: Path) -> None:
    zone = signed(tmp_path)
    chain = [(n.relativize(ORIGIN).to_text(), zone.find_rdataset(n, NSEC)) for n in sorted(zone) if NSEC in
             [r.rdtype for r in zone[n].rdatasets]]  # fmt: skip
    assert [owner for owner, _ in chain] == ["@", "bla", "ns3.blaaat", "child", "dn", "*.w", "www"]
    following = [nsec[0].next.relativize(ORIGIN).to_text() for _, nsec in chain]
    assert following == ["bla", "ns3.blaaat", "child", "dn", "*.w", "www", "@"]
    assert {nsec.ttl for _, nsec in chain} == {14400}
    assert str(chain[3][1][0]).split(" ", 1)[1] == "NS DS RRSIG NSEC"
    assert str(chain[0][1][0]).split(" ", 1)[1] == "NS SOA MX RRSIG NSEC DNSKEY CDS CDNSKEY"


def test_a_zone_of_an_apex_alone_points_to_itself(tmp_path: Path) -> None:
    zone = signed(tmp_path, "$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS elsewhere.org.\n")
    nsec = zone.find_rdataset(ORIGIN, NSEC)[0]
    assert str(nsec) == "miek.nl. NS SOA RRSIG NSEC DNSKEY CDS CDNSKEY"


def test_the_file_begins_with_soa_and_ns_and_has_one_record_a_line(tmp_path: Path) -> None:
    signed(tmp_path)
    lines = [line.split("\t") for line in (tmp_path / "db.miek.nl.signed").read_text().splitlines()]
    assert [line[3] for line in lines[:5]] == ["SOA", "RRSIG", "NS", "NS", "RRSIG"]
    assert all(line[0].endswith("miek.nl.") and line[2] == "IN" for line in lines)


def test_without_keys_there_is_a_chain_but_no_signature(tmp_path: Path) -> None:
    zone = signed(tmp_path, keys=0)
    assert not any(r.rdtype in (RRSIG, DNSKEY) for node in zone.nodes.values() for r in node.rdatasets)
    assert len(zone.find_rdataset(name("www"), NSEC)) == 1 and zone.get_rdataset(ORIGIN, NS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$TTL 60\nwww A 192.0.2.1\n", 'file "DIR/db" has no SOA record'),
        ("$TTL 60\n@ SOA a b x 2 3 4 5\n", "bad SOA zone parameter"),
        ("$TTL 60\n@ NSEC3PARAM 1 0 0 -\n", "NSEC3 zone is not supported, dropping RR: miek.nl. for zone: miek.nl."),
    ],
)
def test_a_zone_that_cannot_be_signed_is_a_warning_and_leaves_no_file(text: str, wanted: str, tmp_path: Path) -> None:
    one, log = signer(tmp_path, text)
    asyncio.run(one.look())
    assert log.lines[0] == (
        f'[INFO] Signing "miek.nl." because open {tmp_path}/db.miek.nl.signed: no such file or directory'
    )
    assert log.lines[1].startswith(f'[WARNING] Error signing "miek.nl." with key tags "{one.tags}" in ')
    assert wanted.replace("DIR", str(tmp_path)) in log.lines[1] and ", next: " in log.lines[1]
    assert [path.name for path in tmp_path.iterdir() if "sign" in path.name] == []


def test_a_signed_file_that_cannot_be_moved_into_place_leaves_nothing_behind(tmp_path: Path) -> None:
    one, log = signer(tmp_path)
    (tmp_path / "db.miek.nl.signed").mkdir()
    assert asyncio.run(one.sign(1)) == 0
    wanted = r'.*"miek\.nl\.": failed to move zone file into place: rename (\S+)/signed-\S+ \1/db\.miek\.nl\.signed: .*'
    assert re.fullmatch(wanted, log.lines[-1])
    assert not list(tmp_path.glob("signed-*"))


# When --------------------------------------------------------------------------------------------------------------


def test_a_signed_zone_is_skipped_the_next_time_however_large_it_is(tmp_path: Path) -> None:
    more = "".join(f"h{number} A 192.0.2.1\n" for number in range(300))
    signed(tmp_path, ZONE + more)
    one, log = signer(tmp_path, ZONE + more)
    asyncio.run(one.look())
    asyncio.run(one.look(first=False))
    shown = tmp_path / "db.miek.nl.signed"
    assert log.lines == [f'[INFO] Skipping signing zone "miek.nl." in "{shown}": signatures are valid']


def test_a_file_without_a_signature_of_its_soa_record_is_signed(tmp_path: Path) -> None:
    path = tmp_path / "signed"
    path.write_text("@ 60 IN SOA a. b. 1 2 3 4 5\n" + "".join(f"h{n}. 60 IN A 192.0.2.1\n" for n in range(200)))
    assert reason(str(path), time.time(), True) == NOT_FOUND
    assert reason(str(path), time.time(), False) is None
    path.write_text("@ 60 IN NOTHING\n")
    assert reason(str(path), time.time(), True) is not None


def moment(text: str) -> int:
    """Return a time in s since 1970."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("inception", "expiration", "wanted"),
    [
        ("2019-07-17", "2019-08-08", None),
        ("2019-07-31", "2019-09-08", 'inception "2019-07-31T00:00:00.000Z" date is in the future: -289h10m0s'),
        ("2019-07-17", "2019-07-17", 'expiration "2019-07-17T00:00:00.000Z" is less than: 168h0m0s away from '
                                     "2019-07-18T22:50:00.000Z: -46h50m0s"),
        ("2019-07-17", "2019-07-21", 'expiration "2019-07-21T00:00:00.000Z" is less than: 168h0m0s away from '
                                     "2019-07-18T22:50:00.000Z: 49h10m0s"),
        ("2019-07-17", "2019-07-31", None),
        ("2019-07-10", "2019-08-31", 'inception "2019-07-10T00:00:00.000Z" was more than: 144h0m0s ago from '
                                     "2019-07-18T22:50:00.000Z: 214h50m0s"),
    ],
)  # fmt: skip
def test_the_times_of_a_signature_decide(inception: str, expiration: str, wanted: str | None) -> None:
    times = b"".join(moment(f"{text} 00:00").to_bytes(4, "big") for text in (expiration, inception))
    assert judge(bytes(8) + times, moment("2019-07-18 22:50")) == wanted


def test_the_signature_s_ends_are_moved_by_chance_within_bounds(tmp_path: Path) -> None:
    zone = signed(tmp_path)
    signature = zone.find_rdataset(ORIGIN, RRSIG, SOA)[0]
    now = time.time()
    assert 3 * 3600 <= now - signature.inception < 21 * 3600 + 60
    assert 32 * 86400 - 60 < signature.expiration - now < 37 * 86400
