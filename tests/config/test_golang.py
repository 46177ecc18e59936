from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.config.golang import duration_text, integer, nanoseconds, quote, seconds

DURATIONS = [
    ("0", 0), ("+0", 0), ("1s", 1), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), (".5s", 0.5), ("1.s", 1),
    ("-2s", -2), ("1us", 1e-6), ("1µs", 1e-6), ("1ns", 1e-9), ("2h45m0.5s", 9900.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "result"), DURATIONS)
def test_a_duration_is_read(text: str, result: float) -> None:
    assert seconds(text) == pytest.approx(result)


BAD_DURATIONS = [
    ("", 'time: invalid duration ""'),
    ("x", 'time: invalid duration "x"'),
    ("30", 'time: missing unit in duration "30"'),
    ("1d", 'time: unknown unit "d" in duration "1d"'),
    ("1s2", 'time: missing unit in duration "1s2"'),
    ("-", 'time: invalid duration "-"'),
    (".s", 'time: invalid duration ".s"'),
    ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
    ("99999999999999999999999999h", 'time: invalid duration "99999999999999999999999999h"'),
    ("1 s", 'time: unknown unit " s" in duration "1 s"'),
]


@pytest.mark.parametrize(("text", "error"), BAD_DURATIONS)
def test_a_bad_duration_has_go_s_text(text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        seconds(text)
    assert str(caught.value) == error


def test_durations_print_as_go_prints_them() -> None:
    cases = {
        0: "0s",
        60: "1m0s",
        1.5: "1.5s",
        0.25: "250ms",
        172800: "48h0m0s",
        -2: "-2s",
        1e-6: "1µs",
        90.5: "1m30.5s",
    }
    assert {value: duration_text(value) for value in cases} == cases


@given(st.integers(-(10**12), 10**12))
def test_a_printed_duration_is_read_back(milliseconds: int) -> None:
    value = milliseconds / 1000
    assert nanoseconds(duration_text(value)) == round(value * 1e9)


def test_integers_are_go_s() -> None:
    assert [integer(text) for text in ("5", "+5", "-5", "007")] == [5, 5, -5, 7]


BAD_INTEGERS = [
    ("x", "Atoi", 'strconv.Atoi: parsing "x": invalid syntax'),
    ("", "Atoi", 'strconv.Atoi: parsing "": invalid syntax'),
    ("1_0", "Atoi", 'strconv.Atoi: parsing "1_0": invalid syntax'),
    ("٣", "Atoi", 'strconv.Atoi: parsing "٣": invalid syntax'),
    ("9223372036854775808", "Atoi", 'strconv.Atoi: parsing "9223372036854775808": value out of range'),
    ("-1", "ParseUint", 'strconv.ParseUint: parsing "-1": invalid syntax'),
]


@pytest.mark.parametrize(("text", "function", "error"), BAD_INTEGERS)
def test_a_bad_integer_has_go_s_text(text: str, function: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        integer(text, function)
    assert str(caught.value) == error


def test_quoting_is_go_s() -> None:
    assert quote('a"b\\\n\x01é\u200b') == '"a\\"b\\\\\\n\\x01é\\u200b"'
