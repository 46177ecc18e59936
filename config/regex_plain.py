"""Which patterns the standard library may run in RE2's place: those it reads the same way and cannot backtrack in.

A pattern qualifies if it is ASCII, made of literals, classes, `.`, anchors at its ends, plain groups and quantifiers
on single characters, and if at each point at most one way leads on:
1. what a quantifier repeats cannot begin what may follow it, or nothing that varies follows (then a failure costs the
   length of the fixed rest for each character, once);
2. alternatives are literals, and no two begin with the same character;
3. a pattern with a quantifier before its end is anchored at the start, so that there is one attempt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PATTERN = 500  # characters; longer ones go to RE2
_ALL = frozenset(range(129))  # the ASCII characters, and 128 for all others
_DIGIT = frozenset(range(48, 58))
_WORD = _DIGIT | frozenset(range(65, 91)) | frozenset(range(97, 123)) | {95}
_SPACE = frozenset(b"\t\n\f\r ")
_SETS = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_SETS |= {letter.upper(): _ALL - members for letter, members in list(_SETS.items())}
_SPACE_TEXT = {r"\s": r"[\t\n\f\r ]", r"\S": r"[^\t\n\f\r ]"}  # without \v, unlike the standard library's

_TOKEN = re.compile(
    r"""(?P<open>\((?:\?:|\?P?<(?P<name>[A-Za-z_][A-Za-z0-9_]*)>|(?!\?)))
      | (?P<close>\)) | (?P<bar>\|) | (?P<dot>\.) | (?P<class>\[\^?(?:[A-Za-z0-9_ .,:/=](?:-(?!-))?|-(?=\]))+\])
      | \\(?P<perl>[dwsDWS]) | \\(?P<quoted>[-.\\+*?()|[\]{}^$/_:]) | \^ | \$
      | (?P<literal>[A-Za-z0-9_\-./:, =@<>!%&~#;"'])
      | (?P<quantifier>(?:[*+?]|\{(?P<low>[0-9]{1,2})(?P<comma>,(?P<high>[0-9]{1,2})?)?\})(?P<lazy>\??))""",
    re.VERBOSE,
)
_MEMBER = re.compile(r"(.)-([^\]])|(.)", re.DOTALL)


@dataclass(slots=True)
class _Item:
    """What takes characters: its first characters, its text, and whether its length varies or may be nothing."""

    first: frozenset[int]
    text: str
    single: bool = True  # one character, without a quantifier
    varies: bool = False
    optional: bool = False


def translate(pattern: str) -> str | None:
    """Return the same pattern for `re` with the ASCII flag, None where RE2 must run it."""
    if len(pattern) > MAX_PATTERN or not pattern.isascii():
        return None
    anchored = pattern.startswith("^")
    at = int(anchored)
    end = len(pattern)
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        end -= 1
    items = _Reader(pattern[at:end]).items()
    if items is None or not _is_unambiguous(items, anchored, end < len(pattern)):
        return None
    return ("^" if anchored else "") + "".join(item.text for item in items) + ("\\Z" if end < len(pattern) else "")


def _is_unambiguous(items: list[_Item], anchored: bool, ended: bool) -> bool:
    follow: frozenset[int] = frozenset()
    rest_varies = False
    rest_is_empty = not ended
    for item in reversed(items):
        if not item.first:
            continue
        if item.varies and not rest_is_empty and (not anchored or (rest_varies and item.first & follow)):
            return False
        rest_varies = rest_varies or item.varies
        rest_is_empty = False
        follow = item.first | follow if item.optional else item.first
    return True


class _Reader:
    """Reads one pattern without its anchors into items; parentheses are items that take no character."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.found: list[_Item] = []
        self.open: list[int] = []  # for each open group, the index of its parenthesis
        self.bars: set[int] = set()
        self.names: set[str] = set()

    def items(self) -> list[_Item] | None:
        """Return the items, None where a construct is not plain."""
        at = 0
        while at < len(self.body):
            token = _TOKEN.match(self.body, at)
            if token is None or not self._take(token):
                return None
            at = token.end()
        if self.open or (self.bars and not self._literal_alternatives(-1)):
            return None
        return self.found

    def _take(self, token: re.Match[str]) -> bool:
        text = token[0]
        match token.lastgroup:
            case "open":
                return self._opens(token)
            case "quantifier":
                return self._repeats(token)
            case "close":
                return self._closes()
            case "bar":
                self.bars.add(len(self.found))
                self.found.append(_Item(frozenset(), "|"))
            case "dot":
                self.found.append(_Item(_ALL - {10}, text))
            case "perl":
                self.found.append(_Item(_SETS[token["perl"]], _SPACE_TEXT.get(text, text)))
            case "quoted":
                self.found.append(_Item(frozenset({ord(token["quoted"])}), text))
            case "literal":
                self.found.append(_Item(frozenset({ord(text)}), text))
            case "class":
                return self._class(text)
            case _:  # an anchor in the middle
                return False
        return True

    def _opens(self, token: re.Match[str]) -> bool:
        name = token["name"]
        if name is not None:
            if name in self.names:
                return False
            self.names.add(name)
        self.open.append(len(self.found))
        self.found.append(_Item(frozenset(), f"(?P<{name}>" if name else token[0]))
        return True

    def _closes(self) -> bool:
        if not self.open:
            return False
        start = self.open.pop()
        inside = {bar for bar in self.bars if bar > start}
        if inside:
            self.bars -= inside
            if not self._literal_alternatives(start):
                return False
            body = self.found[start + 1 :]
            bounds = [start, *sorted(inside)]
            first = frozenset().union(*(self.found[bound + 1].first for bound in bounds))
            self.found[start:] = [
                _Item(first, self.found[start].text + "".join(item.text for item in body) + ")", False)
            ]
            return True
        self.found.append(_Item(frozenset(), ")"))
        return True

    def _literal_alternatives(self, start: int) -> bool:
        """Tell whether all behind an opening parenthesis are literals, and their first characters differ."""
        firsts: list[frozenset[int]] = []
        begins = True
        for item in self.found[start + 1 :]:
            if item.text == "|":
                if begins:
                    return False
                begins = True
                continue
            if len(item.first) != 1 or not item.single:
                return False
            if begins:
                firsts.append(item.first)
            begins = False
        return not begins and len(frozenset().union(*firsts)) == len(firsts)

    def _repeats(self, token: re.Match[str]) -> bool:
        if not self.found or not self.found[-1].first or not self.found[-1].single:
            return False
        item = self.found[-1]
        low = token["low"]
        high = token["high"] if token["comma"] else low
        if low is not None and high is not None and int(high) < int(low):
            return False
        item.text += token[0]
        item.single = False
        item.varies = low is None or token["comma"] is not None
        item.optional = token[0][0] in "*?" or (low is not None and int(low) == 0)
        return True

    def _class(self, text: str) -> bool:
        negated = text.startswith("[^")
        members: set[int] = set()
        for low, high, single in _MEMBER.findall(text[1 + negated : -1]):
            if single:
                members.add(ord(single))
            elif low > high:
                return False
            else:
                members.update(range(ord(low), ord(high) + 1))
        self.found.append(_Item(_ALL - members if negated else frozenset(members), text))
        return True
