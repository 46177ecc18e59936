"""What expressions may ask about a query, and what that means for the memo."""

from __future__ import annotations

import pytest

from shardns.config import expression
from shardns.config.expression import ExpressionError
from shardns.config.expression.queries import QUERY
from shardns.worker.environment import VARYING, environment, frozen, incidr, names

from .fakes import query


def test_every_function_of_the_checker_has_a_value() -> None:
    assert environment(query("a.")).keys() == QUERY.keys()


@pytest.mark.parametrize(
    ("text", "varies"),
    [
        ("name() == 'a.' and size() > 1", False),
        ("incidr(client_ip(), '10.0.0.0/8')", True),
        ("port() == '1'", True),
        ("id() == 1", True),
        ("metadata('x/y') == ''", True),
        ("now().Year() > 1", True),
        ("$env.name() == 'a.'", True),
    ],
)
def test_what_the_memo_cannot_know_is_told_by_the_words(text: str, varies: bool) -> None:
    assert bool(names(expression.compile(text, QUERY)) & VARYING) is varies


def test_frozen_values_are_those_of_the_query() -> None:
    values = frozen(query("a.test.", 15), frozenset({"name", "type", "do", "incidr"}))
    assert (values["name"](), values["type"](), values["do"]()) == ("a.test.", "MX", False)
    assert values["incidr"] is incidr


@pytest.mark.parametrize(
    ("ip", "cidr", "inside"),
    [
        ("1.2.3.4", "1.2.0.0/16", True),
        ("10.2.3.4", "1.2.0.0/16", False),
        ("1:2::3:4", "1:2::/64", True),
        ("A:2::3:4", "1:2::/64", False),
        ("1.2.3.4", "::/0", False),
    ],
)
def test_addresses_are_in_networks(ip: str, cidr: str, inside: bool) -> None:
    assert incidr(ip, cidr) is inside


@pytest.mark.parametrize(("ip", "cidr"), [("invalid", "1.2.0.0/16"), ("1.2.3.4", "1.2.0.0"), ("1.2.3.4", "1.2.0.0/99")])
def test_what_is_no_address_or_network_is_an_error(ip: str, cidr: str) -> None:
    with pytest.raises(ExpressionError):
        incidr(ip, cidr)
