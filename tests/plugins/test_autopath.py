"""autopath: the walk over a search list."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from shardns.config.names import from_text
from shardns.plugins.autopath.autopath import Autopath
from shardns.plugins.autopath.options import Options, search_list
from shardns.worker.plugin import SetupError
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole, counted, texts

EXISTS = 'template IN A b.com {\n match ^b\\.com\\.$\n answer "{{ .Name }} 3600 IN A 127.0.0.53"\n}\n'
EMPTY = "template IN A empty.com {\n match ^empty\\.com\\.$\n}\n"
MISSING = "template IN A {\n rcode NXDOMAIN\n}\n"


@pytest.fixture
def resolv(tmp_path: Path) -> str:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\nsearch example.org Example.com com\noptions ndots:5\n")
    return str(path)


def serving(line: str, backend: str = EXISTS + EMPTY + MISSING, keys: str = ".") -> Whole:
    return Whole(f"{keys} {{\n {line}\n {backend}\n}}")


def test_the_first_name_that_exists_is_led_to(resolv: str) -> None:
    answer = serving(f"autopath {resolv}").answered("B.example.org.")
    assert texts(answer.answer) == ["B.example.org. 3600 IN CNAME b.com.", "b.com. 3600 IN A 127.0.0.53"]
    assert answer.question[0].to_text() == "B.example.org. IN A"


def test_a_name_that_exists_without_data_is_found_too(resolv: str) -> None:
    answer = serving(f"autopath {resolv}").answered("empty.example.org.")
    assert (answer.rcode(), answer.answer) == (0, [])


def test_names_that_are_not_below_the_first_element_are_left_alone(resolv: str) -> None:
    answer = serving(f"autopath {resolv}", 'template IN A {\n answer "{{ .Name }} 5 IN A 192.0.2.1"\n}').answered
    assert texts(answer("a.example.com.").answer) == ["a.example.com. 5 IN A 192.0.2.1"]
    assert texts(answer("a.example.org.").answer) == ["a.example.org. 5 IN A 192.0.2.1"]


def test_zones_limit_where_names_are_completed(resolv: str) -> None:
    assert serving(f"autopath example.net {resolv}").answered("b.example.org.").rcode() == 3
    assert serving(f"autopath org {resolv}").answered("b.example.org.").rcode() == 0


def test_where_nothing_exists_the_client_gets_the_answer_to_its_own_question(resolv: str) -> None:
    answer = serving(f"autopath {resolv}").answered("c.example.org.")
    assert (answer.rcode(), answer.answer, answer.question[0].to_text()) == (3, [], "c.example.org. IN A")


def test_bare_failures_go_to_the_next_name_and_the_first_counts(resolv: str) -> None:
    failing = "template IN A {\n rcode SERVFAIL\n}\n"
    assert serving(f"autopath {resolv}", EXISTS + failing).answered("b.example.org.").rcode() == 0
    assert serving(f"autopath {resolv}", EXISTS + failing).answered("c.example.org.").rcode() == 2


def test_the_first_element_itself_has_nothing_to_complete(resolv: str, capfd: pytest.CaptureFixture[str]) -> None:
    whole = serving(f"errors\n autopath {resolv}")
    assert whole.answered("Example.org.").rcode() == 2
    assert "trimzone: overshot qname: Example.org.for zone example.org." in capfd.readouterr().out


def test_a_drop_below_is_a_failure(resolv: str) -> None:
    assert serving(f"autopath {resolv}\n acl com {{\n drop\n}}").answered("b.example.org.").rcode() == 2


def test_names_that_get_too_long_do_not_exist(resolv: str) -> None:
    long = ".".join(["a" * 60] * 4) + ".example.org."
    with pytest.raises(Exception, match="255"):
        serving(f"autopath {resolv}").answered(long)
    assert serving(f"autopath {resolv}").answered(".".join(["a" * 58] * 4) + ".example.org.").rcode() == 3


def test_each_completion_counts(resolv: str) -> None:
    whole = serving(f"autopath {resolv}", keys=".:5365")
    whole.answered("b.example.org.")
    whole.answered("c.example.org.")
    whole.budget.flush()
    assert counted("autopath_success_total", "dns://:5365") == 5


def test_a_plugin_can_know_the_list() -> None:
    record = 'template IN A google.com {\n answer "{{ .Name }} 5 IN A 192.0.2.1"\n}\n'
    whole = Whole(f". {{\n autopath @erratic\n {record}\n {MISSING}\n erratic\n}}")
    found = texts(whole.answered("google.com.a.example.org.").answer)
    assert found == ["google.com.a.example.org. 5 IN CNAME google.com.", "google.com. 5 IN A 192.0.2.1"]
    assert texts(whole.answered("google.com.").answer) == ["google.com. 5 IN A 192.0.2.1"]


def test_a_plugin_that_is_not_there_completes_nothing() -> None:
    assert serving("autopath @erratic").answered("b.com.a.example.org.").rcode() == 3


def test_a_plugin_that_knows_no_list_is_refused_at_the_start() -> None:
    plugin = Whole(". {\n autopath @whoami\n whoami\n}").generation.sites[0].find("autopath")
    with pytest.raises(SetupError, match="plugin/autopath: whoami does not implement the AutoPather interface"):
        asyncio.run(cast(Autopath, plugin).load(cast(Any, None)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("domain foo.com\nsearch bar.com baz.com", ["bar.com.", "baz.com."]),
        ("search bar.com baz.com\ndomain foo.com", ["foo.com."]),
        ("search a.com\nsearch", []),
        ("nameserver 192.0.2.1", []),
        ("search a..b ok.com", ["ok.com."]),
    ],
)
def test_the_last_line_of_a_file_counts(text: str, expected: list[str]) -> None:
    assert search_list(text) == tuple(map(from_text, expected))


def test_a_file_without_a_list_completes_nothing(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    whole = serving(f"autopath {tmp_path}/resolv.conf", keys=".:5366")
    assert (whole.answered("b.com.").rcode(), whole.answered(".").rcode()) == (0, 3)
    whole.budget.flush()
    assert counted("autopath_success_total", "dns://:5366") == 0


def test_zones_and_the_list_are_read_with_the_configuration(resolv: str) -> None:
    (found,) = options(Options, f"autopath 10.0.0.0/8 {resolv}")
    assert found.zones == (from_text("10.in-addr.arpa."),)
    assert found.source[0] == from_text("example.org.")
    assert found.source[-1] == b"\0"
    assert options(Options, "autopath example.org @kubernetes")[0].source == "@kubernetes"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("autopath", "no resolv-conf specified"),
        ("autopath kubernetes", 'failed to parse "kubernetes": open kubernetes: no such file or directory'),
        ('autopath ""', 'failed to parse "": open : no such file or directory'),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/autopath: {complaint}"
