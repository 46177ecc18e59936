"""cache: its options, what is refused, and which configurations share entries."""

from __future__ import annotations

import dataclasses

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.config.model import Directive, Key, ServerBlock
from shardns.config.schema import NoOptions
from shardns.plugins.cache.namespace import namespace
from shardns.plugins.cache.options import Options, Stale


def options(*lines: str, head: str = "cache") -> Options:
    body = "".join(f"    {line}\n" for line in lines)
    found: Options = Options.read(f"{head} {{\n{body}}}" if lines else head, Draft())
    return found


def test_defaults() -> None:
    bare = options()
    assert bare.positive == (9984, 3600, 5) and bare.negative == (9984, 1800, 5)
    assert bare.servfail == 5 and bare.popular == (0, 60.0, 10) and bare.zones == (b"\0",)
    assert bare.serve_stale is None and bare.disabled("success") == ()


@pytest.mark.parametrize(
    ("head", "zones", "ttl"),
    [
        ("cache 25 example.nl", (b"\7example\2nl\0",), 25),
        ("cache aaa example.nl", (b"\3aaa\0", b"\7example\2nl\0"), None),
        ("cache example.nl 10", (b"\7example\2nl\0", b"\00210\0"), None),
        ("cache 10.0.0.0/8", (b"\00210\7in-addr\4arpa\0",), None),
    ],
)
def test_the_first_number_is_a_ttl(head: str, zones: tuple[bytes, ...], ttl: int | None) -> None:
    found = options(head=head)
    assert (found.zones, found.ttl) == (zones, ttl)


def test_limits_of_both_sides() -> None:
    found = options("success 10", "denial 10 15 5", head="cache 25 example.nl")
    assert found.positive == (1024, 25, 5) and found.negative == (1024, 15, 5)


def test_further_lines_change_what_they_name() -> None:
    found = options("success 3000 20 7 more words", "success 5000", "prefetch 1 2m 50%", "prefetch 2")
    assert found.positive == (4864, 20, 7) and found.popular == (2, 120.0, 50)
    assert options("success -5").positive[0] == 1024


@pytest.mark.parametrize(
    ("line", "stale"),
    [
        ("serve_stale", Stale()),
        ("serve_stale 20m", Stale(1200)),
        ("serve_stale 0 VERIFY", Stale(0, True)),
        ("serve_stale 1h verify 100ms 30s 5m", Stale(3600, True, 0.1, 30, 300)),
        ("serve_stale 1h Immediate 30s 10s", Stale(3600, False, 0, 30, 10)),
        ("serve_stale 1h immediate 4294967295s", Stale(3600, False, 0, 4294967295)),
    ],
)
def test_serve_stale(line: str, stale: Stale) -> None:
    assert options(line).serve_stale == stale


def test_a_second_serve_stale_line_forgets_the_first() -> None:
    assert options("serve_stale 1h verify 1s 30s 30s", "serve_stale 2h").serve_stale == Stale(7200)


@pytest.mark.parametrize(
    "lines",
    [("serve_stale_policy PREFER_positive", "serve_stale"), ("serve_stale", "serve_stale_policy prefer_positive")],
)
def test_the_policy_may_stand_before_or_behind(lines: tuple[str, ...]) -> None:
    assert options(*lines).serve_stale_policy == "prefer_positive"


def test_disable() -> None:
    found = options("disable denial a.org B.org", "disable success", "disable denial c.org")
    assert found.disabled("denial") == (b"\1c\3org\0",) and found.disabled("success") == (b"\0",)


COUNT = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{}'"
REFUSED = {
    "success": COUNT.format("success"),
    "denial": COUNT.format("denial"),
    "success a": 'strconv.Atoi: parsing "a": invalid syntax',
    "success 10 0": "cache TTL can not be zero or negative: 0",
    "denial 10 -1": "cache TTL can not be zero or negative: -1",
    "success 10 10 -1": "cache min TTL can not be negative: -1",
    "prefetch": COUNT.format("prefetch"),
    "prefetch 1 1m 10% 2": COUNT.format("2"),
    "prefetch -1": "prefetch amount should be positive: -1",
    "prefetch 0 blurp": 'time: invalid duration "blurp"',
    "prefetch 0 1m 50": "last character of percentage should be `%`, but is: '0'",
    "prefetch 0 1m 5%": "percentage should fall in range [10, 90]: 5",
    "servfail": COUNT.format("servfail"),
    "servfail 1s 2s": COUNT.format("2s"),
    "servfail 20": 'time: missing unit in duration "20"',
    "servfail 6m": "caching SERVFAIL responses over 5 minutes is not permitted",
    "servfail -1s": "invalid negative ttl for servfail",
    "servfail 1m invalid": COUNT.format("invalid"),
    "disable": COUNT.format("disable"),
    "disable both": 'cache type for disable must be "success" or "denial"',
    "keepttl x": COUNT.format("x"),
    "positive 15": COUNT.format("positive"),
    "serve_stale 20": 'time: missing unit in duration "20"',
    "serve_stale -20s": "invalid negative duration for serve_stale",
    "serve_stale 1m nono": "invalid value for serve_stale refresh mode: nono",
    "serve_stale 1h verify nono": 'invalid serve_stale verify timeout: time: invalid duration "nono"',
    "serve_stale 1h verify -1s": "invalid negative timeout for serve_stale verify",
    "serve_stale 1h immediate x": 'invalid serve_stale response TTL: time: invalid duration "x"',
    "serve_stale 1h immediate -1s": "invalid negative response TTL for serve_stale",
    "serve_stale 1h immediate 100ms": "serve_stale response TTL must be a whole number of seconds",
    "serve_stale 1h immediate 4294967296s": "serve_stale response TTL exceeds the DNS TTL range",
    "serve_stale 1h immediate 30s x": 'invalid serve_stale failure recheck: time: invalid duration "x"',
    "serve_stale 1h immediate 30s -1s": "invalid negative failure recheck for serve_stale",
    "serve_stale 1h immediate 30s 6m": "serve_stale failure recheck cannot exceed 5 minutes",
    "serve_stale 1h immediate 30s 1s extra": COUNT.format("extra"),
    "serve_stale 1h verify 0 30s 1s extra": COUNT.format("extra"),
    "serve_stale_policy": COUNT.format("serve_stale_policy"),
    "serve_stale_policy x": "invalid serve_stale_policy: x",
    "serve_stale_policy prefer_positive": "serve_stale_policy requires serve_stale",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(line)
    assert caught.value.text == f"plugin/cache: {REFUSED[line]}"


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("cache 0", "cache TTL can not be zero or negative: 0"),
        ("cache -1", "cache TTL can not be zero or negative: -1"),
        ("cache\ncache", "this plugin can only be used once per Server Block"),
        (
            "cache {\n serve_stale\n serve_stale_policy prefer_positive\n serve_stale_policy prefer_positive\n}",
            "serve_stale_policy can only be specified once",
        ),
    ],
)
def test_refused_lines(head: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(head=head)
    assert caught.value.text == f"plugin/cache: {text}"


# Which configurations share entries --------------------------------------------------------------------------------

BLOCK = ServerBlock(
    0,
    (Key("dns", b"\0", 53),),
    (Directive("errors", NoOptions()), Directive("cache", Options(ttl=30)), Directive("whoami", NoOptions())),
)


def test_what_stands_above_does_not_matter() -> None:
    same = dataclasses.replace(BLOCK, index=3, directives=BLOCK.directives[1:])
    assert namespace(same) == namespace(BLOCK)


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(BLOCK, keys=(Key("dns", b"\0", 54),)),
        dataclasses.replace(BLOCK, hosts=("127.0.0.1",)),
        dataclasses.replace(BLOCK, directives=BLOCK.directives[:2]),
        dataclasses.replace(BLOCK, directives=(Directive("cache", Options(ttl=31)), *BLOCK.directives[2:])),
        dataclasses.replace(BLOCK, directives=(*BLOCK.directives, Directive("view", NoOptions()))),
        dataclasses.replace(BLOCK, directives=(*BLOCK.directives, Directive("third_party", NoOptions()))),
    ],
    ids=["port", "bind", "below", "options", "view", "unknown"],
)
def test_what_stands_below_matters(changed: ServerBlock) -> None:
    assert namespace(changed) != namespace(BLOCK)
