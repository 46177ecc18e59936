"""What the tests of small plugins have in common: options from Corefile text, replies as dnspython reads them."""

from __future__ import annotations

from typing import Any, cast

import dns.message
import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.schema import Schema
from shardns.plugins import plugin_class
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.shared import Cells
from shardns.worker.site import Site
from shardns.worker.wire.write import write
from tests.worker.fakes import FakeSite


def options(schema: type[Schema], text: str, draft: Draft | None = None) -> Any:
    """Return the options for lines of a Corefile."""
    return schema.read(text, draft or Draft())


def refusal(schema: type[Schema], text: str) -> str:
    """Return the text with which lines of a Corefile are refused."""
    with pytest.raises(ConfigError) as caught:
        schema.read(text, Draft())
    return caught.value.text


def site(cells: Cells | None = None) -> Site:
    """Return a stand-in for a site with shared numbers."""
    mine = cells or Cells(bytearray(4096), 4, 0)

    def shared(name: str, directive: str = "") -> Any:
        return mine.shared(0, directive, name)

    return cast(Site, FakeSite(shared=shared, zones=(b"\0",)))


def built(schema: type[Schema], text: str, at: Site | None = None) -> Any:
    """Return the plugin object for lines of a Corefile."""
    return plugin_class(text.split()[0])(options(schema, text), at or site())


def message(query: Query, reply: object) -> dns.message.Message:
    """Return a reply as a client reads it."""
    assert isinstance(reply, Reply)
    wire = write(query, reply)
    assert wire is not None
    return dns.message.from_wire(query.id.to_bytes(2, "big") + wire, one_rr_per_rrset=True)


def lines(section: list[Any]) -> list[str]:
    """Return the records of a section as text."""
    return [rrset.to_text() for rrset in section]
