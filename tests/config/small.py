"""A few directives that the tests of the loader set up, and a way to load text with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.load import load
from shardns.config.model import Model
from shardns.config.schema import Arg, Args, Fallthrough, Flag, NoOptions, Prop, Props, Rest, Schema
from shardns.config.source import Source
from shardns.config.values import CHOICE, DURATION, FILE, INTEGER, IP, STRING, ZONES


class Root(Schema, repeat="last", surplus="again"):
    """Directory of relative files."""

    path: Annotated[str, Arg(STRING)]

    def shape(self, draft: Draft) -> None:
        """Set the block's root."""
        draft.root = self.path


class Bind(Schema, repeat="each", unknown='invalid option "{}"'):
    """Addresses to listen on."""

    addresses: Annotated[tuple[str, ...], Args(IP('not a valid IP address or interface name: "{}"'), least=1)]
    excepted: Annotated[tuple[str, ...], Props(IP, name="except", repeat="replace")] = ()

    def shape(self, draft: Draft) -> None:
        """Add to the hosts of the block."""
        mine = tuple(host for host in self.addresses if host not in self.excepted)
        draft.hosts = (mine if draft.hosts == ("",) else draft.hosts + mine) if mine or draft.hosts != ("",) else ()


class Debug(Schema, repeat="last"):
    """Crash on panics."""

    def shape(self, draft: Draft) -> None:
        """Mark the block."""
        draft.debug = True


class Log(Schema, repeat="each"):
    """Log queries."""

    names: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    classes: Annotated[
        tuple[str, ...], Props(CHOICE("success", "denial", refused="invalid Class: {}"), name="class")
    ] = ()


class Hosts(Schema):
    """Serve a hosts file."""

    path: Annotated[str, Arg(FILE)] = "/etc/hosts"
    "File in hosts(5) format."

    zones: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    "Zones that are served."

    ttl: Annotated[
        int,
        Prop(INTEGER(1, 65535, below="ttl provided is invalid"), rest="ignore", missing="ttl needs a time in second"),
    ] = 3600
    "TTL of every answer."

    no_reverse: Annotated[bool, Flag(rest="property")] = False
    "Make no PTR records."

    reload: Annotated[float, Prop(DURATION(0, below="invalid negative duration for reload '{}'"), located=True)] = 5.0
    "How often the file is looked at."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Names that go on to the next plugin."

    inline: Annotated[tuple[tuple[str, ...], ...], Rest(STRING("IP NAME..."), until=("fallthrough",))] = ()
    "Lines in hosts(5) format."


class View(Schema):
    """Choose queries."""

    name: Annotated[str, Arg(STRING)]

    def shape(self, draft: Draft) -> None:
        """Mark the block as filtered."""
        draft.filters.append(self.name)


class Health(Schema, repeat="last"):
    """HTTP endpoint."""

    address: Annotated[str, Arg(STRING)] = ":8080"

    def shape(self, draft: Draft) -> None:
        """Ask for the address."""
        draft.serve(self.address, required=False)
        draft.warn("just a word")


class Chaos(Schema, repeat="first"):
    """Answer about itself."""

    version: Annotated[str, Arg(STRING)] = ""
    authors: Annotated[tuple[str, ...], Args(STRING)] = ()


class Whoami(NoOptions, repeat="first"):
    """Answer who asks."""


ORDER = ("root", "bind", "debug", "health", "errors", "log", "chaos", "hosts", "forward", "whoami", "view")
REGISTRY: Mapping[str, type[Schema] | None] = {
    "root": Root, "bind": Bind, "debug": Debug, "health": Health, "errors": NoOptions, "log": Log, "chaos": Chaos,
    "hosts": Hosts, "forward": None, "whoami": Whoami, "view": View,
}  # fmt: skip


def model(text: str, file: str = "Corefile", environ: Mapping[str, str] | None = None, port: int = 1053) -> Model:
    """Load text."""
    return load(Source(file, text), REGISTRY, ORDER, port=port, environ=environ or {})


def refusal(text: str, file: str = "Corefile", environ: Mapping[str, str] | None = None) -> ConfigError:
    """Return what is wrong with a text."""
    with pytest.raises(ConfigError) as caught:
        model(text, file, environ)
    return caught.value


def first_line(text: str, **more: Mapping[str, str]) -> str:
    """Return the first line that an operator sees."""
    return str(refusal(text, environ=more.get("environ"))).split("\n")[0]


def zones(found: Model) -> list[str]:
    """Return all keys in text."""
    return [str(key) for block in found.blocks for key in block.keys]


def written(folder: os.PathLike[str], files: Mapping[str, str]) -> str:
    """Write files below a folder and return the path of its Corefile."""
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    return os.path.join(folder, "Corefile")
