from __future__ import annotations

import hashlib
from pathlib import Path

from shardns.config.digest import parsed_json, running_digest
from shardns.config.load import parse
from shardns.config.source import Source
from tests.config.small import written


def test_the_json_is_what_go_writes(tmp_path: Path) -> None:
    path = written(tmp_path, {"Corefile": "", "part": "errors <&>\u2028\n"})
    found = parse(Source(path, '. a {\n whoami\n log "x\ny\\z"\n import part\n}'), None, {})
    assert parsed_json(found.blocks, path) == (
        '[{"Keys":[".","a"],"Tokens":{'
        f'"errors":[{{"File":"{tmp_path}/part","Line":1,"Text":"errors"}},'
        f'{{"File":"{tmp_path}/part","Line":1,"Text":"\\u003c\\u0026\\u003e"}}],'
        '"log":[{"File":"","Line":3,"Text":"log"},{"File":"","Line":3,"Text":"x\\ny\\\\z"}],'
        '"whoami":[{"File":"","Line":2,"Text":"whoami"}]}}]'
    )


def test_no_blocks_are_null() -> None:
    assert running_digest([], "Corefile") == hashlib.sha512(b"null").hexdigest()
