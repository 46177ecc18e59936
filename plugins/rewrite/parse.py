"""Words of a line to its rule. Every complaint is a ValueError with the reference's text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shardns.config import golang, regex
from shardns.config.codes import CLASS_CODE, TYPE_CODE
from shardns.config.draft import Draft
from shardns.config.regex import BadRegex
from shardns.config.values import RCODE, Refuse

from .edns import edns_rule
from .rules import ClassRule, CnameRule, NameRule, ReplyRule, Rule, TypeRule
from .state import Action, Owners, Rcodes, Ttls, Values
from .texts import MATCHES, MAX_PATTERN, Match, Regex, checked, fqdn, lower, matcher

MAX_RCODE: Final = 23
MAX_TTL_S: Final = 2147483647  # RFC 2181 §8
_RCODE: Final = RCODE()


def rule_of(words: Sequence[str]) -> Rule:
    """Return the rule that the words are."""
    if not words:
        raise ValueError("no rule type specified for rewrite")
    mode = words[0].lower()
    again = mode == "continue"
    left = list(words)
    if mode in ("continue", "stop"):
        if len(words) < 2:
            raise ValueError(f"{mode} rule must begin with a rule type")
        left = left[1:]
    kind, arguments = left[0].lower(), left[1:]
    if kind == "answer":
        raise ValueError("response rewrites must begin with a name rule")
    make = FIELDS.get(kind)
    if make is None:
        raise ValueError(f"invalid rule type {golang.quote(words[0])}")
    return make(again, arguments)


def name_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `[MATCH] FROM TO [answer ...]`."""
    if len(words) < 2:
        raise ValueError("too few arguments for a name rule")
    kind, old, new = ("exact", *words) if len(words) == 2 else (words[0].lower(), words[1], words[2])
    auto, answers = answer_rules(kind, words[3:]) if len(words) > 3 else (False, ())
    if kind == "regex":
        return NameRule(again, Match(kind, old, checked(old, new)), fqdn(new), auto, answers)
    if kind not in MATCHES:
        text = "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: "
        raise ValueError(text + kind)
    old, new = fqdn(old), fqdn(new)
    if kind == "exact":
        checked(new, old)
    return NameRule(again, Match(kind, old), new, auto or kind == "exact", answers)


def answer_rules(kind: str, words: Sequence[str]) -> tuple[bool, tuple[Action, ...]]:
    """Read `answer auto|name REGEX TO|value REGEX TO`, chained; only the first needs the word `answer`."""
    if len(words) < 2:
        raise ValueError(f"invalid arguments for {kind} rule")
    left = list(words)
    if left[0] != "answer":
        raise ValueError(f"exceeded the number of arguments for a non-answer rule argument for {kind} rule")
    auto = False
    found: list[Action] = []
    while left:
        if left[0] == "answer":
            left.pop(0)
        if not left:
            raise ValueError(f"type missing for answer rule for {kind} rule")
        what = left.pop(0)
        if what == "auto":
            auto = True
            continue
        if what not in ("name", "value"):
            raise ValueError(f"invalid type {golang.quote(what)} for answer rule for {kind} rule")
        if len(left) < 2:
            raise ValueError(f"{what} answer rule for {kind} rule: 2 arguments required")
        try:
            change = Regex(checked(left[0], left[1]), fqdn(left[1]))
        except ValueError as error:
            raise ValueError(f"{what} answer rule for {kind} rule: {error}") from None
        found.append(Owners(change) if what == "name" else Values(change))
        left = left[2:]
    if auto and any(isinstance(action, Owners) for action in found):
        raise ValueError("auto name answer rule cannot be combined with explicit name anwer rules")
    return auto, tuple(found)


def type_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `FROM TO`."""
    return TypeRule(again, *_codes(words, TYPE_CODE, "type"))


def class_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `FROM TO`."""
    return ClassRule(again, *_codes(words, CLASS_CODE, "class"))


def _codes(words: Sequence[str], table: dict[str, int], kind: str) -> list[int]:
    if len(words) != 2:
        raise ValueError(f"{kind} rules must have exactly two arguments")
    for word in words:
        if word.upper() not in table:
            raise ValueError(f"invalid {kind} {golang.quote(word.upper())}")
    return [table[word.upper()] for word in words]


def ttl_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `[MATCH] NAME TTL`."""
    if len(words) < 2:
        raise ValueError(f"too few ({len(words)}) arguments for a ttl rule")
    text = words[-1] if len(words) < 4 else ""
    bounds = ttl_range(text)
    if bounds is None:
        raise ValueError(f"invalid TTL '{text}' for a ttl rule")
    kind = words[0] if len(words) == 3 else "exact"
    return ReplyRule(again, matcher(kind, words[-2], "ttl"), Ttls(*bounds))


def ttl_range(text: str) -> tuple[int, int] | None:
    """Read `N`, `MIN-MAX`, `-MAX` or `MIN-`; None for anything else."""
    low, dash, high = text.partition("-")
    if not dash:
        return (int(low), int(low)) if _is_ttl(low) else None
    if text == "-" or (low and not _is_ttl(low)) or (high and not _is_ttl(high)):
        return None
    bounds = int(low or "0"), int(high) if high else MAX_TTL_S
    return bounds if bounds[0] <= bounds[1] else None


def _is_ttl(word: str) -> bool:
    return word.isascii() and word.isdecimal() and int(word) <= 0xFFFFFFFF


def rcode_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `[MATCH] NAME FROM TO`."""
    if len(words) < 3:
        raise ValueError(f"too few ({len(words)}) arguments for a rcode rule")
    old, new = words[-2:] if len(words) < 5 else ("", "")
    codes = []
    for what, word in (("matching", old), ("replacement", new)):
        code = rcode_of(word)
        if code is None:
            raise ValueError(f"invalid {what} RCODE '{word}' for a rcode rule")
        codes.append(code)
    kind = words[0] if len(words) == 4 else "exact"
    return ReplyRule(again, matcher(kind, words[-3], "rcode"), Rcodes(*codes))


def rcode_of(word: str) -> int | None:
    """Return a response code by number or mnemonic."""
    if word.isascii() and word.isdecimal() and int(word) <= MAX_RCODE:
        return int(word)
    try:
        return _RCODE.parse(word, Draft())
    except Refuse:
        return None


def cname_rule(again: bool, words: Sequence[str]) -> Rule:
    """Read `[MATCH] FROM TO`."""
    if len(words) not in (2, 3):
        raise ValueError(f"too few ({len(words)}) arguments for a cname rule")
    kind = words[0].lower() if len(words) == 3 else "exact"
    if kind not in MATCHES:
        raise ValueError(f"unknown cname rewrite type: {kind}")
    old, new = lower(words[-2]), lower(words[-1])
    if kind == "exact":
        return CnameRule(again, Match(kind, fqdn(old)), fqdn(new))
    if kind != "regex":
        return CnameRule(again, Match(kind, old), new)
    if len(old) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long in a cname rule: {len(old)} > {MAX_PATTERN}")
    try:
        return CnameRule(again, Match(kind, old, regex.compile(old)), new)
    except BadRegex as error:
        raise ValueError(f"invalid cname rewrite regex pattern: {error}") from None


FIELDS: Final[dict[str, Callable[[bool, Sequence[str]], Rule]]] = {
    "name": name_rule,
    "class": class_rule,
    "type": type_rule,
    "edns0": edns_rule,
    "ttl": ttl_rule,
    "cname": cname_rule,
    "rcode": rcode_rule,
}
