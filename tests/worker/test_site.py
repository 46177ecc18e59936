"""What a site's plugins may ask of the whole server on a client's behalf."""

from __future__ import annotations

import pytest

from shardns.worker import log
from shardns.worker.address import Address
from shardns.worker.query import Query
from shardns.worker.wire.codes import A
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import read
from tests.plugins.whole import Whole

from .fakes import message, request

COREFILE = """.:53 {
    log . "{name} {size} {local}"
    whoami
}
"""


@pytest.mark.parametrize("opt", [None, Edns(1232)])
def test_a_follow_up_has_its_own_length_and_the_client_s_connection(
    opt: Edns | None, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    generation = Whole(COREFILE).generation
    wire = message("a.test.", opt=opt)
    asked = request("tcp", at=generation.dispatches[0].listener)
    asked._local = Address("192.0.2.7", 53)
    query = read(wire, asked)
    assert isinstance(query, Query)
    generation.sites[0].lookup(query, from_text("abc.test."), A)
    log.flush()
    size = len(message("abc.test.", opt=opt))
    assert capfdbinary.readouterr().out.decode() == f"[INFO] abc.test. {size} 192.0.2.7\n"
