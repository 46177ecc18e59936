"""The choice of a site: longest suffix, the root, DS, blocks without plugins."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shardns.worker.listener import Listener
from shardns.worker.mux import route
from shardns.worker.site import Site
from shardns.worker.wire.codes import DS, A
from shardns.worker.wire.names import from_text

from .fakes import FakeSite, listener, query


class _Gate:
    def __init__(self, admits: bool) -> None:
        self.answer = admits

    def admits(self, query: object) -> bool:
        return self.answer


def _site(name: str, *, plugins: bool = True, admits: bool | None = None) -> Site:
    gates = [] if admits is None else [_Gate(admits)]
    site = FakeSite(
        name=name, plugins=[1] if plugins else [], gates=gates, view=name, collects_metadata=False, opens_classes=False
    )
    return cast(Site, site)


def _listening(*zones: tuple[str, Site]) -> Listener:
    at = listener()
    for zone, site in zones:
        at.add(from_text(zone), site)
    return at


def _chosen(at: Listener, name: str, qtype: int = A) -> str | None:
    site: Any = route(at, query(name, qtype))
    return None if site is None else str(site.name)


@pytest.mark.parametrize(
    ("name", "qtype", "wanted"),
    [
        ("www.example.org.", A, "example.org."),
        ("example.org.", A, "example.org."),
        ("org.", A, "org."),
        ("badexample.org.", A, "org."),
        ("example.com.", A, "."),
        (".", A, "."),
        ("example.org.", DS, "org."),
        ("example.com.", DS, "."),
        ("www.example.org.", DS, "org."),
    ],
)
def test_the_longest_suffix_answers_but_ds_is_answered_from_above(name: str, qtype: int, wanted: str) -> None:
    at = _listening(*((zone, _site(zone)) for zone in (".", "org.", "example.org.")))
    assert _chosen(at, name, qtype) == wanted


def test_without_a_root_zone_the_rest_is_refused() -> None:
    assert _chosen(_listening(("example.org.", _site("e"))), "example.com.") is None


def test_a_zone_without_plugins_refuses_even_though_the_root_has_some() -> None:
    at = _listening((".", _site(".")), ("example.org.", _site("e", plugins=False)))
    assert _chosen(at, "www.example.org.") is None


def test_views_are_tried_in_order_then_the_parents() -> None:
    at = _listening(
        ("example.org.", _site("one", admits=False)),
        ("example.org.", _site("two", admits=True)),
        ("example.org.", _site("three", admits=True)),
        ("net.", _site("four", admits=False)),
        (".", _site("five", admits=True)),
    )
    assert _chosen(at, "www.example.org.") == "two"
    assert _chosen(at, "www.example.net.") == "five"


def test_with_views_the_last_admitting_block_answers_ds() -> None:
    at = _listening(
        ("example.org.", _site("one", admits=True)),
        ("org.", _site("two", admits=True)),
        ("org.", _site("three", admits=True)),
        (".", _site("four", admits=True)),
    )
    assert _chosen(at, "example.org.", DS) == "three"
