"""`tsig`: set-up, key files, and what becomes of signed and unsigned queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.tsig
import pytest

from shardns.plugins.tsig.keyfile import KeyFileError, keys_of
from shardns.plugins.tsig.options import Options
from shardns.plugins.tsig.tsig import Tsig
from shardns.worker.chain import compile_chain
from shardns.worker.plugin import Source
from shardns.worker.query import Query
from shardns.worker.reply import Failure, Refused, Reply
from shardns.worker.stream import sealed
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import read
from tests.plugins.small import options, refusal
from tests.worker.fakes import FakeSite, listener, request

SECRET = b"0123456789abcdef0123456789abcdef"
TEXT = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
RING = {dns.name.from_text("key.example."): SECRET}


class Below(Source[None]):
    """The plugin below: notes what it sees."""

    directive = "below"

    def answer(self, query: Query) -> Reply:
        """Answer, or fail."""
        self.options.append(query)  # type: ignore[attr-defined]  # a list in these tests
        if query.name.startswith(b"\4fail"):
            raise Refused
        return query.reply(aa=True)


class Set:
    """A `tsig` above a plugin that answers."""

    def __init__(self, text: str) -> None:
        at = listener()
        site = FakeSite(find=lambda directive: self.plugin, logger=lambda directive: None, zones=())
        self.plugin: Tsig = Tsig(options(Options, text), cast(Any, site))
        at.zones = {b"\0": [cast(Any, site)]}
        self.listener = at
        self.seen: list[Query] = []
        self.step, _ = compile_chain([self.plugin, Below(cast(None, self.seen), cast(Any, site))])

    def ask(self, message: dns.message.Message) -> dns.message.Message:
        """Return the answer as a client reads it."""
        wire = message.to_wire()
        query = read(wire, request(at=self.listener))
        assert isinstance(query, Query)
        try:
            reply = self.step(query)
        except Failure as failure:
            reply = query.reply(failure.rcode)
        assert isinstance(reply, Reply)
        out = wire[:2] + sealed(query, reply)
        return dns.message.from_wire(out, keyring=RING, request_mac=message.mac or b"")


def query(
    name: str = "a.example.", rtype: str = "A", secret: bytes | None = SECRET, **more: Any
) -> dns.message.Message:
    """Return a query, signed where there is a secret."""
    message = dns.message.make_query(name, rtype, **more)
    if secret is not None:
        message.use_tsig({dns.name.from_text("key.example."): secret}, keyname="key.example.", algorithm="hmac-sha256")
    return message


def test_a_required_type_must_be_signed_inside_the_zones() -> None:
    at = Set(f"tsig example. {{\n secret key.example. {TEXT}\n require A\n}}")
    assert at.ask(query(secret=None)).rcode() == 5 and not at.seen
    assert at.ask(query(secret=None, rtype="MX")).rcode() == 0
    assert at.ask(query("b.other.", secret=None)).rcode() == 0
    signed = at.ask(query())
    assert signed.rcode() == 0 and signed.had_tsig


def test_outside_the_zones_a_signed_query_is_passed_on_and_not_answered_signed() -> None:
    at = Set(f"tsig example. {{\n secret key.example. {TEXT}\n}}")
    with pytest.raises(dns.exception.FormError, match="requires a TSIG"):
        at.ask(query("b.other."))
    assert at.seen[0].request.tsig is not None


def test_what_the_plugins_below_see_has_an_opt_and_no_tsig_and_the_answer_has_both() -> None:
    at = Set(f"tsig . {{\n secret key.example. {TEXT}\n}}")
    reply = at.ask(query(use_edns=0))
    assert at.seen[0].edns is not None and at.seen[0].request.tsig is None and not at.seen[0].wire
    assert reply.had_tsig and reply.edns == 0


def test_a_failure_below_is_answered_signed() -> None:
    reply = Set(f"tsig . {{\n secret key.example. {TEXT}\n}}").ask(query("fail.example."))
    assert reply.rcode() == 5 and reply.had_tsig


def test_a_wrong_signature_is_not_passed_on() -> None:
    at = Set(f"tsig . {{\n secret key.example. {TEXT}\n}}")
    with pytest.raises(dns.tsig.PeerBadSignature):
        at.ask(query(secret=b"wrong"))
    with pytest.raises(dns.tsig.PeerBadKey):
        Set(f"tsig . {{\n secret other. {TEXT}\n}}").ask(query())
    assert not at.seen


def test_an_opcode_may_be_required() -> None:
    at = Set(f"tsig . {{\n secret key.example. {TEXT}\n require_opcode NOTIFY\n}}")
    notify = query(secret=None)
    notify.set_opcode(dns.opcode.NOTIFY)
    assert at.ask(notify).rcode() == 5
    assert at.ask(query(secret=None)).rcode() == 0
    everything = Set(f"tsig . {{\n secret key.example. {TEXT}\n require_opcode all\n require_opcode none\n}}")
    assert everything.ask(query(secret=None)).rcode() == 5


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("tsig {\n blah\n}", "blah"),
        ("tsig {\n secret name. too many\n}", "many"),
        ("tsig {\n require\n}", "require"),
        ("tsig {\n require invalid-qtype A\n}", "A"),
        ("tsig {\n require_opcode\n}", "require_opcode"),
        ("tsig {\n require_opcode INVALID\n}", "INVALID"),
        ("tsig {\n secrets /nowhere\n}", "/nowhere"),
    ],
)
def test_every_mistake_is_a_wrong_argument_count(text: str, token: str) -> None:
    wanted = f"Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{token}'"
    assert refusal(Options, text) == f"plugin/tsig: {wanted}"


def test_a_key_may_not_be_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text('key a {\n secret "AA==";\n};\n')
    where = "plugin/tsig: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after"
    assert refusal(Options, "tsig {\n secret a. AA==\n secret A. BB==\n}") == f"{where} 'BB=='"
    assert refusal(Options, f"tsig {{\n secret a. AA==\n secrets {path}\n}}") == f"{where} '{path}'"
    assert refusal(Options, f"tsig {{\n secrets {path}\n secret a. AA==\n}}") == f"{where} 'AA=='"


def test_a_key_file_is_read_as_bind_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f'key "A.example" {{\n algorithm x;\n secret "{TEXT}";\n}};\n\nkey b {{\n secret bad!\n}}\n')
    assert options(Options, f"tsig {{\n secrets {path}\n}}").keys == {
        from_text("a.example."): SECRET, from_text("b."): None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("key {", 'expected key name "key {"'),
        ('foo "key" {', 'unexpected token "foo"'),
        ("key k {\n secret AA==;\n}\nkey K {\n secret AA==;\n}", 'key "k." redefined'),
        ("key k {\n what\n}", 'unexpected token "what"'),
        ("key k {\n secret\n}", 'expected secret key " secret"'),
        ("key k {\n secret ;\n}", 'expected secret key " secret ;"'),
        ("key k {\n}", 'expected secret for key "k."'),
    ],
)
def test_a_key_file_with_a_fault_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        keys_of(text)
    assert str(caught.value) == wanted
