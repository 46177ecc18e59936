"""debug: the mark on the block, and dumps of messages."""

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.debug.debug import Options
from shardns.worker import hexdump, log

QUERY = bytes.fromhex("000a01000001000000000001076578616d706c65056c6f63616c0000010001000029100000008000") + b"\0\0"


def test_the_block_is_marked() -> None:
    draft = Draft(directive="debug")
    Options.read("debug\ndebug", draft)
    assert draft.debug


@pytest.mark.parametrize(
    ("text", "problem"),
    [("debug off", "after 'off'"), ("debug {\n}", "Unexpected token '{', expecting argument")],
)
def test_what_is_refused(text: str, problem: str) -> None:
    draft = Draft(directive="debug")
    with pytest.raises(ConfigError) as caught:
        Options.read(text, draft)
    assert problem in caught.value.text
    assert not draft.debug


def test_a_dump_is_what_text2pcap_reads() -> None:
    assert hexdump.hexdump(QUERY).splitlines() == [
        "debug: 000000 00 0a 01 00 00 01 00 00 00 00 00 01 07 65 78 61",
        "debug: 000010 6d 70 6c 65 05 6c 6f 63 61 6c 00 00 01 00 01 00",
        "debug: 000020 00 29 10 00 00 00 80 00 00 00",
        "debug: 00002a",
    ]


def test_dumps_appear_only_while_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(log, "write", written.append)
    monkeypatch.setattr(log, "debugging", False)
    hexdump.dump("Wrong reply", QUERY)
    monkeypatch.setattr(log, "debugging", True)
    hexdump.dump("Wrong reply", b"")
    hexdump.dump("Wrong reply", QUERY)
    assert len(written) == 1
    assert written[0].startswith(b"[DEBUG] Wrong reply\ndebug: 000000 00 0a")
