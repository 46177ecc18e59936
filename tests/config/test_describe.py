from __future__ import annotations

import json

from shardns.config.check import problems_json, report, report_json, zone_lines
from shardns.config.describe import documentation, help_text, json_schema, readme_section, syntax
from shardns.config.model import listeners
from tests.config.small import REGISTRY, Bind, Debug, Hosts, model, refusal


def test_the_syntax_follows_from_the_declaration() -> None:
    assert syntax("debug", Debug) == "debug"
    assert syntax("bind", Bind) == "bind IP... {\n    except IP...\n}"
    assert syntax("hosts", Hosts).split("\n") == [
        "hosts [FILE] [ZONE...] {",
        "    ttl INTEGER",
        "    no_reverse",
        "    reload DURATION",
        "    fallthrough [ZONE...]",
        "    IP NAME...",
        "}",
    ]


def test_the_string_under_an_option_is_its_documentation() -> None:
    assert documentation(Hosts)["ttl"] == "TTL of every answer."


def test_help_and_readme_tell_defaults() -> None:
    assert "reload\n    How often the file is looked at. Default 5s.\n" in help_text("hosts", Hosts)
    assert "* `ttl` TTL of every answer. Default 3600." in readme_section("hosts", Hosts)
    assert "Once per server block." in help_text("hosts", Hosts)


def test_the_json_schema_names_every_option() -> None:
    found = json_schema(REGISTRY)
    block = found["properties"]["block"]["items"]["properties"]
    hosts = next(choice for choice in block["hosts"]["anyOf"] if choice.get("type") == "object")
    assert {"path", "zones", "ttl", "reload", "fallthrough", "lines", "corefile"} <= set(hosts["properties"])
    assert "forward" not in block
    json.dumps(found)


def test_the_report_tells_what_would_be_served() -> None:
    found = model("1a.example a {\n whoami\n health :1\n}")
    assert report(found).split("\n") == [
        "[WARNING] plugin/health: just a word",
        'Warning: Domain "1a.example." does not follow RFC1035 preferred syntax',
        "Corefile: 1 server block, 1 listener",
        "dns://:1053",
        "    1a.example.: health whoami",
        "    a.: health whoami",
        "http://:1 (health)",
        "",
    ]
    assert json.loads(report_json(found))["listeners"][0]["label"] == "dns://:1053"


def test_problems_are_told_as_json() -> None:
    found = json.loads(problems_json(refusal(". {\n whoamy\n}")))
    assert found["problems"][0]["place"] == {"file": "Corefile", "line": 2, "column": 2}
    assert found["problems"][0]["hint"] == "did you mean 'whoami'?"


def test_zone_lines_are_the_reference_s() -> None:
    found = model("b a_b 10.0.0.0/8 tls://. {\n bind 127.0.0.1\n}\n.:1 {\n whoami\n}")
    assert [zone_lines(one) for one in listeners(found)] == [
        [
            "10.in-addr.arpa.:1053 on 127.0.0.1",
            'Warning: Domain "a_b." does not follow RFC1035 preferred syntax',
            "a_b.:1053 on 127.0.0.1",
            "b.:1053 on 127.0.0.1",
        ],
        ["tls://.:853 on 127.0.0.1"],
        [".:1"],
    ]
