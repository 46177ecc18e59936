from __future__ import annotations

import pytest

from shardns.config.environment import EnvironmentLoop, substitute

ENVIRON = {"A": "one", "B": "two words", "NEST": "<{$A}>", "WIN": "{%A%}", "A:b": "odd", "SELF": "x{$SELF}"}
CASES = [
    ("plain", "plain"),
    ("{$A}", "one"),
    ("{%A%}-{$A}", "one-one"),
    ("{$B}", "two words"),
    ("a{$UNSET}b", "ab"),
    ("{$NEST}", "<one>"),
    ("{%NEST%}", "<one>"),
    ("{$WIN}", "{%A%}"),  # {% %} is replaced first and not looked for again
    ("{$A:b}", "odd"),
    ("{$}", "{$}"),
    ("{$} {$A}", "{$} {$A}"),
    ("{$A", "{$A"),
    ("{$A} {$B", "one {$B"),
    ("{%%}", "{%%}"),
]


@pytest.mark.parametrize(("text", "result"), CASES)
def test_references_are_replaced(text: str, result: str) -> None:
    assert substitute(text, ENVIRON) == result


def test_a_variable_that_leads_to_itself_is_an_error() -> None:
    with pytest.raises(EnvironmentLoop):
        substitute("{$SELF}", ENVIRON)
    with pytest.raises(EnvironmentLoop):
        substitute("{$A}", {"A": "{$B}", "B": "{$A}"})


def test_a_variable_that_doubles_itself_is_cut_early() -> None:
    with pytest.raises(EnvironmentLoop):
        substitute("{$A}", {"A": "{$A}{$A}" * 1000})
