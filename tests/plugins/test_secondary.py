"""`secondary`: set-up, what is fetched and when, catalogs. Primaries are played; real ones are in the system tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shardns.plugins.secondary import follower as following
from shardns.plugins.secondary import intake as taking
from shardns.plugins.secondary.catalog import CatalogError, Member, parse
from shardns.plugins.secondary.follower import Follower
from shardns.plugins.secondary.members import Members
from shardns.plugins.secondary.options import Followed, Options, followed
from shardns.plugins.secondary.secondary import Secondary
from shardns.plugins.secondary.vault import Vault
from shardns.worker.store.layout import PROOFS
from shardns.worker.wire.codes import NS, NSEC3PARAM, PTR, SOA, TXT, A
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.zone import fetch as fetching
from shardns.worker.zone.transfer import Inbound, Soa, TransferError
from tests.plugins.small import options, refusal
from tests.worker.store.serving import Lines, Stores
from tests.worker.zone.test_transfer import IDENT, host, message, start, wire

ORIGIN = from_text("example.org.")
PEERS = (("192.0.2.1", 53), ("192.0.2.2", 53))


class Play:
    """A vault whose primaries are functions, and a clock that is set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores = Stores(folder)
        self.log = Lines()
        log = cast(Any, self.log)
        self.folder = folder
        self.vault = Vault(self.stores.staging, folder / "state", folder, "secondary/0", "secondary", log, log, None)
        self.answers: dict[str, list[bytes] | str] = {}
        self.serials: dict[str, int | str] = {}
        self.asked: list[tuple[str, bool]] = []
        self.now = 1000.0
        monkeypatch.setattr(taking, "fetch", self.fetch)
        monkeypatch.setattr(following, "check", self.check)

    async def fetch(self, inbound: Inbound, peer: tuple[str, int], key: object) -> None:
        """Play a transfer; a stream that ends too early breaks off."""
        self.asked.append((peer[0], bool(inbound.held)))
        answer = self.answers.get(peer[0], "connection refused")
        if isinstance(answer, str):
            raise TransferError(answer)
        for one in answer:
            inbound.feed(one, IDENT)
        if not inbound.done:
            raise TransferError("unexpected EOF")

    async def check(self, origin: bytes, peer: tuple[str, int], key: object) -> Soa:
        """Play the answer to a SOA query."""
        serial = self.serials.get(peer[0], "connection refused")
        if isinstance(serial, str):
            raise TransferError(serial)
        return Soa(serial, 60, 2, 600)

    def follower(self, complete: bool = False) -> Follower:
        """Return somebody who follows."""
        one = Follower(self.vault, ORIGIN, PEERS, None, complete)
        one.clock = lambda: self.now
        return one

    def owners(self) -> list[str]:
        """Return the names that are served below the apex."""
        zone = self.vault.zone(ORIGIN)
        assert zone is not None
        names = [name for name in ("a", "b", "c", "evil") if zone.node(from_text(f"{name}.example.org.")) is not None]
        self.vault.store.end()
        self.stores.store.end()
        return names


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    made = Play(tmp_path, monkeypatch)
    yield made
    made.vault.store.close()
    made.stores.close()


def test_nothing_of_a_primary_that_broke_off_is_served(play: Play) -> None:
    play.answers = {
        "192.0.2.1": [message(start(9), host("evil"))],
        "192.0.2.2": [message(start(1), host("a"), start(1))],
    }
    follower = play.follower()
    asyncio.run(follower.transfer())
    assert play.owners() == ["a"] and follower.times.serial == 1
    assert play.log.lines == [
        '[ERROR] Failed to transfer `example.org.\' from "192.0.2.1:53": unexpected EOF',
        "[INFO] Transferred: example.org. from 192.0.2.2:53",
    ]


def test_a_transfer_that_never_ends_is_given_up_and_changes_nothing(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.answers = {"192.0.2.1": [message(start(1), host("a"), start(1))]}
    follower = play.follower()
    asyncio.run(follower.transfer())
    del play.log.lines[:]
    ticks = iter(range(0, 1 << 20, int(fetching.MAX_TRANSFER_S) // 8))
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(taking, "fetch", fetching.fetch)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        ident = int.from_bytes((await reader.readexactly(size))[:2], "big")
        for number in range(50):
            one = message(host(f"h{number}") if number else start(2), ident=ident)
            writer.write(len(one).to_bytes(2, "big") + one)
        writer.close()

    async def ask() -> tuple[str, int]:
        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            follower.peers = (server.sockets[0].getsockname()[:2],)
            with pytest.raises(TransferError, match=r"^the transfer takes too long$"):
                await follower.transfer(whole=True)
        return follower.peers[0]

    _, port = asyncio.run(asyncio.wait_for(ask(), 20))
    assert play.owners() == ["a"] and follower.times.serial == 1
    assert play.log.lines == [
        f'[ERROR] Failed to transfer `example.org.\' from "127.0.0.1:{port}": the transfer takes too long'
    ]


def test_a_zone_that_cannot_be_served_is_told_from_one_that_did_not_come(play: Play) -> None:
    parameters = wire("example.org.", NSEC3PARAM, b"\1\0\0\0\0")
    play.answers = {"192.0.2.1": [message(start(1), parameters, start(1))]}
    with pytest.raises(TransferError):
        asyncio.run(play.follower().transfer())
    assert play.log.lines[0].startswith(
        '[ERROR] Failed to parse transfer `example.org.\' from: "192.0.2.1:53": NSEC3 zone is not supported'
    )


def test_a_failed_transfer_changes_nothing_that_is_served(play: Play) -> None:
    play.answers = {"192.0.2.1": [message(start(1), host("a"), start(1))]}
    follower = play.follower()
    asyncio.run(follower.transfer())
    play.answers = {"192.0.2.1": [message(start(2), host("b"))]}
    with pytest.raises(TransferError):
        asyncio.run(follower.transfer())
    assert play.owners() == ["a"] and follower.times.serial == 1


def test_differences_make_a_new_version_and_wrong_ones_lead_to_the_whole_zone(play: Play) -> None:
    follower = play.follower()
    play.answers = {"192.0.2.1": [message(start(1), host("a"), host("b"), start(1))]}
    asyncio.run(follower.transfer())
    play.answers = {"192.0.2.1": [message(start(2), start(1), host("a"), start(2), host("c"), start(2))]}
    asyncio.run(follower.transfer())
    assert play.owners() == ["b", "c"] and follower.times.serial == 2
    play.asked.clear()
    play.answers = {"192.0.2.1": [message(start(3), start(2), host("nothere"), start(3), start(3))]}
    with pytest.raises(TransferError):
        asyncio.run(follower.transfer())
    assert play.asked[:2] == [("192.0.2.1", True), ("192.0.2.1", False)]
    assert play.owners() == ["b", "c"]


@pytest.mark.parametrize("steps", [0, 2])
def test_what_is_kept_on_disk_is_served_after_a_restart(play: Play, steps: int, tmp_path: Path) -> None:
    follower = play.follower()
    play.answers = {"192.0.2.1": [message(start(1), host("a"), start(1))]}
    asyncio.run(follower.transfer())
    for serial in range(1, 1 + steps):
        gone, fresh = ("a", "b") if serial % 2 else ("b", "a")
        delta = (start(serial), host(gone), start(serial + 1), host(fresh))
        play.answers = {"192.0.2.1": [message(start(serial + 1), *delta, start(serial + 1))]}
        asyncio.run(follower.transfer())
    play.stores.staging.withdraw(ORIGIN, "secondary/0")
    again = play.follower()
    play.now = again.vault.copy(ORIGIN).read_timers().checked  # type: ignore[union-attr]  # it is there
    assert asyncio.run(again.restore())
    assert play.owners() == ["a"] and again.times.serial == 1 + steps and not again.expired


def test_complete_proofs_hold_for_transfers_and_copies_and_may_change(play: Play) -> None:
    play.answers = {"192.0.2.1": [message(start(1), host("a"), start(1))]}
    asyncio.run(play.follower(complete=True).transfer())
    seen = [_proofs(play)]
    for complete in (False, True):
        assert asyncio.run(play.follower(complete).restore())
        seen.append(_proofs(play))
    assert seen == [True, False, True]


def _proofs(play: Play) -> bool:
    zone = play.vault.zone(ORIGIN)
    assert zone is not None
    return bool(zone.flags & PROOFS)


def test_a_copy_that_has_expired_is_published_as_expired(play: Play) -> None:
    follower = play.follower()
    play.answers = {"192.0.2.1": [message(start(1), start(1))]}
    asyncio.run(follower.transfer())
    again = play.follower()
    play.now = 1e12
    assert asyncio.run(again.restore()) and again.expired
    zone = play.vault.zone(ORIGIN)
    assert zone is not None and zone.expired


@pytest.mark.parametrize(("remote", "transfers"), [(249, 0), (250, 0), (251, 1)])
def test_only_a_newer_serial_is_transferred(play: Play, remote: int, transfers: int) -> None:
    follower = play.follower()
    play.answers = {"192.0.2.1": [message(start(250), start(250))]}
    asyncio.run(follower.transfer())
    play.asked.clear()
    play.serials = {"192.0.2.1": "refused", "192.0.2.2": remote}
    play.answers = {"192.0.2.1": [message(start(remote), start(remote))]}
    assert asyncio.run(follower._check("refresh"))
    assert bool(play.asked) == bool(transfers)


def test_a_zone_expires_unless_a_primary_confirms_it_and_comes_back_when_one_does(play: Play) -> None:
    async def live() -> None:
        follower = play.follower()
        play.answers = {"192.0.2.1": [message(start(1), start(1))]}
        await follower.transfer()
        assert not await follower._check("refresh")
        play.now += 601
        follower._expire()
        zone = play.vault.zone(ORIGIN)
        assert zone is not None and zone.expired
        play.serials = {"192.0.2.1": 1}
        assert await follower._check("retry")
        zone = play.vault.zone(ORIGIN)
        assert zone is not None and not zone.expired

    asyncio.run(live())
    assert play.log.lines[1] == "[WARNING] Failed refresh check connection refused"


def test_the_first_transfer_is_tried_until_it_works(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(self: Follower, seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 8:
            play.answers = {"192.0.2.2": [message(start(1), start(1))]}
        return False

    monkeypatch.setattr(Follower, "_sleep", sleep)
    asyncio.run(play.follower()._first())
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    wanted = "[WARNING] All 'example.org.' masters failed to transfer, retrying in 250ms: connection refused"
    assert wanted in play.log.lines


def test_a_notify_leads_to_a_check_and_a_transfer(play: Play) -> None:
    async def live() -> None:
        follower = play.follower()
        play.answers = {"192.0.2.1": [message(start(1), start(1))]}
        await follower.transfer()
        play.serials = {"192.0.2.1": 1}
        await follower.notified("192.0.2.1")
        play.serials = {"192.0.2.1": 2}
        play.answers = {"192.0.2.1": [message(start(2), start(2))]}
        await follower.notified("192.0.2.1")
        assert follower.times.serial == 2

    asyncio.run(live())
    assert play.log.lines[1:] == [
        "[INFO] Notify from 192.0.2.1 for example.org.: checking transfer",
        "[INFO] Notify from 192.0.2.1 for example.org.: no SOA serial increase seen",
        "[INFO] Notify from 192.0.2.1 for example.org.: checking transfer",
        "[INFO] Transferred: example.org. from 192.0.2.1:53",
    ]


def test_the_end_of_the_chain_is_told_as_the_reference_tells_it() -> None:
    assert Secondary.end_name(cast(Any, None), cast(Any, None)) == "file"


# Catalogs ----------------------------------------------------------------------------------------------------------

CATALOG = from_text("cat.test.")


def listed(*members: tuple[str, str], version: str = "2", more: tuple[tuple[str, int, bytes], ...] = ()) -> Any:
    """Return the records of a catalog of (ID, zone)."""
    text = bytes((len(version),)) + version.encode()
    records = [(CATALOG, SOA, b""), (CATALOG, NS, b""), (from_text("version.cat.test."), TXT, text)]
    records += [(from_text(f"{ident}.zones.cat.test."), PTR, from_text(zone)) for ident, zone in members]
    return records + [(from_text(owner), rtype, rdata) for owner, rtype, rdata in more]


def test_a_catalog_lists_members_in_the_order_of_their_ids() -> None:
    more = (
        ("group.b.zones.cat.test.", TXT, b"\7default"),
        ("coo.b.zones.cat.test.", PTR, from_text("Other.test.")),
        ("what.ever.else.cat.test.", A, b"1234"),
    )
    assert parse(CATALOG, listed(("c", "C.test."), ("b", "b.test."), more=more)).members == (
        Member(b"b", from_text("b.test."), ("default",), from_text("other.test.")),
        Member(b"c", from_text("c.test.")),
    )


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        (listed()[1:], "catalog zone cat.test. has no SOA record"),
        ([listed()[0], listed()[2]], "catalog zone cat.test. has no NS record"),
        (listed()[:2], "catalog zone cat.test. must have exactly one version TXT record"),
        (listed(version="1"), 'catalog zone cat.test. has unsupported version "1"'),
        (listed(("a", "x.test."), ("a", "y.test.")),
         "catalog member a.zones.cat.test. must have exactly one PTR record"),
        (listed(("a", "x.test."), ("b", "x.test.")), "catalog member zone x.test. is listed by both a and b"),
    ],
)  # fmt: skip
def test_what_is_no_catalog_is_refused(records: Any, wanted: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse(CATALOG, records)
    assert str(caught.value) == wanted


def test_a_catalog_with_a_record_of_another_class_is_none_and_changes_nothing(play: Play) -> None:
    def served(*more: bytes) -> list[bytes]:
        version = wire("version.example.org.", TXT, b"\1" + b"2")
        return [message(start(1), wire("example.org.", NS, ORIGIN), version, *more, start(1))]

    foreign = wire("A.zones.example.org.", PTR, from_text("m.test."), 3)
    for more in ((foreign,), (foreign, host("a"))):
        follower = play.follower()
        follower.validate = lambda records: None
        play.answers = {peer[0]: served(*more) for peer in PEERS}
        with pytest.raises(CatalogError) as caught:
            asyncio.run(follower.transfer())
        assert str(caught.value) == (
            "catalog zone example.org. contains non-IN record a.zones.example.org.\t60\tCH\tPTR\tm.test."
        )
        assert play.vault.zone(ORIGIN) is None and not follower.soa
    plain = play.follower()
    asyncio.run(plain.transfer())
    assert play.owners() == ["a"]


class Catalogs:
    """Two catalogs and their members, nobody being started."""

    def __init__(self, play: Play, members: tuple[bytes, ...] = ()) -> None:
        self.play = play
        statics = {
            from_text(zone): Followed(from_text(zone), PEERS, members=members)
            for zone in ("cat.test.", "other.test.", "static.test.")
        }
        statics[from_text("static.test.")] = replace(statics[from_text("static.test.")], members=None)
        started: Callable[[Follower], None] = lambda follower: None  # noqa: E731
        self.members = Members(play.vault, statics, started)

    def apply(self, catalog: str, *members: tuple[str, str], coo: str = "") -> list[str]:
        """Apply a version; return what was logged, without the summary."""
        records = listed(*members)
        if coo:
            records += [(from_text(f"coo.{i}.zones.cat.test."), PTR, from_text(coo)) for i, _ in members]
        found = replace(parse(CATALOG, records), origin=from_text(catalog))
        del self.play.log.lines[:]
        work: Awaitable[None] = self.members.apply(Follower(self.play.vault, found.origin, PEERS, None), found)
        asyncio.run(cast(Any, work))
        return [line.partition("] ")[2] for line in self.play.log.lines if "Parsed" not in line]

    def active(self) -> dict[str, tuple[str, str]]:
        """Return catalog and ID of the members that are followed."""
        return {to_text(z): (to_text(a.catalog), a.ident.decode()) for z, a in self.members.active.items()}


def test_members_come_change_and_go_with_their_catalog(play: Play) -> None:
    at = Catalogs(play)
    assert at.apply("cat.test.", ("a", "m.test."), ("s", "static.test.")) == [
        "Added catalog member zone m.test. from catalog cat.test.",
        "Skipping catalog member zone static.test. from cat.test.: zone already exists",
    ]
    zone = play.vault.zone(from_text("m.test."))
    assert zone is not None and not zone.soa
    before = at.members.active[from_text("m.test.")].follower
    assert at.apply("cat.test.", ("a", "m.test.")) == []
    assert at.members.active[from_text("m.test.")].follower is before
    assert at.apply("cat.test.", ("b", "m.test.")) == [
        "Reset catalog member zone m.test. from cat.test. after member ID changed from a to b"
    ]
    assert at.members.active[from_text("m.test.")].follower is not before
    assert at.apply("cat.test.") == ["Removed catalog member zone m.test. from catalog cat.test."]
    assert at.active() == {} and play.vault.zone(from_text("m.test.")) is None


def test_members_outside_the_allowed_zones_are_skipped(play: Play) -> None:
    at = Catalogs(play, (from_text("allowed.test."),))
    assert at.apply("cat.test.", ("a", "t.allowed.test."), ("b", "t.denied.test.")) == [
        "Added catalog member zone t.allowed.test. from catalog cat.test.",
        "Skipped 1 member zones from catalog cat.test.: outside configured member zones",
    ]


@pytest.mark.parametrize(("ident", "kept"), [("a", True), ("b", False)])
def test_a_member_moves_only_where_its_catalog_says_so(play: Play, ident: str, kept: bool) -> None:
    at = Catalogs(play)
    at.apply("cat.test.", ("a", "m.test."))
    stay = ["Skipping catalog member zone m.test. from other.test.: zone already exists"]
    assert at.apply("other.test.", (ident, "m.test.")) == stay
    at.apply("cat.test.", ("a", "m.test."), coo="third.test.")
    assert at.apply("other.test.", (ident, "m.test.")) == stay
    at.apply("cat.test.", ("a", "m.test."), coo="other.test.")
    assert at.active() == {"m.test.": ("cat.test.", "a")}
    at.members.active[from_text("m.test.")].follower.soa = start(3)[-60:]
    (line,) = at.apply("other.test.", (ident, "m.test."))
    assert line.startswith("Migrated catalog member zone m.test. from catalog cat.test. to other.test.")
    assert ("preserving state for member ID a" in line) is kept
    assert bool(at.members.active[from_text("m.test.")].follower.soa) is kept
    assert at.active() == {"m.test.": ("other.test.", ident)}
    assert at.apply("cat.test.") == []


# Set-up ------------------------------------------------------------------------------------------------------------


def test_catalog_lines_add_up_and_a_bare_one_lifts_the_restriction() -> None:
    def members(*lines: str) -> tuple[bytes, ...] | None:
        text = "\n ".join(("transfer from 127.0.0.1", *lines))
        return followed(options(Options, f"secondary example.org {{\n {text}\n}}"))[ORIGIN].members

    both = (ORIGIN, from_text("internal.example."))
    assert members() is None
    assert members("catalog") == ()
    assert members("catalog EXAMPLE.ORG internal.example") == both
    assert members("catalog example.org EXAMPLE.ORG", "catalog internal.example") == both
    assert members("catalog example.org", "catalog") == () == members("catalog", "catalog example.org")


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("fallthrough", "Corefile:3 - Error during parsing: secondary zones require a transfer from property"),
        ("transfer to 1.2.3.4", "Corefile:2 - Error during parsing: unknown property to"),
        ("transfer from *", "can't use '*' in transfer from"),
        ("transfer from x", "must specify an IP address: `x'"),
        ("transfer from x.org:1053", "must specify an IP address: `x.org'"),
        ("transferr from x", "Corefile:2 - Error during parsing: unknown property 'transferr'"),
        ("catalog :", 'invalid catalog member zone ":"'),
    ],
)
def test_a_wrong_line_is_refused_with_the_reference_s_text(inside: str, wanted: str) -> None:
    assert refusal(Options, f"secondary {{\n {inside}\n}}") == f"plugin/secondary: {wanted}"
