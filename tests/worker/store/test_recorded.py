"""The recorded answers of the reference's `file` plugin, asked of the engine in this process."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import dns.message
import pytest

from .serving import Server

CONFORM = Path(__file__).parents[2] / "conform"
SCENARIOS = (
    "additional", "bigrrset", "cname", "cname-limits", "delegation", "dname", "ent", "lookup", "master", "reverse",
    "rrtypes", "signed", "signed-cuts", "wildcard", "zones",
)  # fmt: skip
# Where the four servers of the Ferret set agree on something else (tests/ferret): an answer to an NS query has no
# apex NS in its authority section, however it came about.
FERRET = {("cname", "toapex.example.org NS"), ("cname", "nowhere.example.org NS")}


@pytest.fixture(scope="module")
def conform() -> Any:
    spec = spec_from_file_location("conform", CONFORM / "conform.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        server.stores.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_answer_is_the_recorded_one(name: str, conform: Any, servers: list[Server], tmp_path: Path) -> None:
    scenario = tomllib.loads((CONFORM / "scenarios" / f"file-{name}.toml").read_text())
    golden = json.loads((CONFORM / "golden" / f"file-{name}.json").read_text())
    for path, text in scenario.get("files", {}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    corefile = scenario["corefile"].replace("@{dir}", str(tmp_path)).replace("@{port}", "1053")
    server = Server(re.sub(r"^\s*root .*$", f"root {tmp_path}/zones", corefile, flags=re.M), tmp_path)
    servers.append(server)
    server.load()
    wrong = []
    for step, want in zip(scenario["step"], golden["steps"], strict=True):
        query, _ = conform.build_query(step)
        answer = server.exchange(query.to_wire(), "tcp" if step.get("transport") == "tcp" else "udp")
        assert answer is not None
        got = conform.describe(dns.message.from_wire(answer, one_rr_per_rrset=True), step)
        problems = conform.differences(step, want, json.loads(json.dumps(got)))
        if problems and (name, step["query"]) not in FERRET:
            wrong.append((step["query"], problems))
    assert wrong == []
