"""Every Corefile of the conformance scenarios is converted to TOML and back without a change in any word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from shardns.config.blocks import Block
from shardns.config.convert import to_corefile, to_toml, words_and_rows
from shardns.config.load import parse
from shardns.config.source import Source
from shardns.config.toml import parse_toml
from shardns.plugins import ORDER, is_built, schema
from tests.config.small import written

SCENARIOS = sorted((Path(__file__).parents[1] / "conform" / "scenarios").glob("*.toml"))
Shown = list[tuple[list[str], dict[str, list[tuple[str, bool]]]]]


def shown(blocks: list[Block]) -> Shown:
    """Return keys, and each directive's words with their line starts."""
    return [
        ([key.text for key in block.keys], {name: words_and_rows(own) for name, own in block.directives.items()})
        for block in blocks
    ]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_s_corefile_survives_conversion(path: Path, tmp_path: Path) -> None:
    scenario = tomllib.loads(path.read_text())
    if scenario.get("refused"):
        pytest.skip("is to be refused")
    filled = {
        name: re.sub(r"@\{(\w+)\}", lambda found: str(tmp_path) if found[1] == "dir" else "1053", text)
        for name, text in ({"Corefile": scenario.get("corefile", "")} | scenario.get("files", {})).items()
        if not text.startswith("base64:")
    }
    source = Source(written(tmp_path, filled), filled["Corefile"])
    environ = scenario.get("env", {})
    before = parse(source, ORDER, environ, keep_references=True)
    assert before.problems == []
    present = {name for block in before.blocks for name in block.directives}
    registry = {name: schema(name) if is_built(name) else None for name in ORDER if name in present}
    toml = Source("x.toml", to_toml(source, registry, ORDER, environ))
    assert shown(parse_toml(toml, registry, ORDER, keep_references=True).blocks) == shown(before.blocks)
    back = Source("Corefile", to_corefile(toml, registry, ORDER))
    assert shown(parse(back, ORDER, environ, keep_references=True).blocks) == shown(before.blocks)
