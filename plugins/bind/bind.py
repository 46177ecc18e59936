"""The addresses that a server block listens on, given as addresses or by interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import psutil

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.schema import Args, Draft, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import Words, is_ip
from shardns.worker.plugin import Plugin

NO_ADDRESS = Refuse("at least one address or interface name is expected", located=False)
NO_EXCEPTION = Refuse("at least one address or interface must be given to except subdirective", located=False)


def interfaces(draft: Draft) -> dict[str, list[str]]:
    """Return the addresses of each interface as they are now; looked up once a configuration."""
    if "interfaces" not in draft.shared:
        try:
            table = psutil.net_if_addrs()
        except OSError as error:
            draft.warn(f"failed to get interfaces list, cannot bind by interface name: {error}")
            table = {}
        draft.shared["interfaces"] = {
            name: [a.address for a in found if is_address(a.address)] for name, found in table.items()
        }
    found: dict[str, list[str]] = draft.shared["interfaces"]
    return found


def is_address(text: str) -> bool:
    """Tell addresses from what else an interface has; those of a link carry their interface (`fe80::1%eth0`)."""
    return is_ip(text.partition("%")[0])


class Spot(str):
    """An address or the name of an interface; `at` is where it stands."""

    at: Token | None = None


def spots(words: Sequence[Token], draft: Draft) -> tuple[str, ...]:
    """Return the words with their places."""
    found = []
    for word in words:
        spot = Spot(word.text)
        spot.at = word
        found.append(spot)
    return tuple(found)


def expand(words: tuple[str, ...], draft: Draft) -> list[str]:
    """Replace interfaces by their addresses; an interface wins over an address that is spelt the same."""
    table = interfaces(draft)
    return [address for word in words for address in table.get(word, [word])]


SPOTS = Words(spots, "ADDRESS|IFACE")


class Options(Schema, repeat="each", unknown="invalid option {q}", unknown_located=False):
    """Chooses the addresses that the server block listens on."""

    addresses: Annotated[tuple[str, ...], Args(SPOTS, least=1, missing=NO_ADDRESS)]
    "Addresses, or interfaces whose addresses are meant."

    excluded: Annotated[tuple[str, ...], Props(SPOTS, name="except", repeat="replace", missing=NO_EXCEPTION)] = ()
    "Leaves addresses out that the same line would give."

    def check(self, draft: Draft) -> None:
        """Refuse what is neither an address nor an interface; the reference reads the whole line first."""
        for word in (*self.addresses, *self.excluded):
            if word not in interfaces(draft) and not is_ip(word):
                at = word.at if isinstance(word, Spot) else None
                draft.fail(f"not a valid IP address or interface name: {quote(word)}", at=at)

    def shape(self, draft: Draft) -> None:
        """Listen on these addresses, and on those of the block's other lines."""
        lines = draft.shared.setdefault(f"bind {draft.index}", [])
        excluded = frozenset(expand(self.excluded, draft))
        lines += [address for address in expand(self.addresses, draft) if address not in excluded]
        draft.hosts = tuple(lines)


class Bind(Plugin[tuple[Options, ...]]):
    """Only set-up."""

    directive = "bind"


PLUGIN = Bind
