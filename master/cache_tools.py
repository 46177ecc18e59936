"""The subcommand `cache`: `list`, `flush`, `dump` and `load`, on the store of a running server.

Entries are read and changed where they are, in the store that all processes share; after a change the master has the
workers forget what they have memorised. When the command ends, nobody answers from what is gone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import lmdb
import msgspec

from shardns.plugins.cache.entry import Entry, Unusable, entry, line, stored
from shardns.worker.store.cache import CacheStore
from shardns.worker.store.holdings import Note, delete, entries, notes
from shardns.worker.store.places import DENIAL, NAMESPACE_BYTES, SUCCESS, Side, ends
from shardns.worker.wire.names import ROOT, from_text, within

from .flags import Flag, FlagError, HelpWanted, Parsed, parse_anywhere
from .remote import NoServer, ask

USAGE: Final = (
    "cache list [-conf FILE] [--json] [NAME [--subtree]]",
    "cache flush [-conf FILE] NAME [--subtree]",
    "cache dump [-conf FILE] [FILE]",
    "cache load [-conf FILE] FILE",
)
FORMAT: Final = 1  # of dumps
PATIENCE_S: Final = 10.0  # for the workers' acknowledgement
_CONF: Final = Flag("conf", "", "The -conf that the server was started with")
_SUBTREE: Final = Flag("subtree", False, "The names below NAME, too")
_AT_ONCE: Final = 500  # entries written in one transaction


class Trouble(Exception):
    """Why a command could not do what it was asked for."""


class Head(msgspec.Struct):
    """The first line of a dump."""

    shardns_cache: int
    taken: float
    caches: list[Note]


def cache(words: Sequence[str]) -> int:
    """Look into a server's cache or change it: 0 if it could be done, 1 if not, 2 for a wrong command line."""
    try:
        if not words or words[0] not in _COMMANDS:
            parse_anywhere((), words)
            wrong = f"unknown command {words[0]!r}" if words else "expected list, flush, dump or load"
            raise FlagError(f"cache: {wrong}")
        command, flags, least, most = _COMMANDS[words[0]]
        parsed = parse_anywhere((_CONF, *flags), words[1:])
        if not least <= len(parsed.rest) <= most:
            raise FlagError(f"cache {words[0]}: wrong number of arguments")
        return command(parsed)
    except HelpWanted:
        print(_usage(), file=sys.stderr)
        return 0
    except FlagError as error:
        print(f"{error}\n{_usage()}", file=sys.stderr)
        return 2
    except (NoServer, Trouble) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader went away, not the server
        raise
    except (OSError, lmdb.Error) as error:
        print(f"cache {words[0]}: {error}", file=sys.stderr)
        return 1


def _usage() -> str:
    return "\n".join(("Usage:", *(f"  shardns {one}" for one in USAGE)))


@contextmanager
def _opened(parsed: Parsed) -> Iterator[CacheStore]:
    """Open the cache's store of the running server. Raises NoServer, Trouble."""
    answer = ask(parsed.text("conf"), {"do": "where"}, PATIENCE_S)
    home = Path(str(answer.get("folder", "")))
    if not (home / "cache.mdb").exists():
        raise Trouble("the configuration has no cache")
    store = CacheStore.open(home)
    try:
        yield store
    finally:
        store.close()


def _forget(parsed: Parsed) -> None:
    """Have the workers forget what they have memorised. Raises Trouble where one does not say that it did."""
    answer = ask(parsed.text("conf"), {"do": "forget"}, PATIENCE_S)
    if not answer.get("ok"):
        raise Trouble(str(answer.get("text", "")))


def _names(parsed: Parsed) -> Callable[[bytes], bool]:
    """Return what tells the names that are meant."""
    if not parsed.rest:
        return lambda name: True
    try:
        text = parsed.rest[0]
        wanted = from_text(text if text.endswith(".") else f"{text}.").lower()
    except ValueError as error:
        raise FlagError(f"{parsed.rest[0]!r} is no domain name: {error}") from None
    if parsed.on("subtree"):
        return (lambda name: True) if wanted == ROOT else lambda name: within(name, wanted)
    return lambda name: name == wanted


# The commands --------------------------------------------------------------------------------------------------------


def _list(parsed: Parsed) -> int:
    wanted = _names(parsed)
    encode = msgspec.json.Encoder().encode
    with _opened(parsed) as store:
        for one in _held(store, wanted, list(notes(store))):
            print(encode(one).decode() if parsed.on("json") else line(one))
    return 0


def _held(store: CacheStore, wanted: Callable[[bytes], bool], caches: Sequence[bytes]) -> Iterator[Entry]:
    """Yield the entries of some caches that are not over."""
    for held in entries(store, wanted):
        if held.namespace in caches:
            one = entry(held, store.now(), caches.index(held.namespace))
            if one is not None:
                yield one


def _flush(parsed: Parsed) -> int:
    wanted = _names(parsed)
    with _opened(parsed) as store:
        # Caches that no configuration in force uses, too: a reload may bring one back.
        gone = delete(store, (held.key for held in entries(store, wanted)))
    _forget(parsed)
    print(f"{gone} {'entry' if gone == 1 else 'entries'} flushed")
    return 0


def _dump(parsed: Parsed) -> int:
    if not parsed.rest:
        return _write(parsed, sys.stdout)
    target = Path(parsed.rest[0])
    fresh = target.with_name(f"{target.name}.new")  # nobody shall find half a dump
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            status = _write(parsed, file)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return status


def _write(parsed: Parsed, file: TextIO) -> int:
    encode = msgspec.json.Encoder().encode
    with _opened(parsed) as store:
        known = notes(store)
        file.write(encode(Head(FORMAT, time.time(), list(known.values()))).decode() + "\n")
        for one in _held(store, lambda name: True, list(known)):
            file.write(encode(one).decode() + "\n")
    return 0


def _load(parsed: Parsed) -> int:
    path = parsed.rest[0]
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file, _opened(parsed) as store:
        head = _head(path, file.readline())
        elapsed_s = time.time() - head.taken
        sides = _places(head, notes(store))
        loaded = over = homeless = 0
        decoder = msgspec.json.Decoder(Entry)
        for number, text in enumerate(file, 2):
            try:
                one = decoder.decode(text)
                side = sides.get((one.cache, one.denied))
                found = stored(one, side.namespace if side else bytes(NAMESPACE_BYTES), store.now(), elapsed_s)
            except (msgspec.DecodeError, Unusable):
                raise Trouble(f"{path}:{number}: no entry of a cache; {loaded} were loaded before it") from None
            if found is None or side is None:
                over, homeless = over + (found is None), homeless + (found is not None)
                continue
            known = store.get(found[0])
            if known is not None and ends(known) >= ends(found[1]):
                over += 1  # what came in the meantime is newer
                continue
            store.put(*found, side)
            loaded += 1
            if loaded % _AT_ONCE == 0:
                store.flush()
    _forget(parsed)
    print(f"{loaded} loaded, {over} too old, {homeless} belong to no cache of this configuration")
    return 1 if homeless else 0


def _head(path: str, text: bytes) -> Head:
    try:
        head = msgspec.json.decode(text, type=Head)
    except msgspec.DecodeError:
        raise Trouble(f"{path}: no dump of a cache") from None
    if head.shardns_cache != FORMAT:
        raise Trouble(f"{path}: a dump of format {head.shardns_cache}, this program knows {FORMAT}")
    return head


def _places(head: Head, known: dict[bytes, Note]) -> dict[tuple[int, bool], Side]:
    """Return where the entries of a dump go: to a cache of the same configuration, else to one of the same names."""
    places = {}
    for index, told in enumerate(head.caches):
        alike = [space for space, note in known.items() if note.like == told.like] or [
            space
            for space, note in known.items()
            if (note.keys, note.zones, note.view) == (told.keys, told.zones, told.view)
        ]
        if alike:
            note = known[alike[0]]
            places[index, False] = Side(alike[0], SUCCESS, note.success)
            places[index, True] = Side(alike[0], DENIAL, note.denial)
    return places


_COMMANDS: Final[dict[str, tuple[Callable[[Parsed], int], Sequence[Flag], int, int]]] = {
    "list": (_list, (_SUBTREE, Flag("json", False, "One JSON object an entry")), 0, 1),
    "flush": (_flush, (_SUBTREE,), 1, 1),
    "dump": (_dump, (), 0, 1),
    "load": (_load, (), 1, 1),
}
