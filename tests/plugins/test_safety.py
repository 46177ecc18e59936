"""Every option that takes a regular expression: of 64 KiB and hostile it is refused, or the answer comes at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shardns.config.errors import ConfigError
from tests.config.test_regex import HOSTILE
from tests.plugins.whole import Whole, question

ANSWER_S = 0.05
LONGEST = ".".join(["a" * 63] * 3 + ["ab" * 30 + "a"])  # with the root 255 octets
BELOW = "erratic"
ALIAS = 'template IN A {\nmatch ^a\nanswer "{{ .Name }} 60 IN CNAME ' + "b" * 60 + '.example."\n}'
OPTIONS = {
    "rewrite name regex": "rewrite name regex @ to.example.\n" + BELOW,
    "rewrite name regex, stop": "rewrite stop {\nname regex @ to.example.\nanswer auto\n}\n" + BELOW,
    "rewrite answer name": "rewrite stop {\nname regex .* to.example.\nanswer name @ back.example.\n}\n" + BELOW,
    "rewrite answer value": "rewrite stop {\nname regex .* to.example.\nanswer value @ back.example.\n}\n" + ALIAS,
    "rewrite ttl regex": "rewrite ttl regex @ 30\n" + BELOW,
    "rewrite rcode regex": "rewrite rcode regex @ NOERROR NXDOMAIN\n" + BELOW,
    "rewrite cname regex": "rewrite cname regex @ to.example.\n" + ALIAS,
    "template match": 'template IN A {\nmatch @\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n' + BELOW,
    "errors consolidate": "errors {\nconsolidate 5m @\n}",
    "errors consolidate, first": "errors {\nconsolidate 5m @ warning show_first\n}",
    "view matches": "view v {\nexpr name() matches '@'\n}\n" + BELOW,
    "view matches, computed": "view v {\nexpr name() matches (name() + '@')\n}\n" + BELOW,
    "auto directory": "auto {\ndirectory {folder} @ {1}\n}\n" + BELOW,
}  # fmt: skip


def corefile(option: str, pattern: str, folder: Path) -> str:
    word = pattern.replace("\\", "\\\\") if "expr" in option else f'"{pattern}"'
    return f".:5301 {{\n{option.replace('@', word).replace('{folder}', str(folder))}\n}}\n"


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pattern_is_refused_or_harmless(option: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / ("a" * 200)).touch()
    pattern = HOSTILE[kind][:65536]
    try:
        whole = Whole(corefile(OPTIONS[option], pattern, tmp_path))
    except ConfigError as error:
        assert error.problems and all(problem.place for problem in error.problems)
        return
    wire = question(LONGEST)
    assert len(wire) == 12 + 255 + 4
    for _ in range(2):
        began = time.thread_time()
        whole.send(wire, "127.0.0.1", "udp", 0, memo=False)
        assert time.thread_time() - began < ANSWER_S


@pytest.mark.parametrize("option", OPTIONS)
def test_a_plain_pattern_is_taken(option: str, tmp_path: Path) -> None:
    Whole(corefile(OPTIONS[option], "^(a+)b.*$", tmp_path)).send(question(LONGEST), "127.0.0.1", "udp", 0, memo=False)
