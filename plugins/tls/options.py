"""The options of `tls`, and what becomes of them."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Self

from shardns.config.errors import Refuse, WrongCount
from shardns.config.golang import quote
from shardns.config.model import Directive, Encryption
from shardns.config.schema import Args, Draft, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, FILE, NAME, STRING, Value, Words, fill
from shardns.worker.acme import Acme
from shardns.worker.acme import stamp as acme_stamp
from shardns.worker.certificates import judge_keylog, stamp
from shardns.worker.encryption import EncryptionError, judge

from .stanza import stanza

UNKNOWN = "unknown option '{}'"
UNKNOWN_ACME = 'unknown ACME option "{}"'
MODES = ("nocert", "request", "require", "verify_if_given", "require_and_verify")
FEWEST, MOST = 2, 3


_FORM: Final = "the form of a tls line"


def _files(words: Sequence[Token], draft: Draft) -> tuple[str, ...]:
    draft.shared[_FORM] = bool(words)
    if words and not FEWEST <= len(words) <= MOST:
        raise WrongCount(at=words[-1], inner="plugin/tls: ")
    return tuple(draft.path(word.text) for word in words)


class Of(Value[Any]):
    """A property of one of the two forms of a line; in the other one it is unknown."""

    def __init__(self, value: Value[Any], word: str, files: bool) -> None:
        self._value = value
        self.label = value.label
        self._word = word
        self._files = files

    def parse(self, word: str, draft: Draft) -> Any:
        """Return the value."""
        if draft.shared.get(_FORM, False) is not self._files:
            raise Refuse(fill(UNKNOWN if self._files is False else UNKNOWN_ACME, self._word), located=True)
        return self._value.parse(word, draft)


def _acme(value: Value[Any], word: str) -> Prop:
    twice = f'ACME option "{word}" can only be specified once'
    return Prop(Of(value, word, files=False), name=word, repeat="once", twice=Refuse(twice, located=True))


class Options(Schema, repeat="last", unknown=UNKNOWN, inner="plugin/tls: "):
    """The certificate by which the encrypted listeners of a block prove themselves."""

    files: Annotated[tuple[str, ...], Args(Words(_files, "CERT KEY [CA]"))] = ()
    "Certificate chain and private key in PEM, below the path of *root*, and the certificates by which clients are "
    "judged (default: those of the system)."

    client_auth: Annotated[
        str,
        Prop(
            Of(CHOICE(*MODES, refused="unknown authentication type '{}'", located=True), "client_auth", files=True),
            name="client_auth",
        ),
    ] = "nocert"
    "What clients must show: `nocert` asks for nothing, `request` asks for a certificate, `require` insists on one, "
    "neither looks at it; `verify_if_given` and `require_and_verify` do the same and verify it."

    keylog: Annotated[str, Prop(Of(FILE(), "keylog", files=True))] = ""
    "File to which session keys are appended, for programs that analyse captured traffic (NSS key log format)."

    domains: Annotated[
        tuple[str, ...],
        Props(
            Of(STRING("DOMAIN"), "acme", files=False),
            name="acme",
            repeat="once",
            twice=Refuse('ACME option "acme" can only be specified once', located=True),
        ),
    ] = ()
    "Names for which an ACME authority issues certificates, `*.` before a name for all that are one label longer; the "
    "line has no files then."

    email: Annotated[str, _acme(STRING("ADDRESS"), "email")] = ""
    "Address of the ACME account."

    ca: Annotated[str, _acme(STRING("URL"), "ca")] = ""
    "Directory of the ACME authority (default: that of Let's Encrypt)."

    storage: Annotated[str, _acme(FILE(label="FOLDER"), "storage")] = ""
    "Folder for accounts, keys and certificates (default: `.coredns/acme` below the path of *root*)."

    ca_root: Annotated[str, _acme(FILE(), "ca_root")] = ""
    "Certificates by which the authority's own is judged, besides those of the system."

    resolver: Annotated[str, _acme(STRING("HOST:PORT"), "resolver")] = ""
    "Resolver through which a challenge must be seen before the authority is told of it."

    ddr: Annotated[bytes | None, Prop(NAME())] = None
    "Name of this resolver that the certificate is good for. Clients that ask this server block for encrypted ways in "
    "are told all that the configuration has (RFC 9462)."

    acme: Acme | None = None

    @classmethod
    def unknown_text(cls, draft: Draft) -> str | None:
        """The two forms of a line call it differently."""
        return UNKNOWN if draft.shared.get(_FORM, False) else UNKNOWN_ACME

    def settle(self, draft: Draft) -> Self:
        """Make an ACME stanza of the options, or the name of the key log independent of the current folder."""
        if self.files:
            return replace(self, keylog=os.path.abspath(self.keylog)) if self.keylog else self
        found = stanza(self.domains, self.email, self.ca, self.storage, self.ca_root, self.resolver, draft.root)
        return replace(self, acme=found)

    def check(self, draft: Draft) -> None:
        """Refuse files that cannot be used."""
        if self.acme is not None:
            return
        try:
            judge(self.encryption)
        except EncryptionError as error:
            raise Refuse(str(error), located=False) from None
        try:
            if self.keylog:
                judge_keylog(self.keylog)
        except EncryptionError as error:
            raise Refuse(str(error), located=True) from None

    @property
    def encryption(self) -> Encryption:
        """What the listeners get."""
        if self.acme is not None:
            return Encryption(acme=self.acme)
        certificate, key, ca = (*self.files, "")[:MOST]
        return Encryption(certificate, key, ca, self.client_auth, self.keylog)

    def shape(self, draft: Draft) -> None:
        """Give it to the block. Challenges are answered in every block."""
        if self.acme is not None:
            _agree(self.acme, draft)
            draft.encryption = replace(self.encryption, stamp=acme_stamp(self.acme))
            for block in draft.blocks:
                if "tls" not in block.present and block.options("tls") is None:
                    block.directives.append(Directive("tls", Options()))
            return
        if self.keylog:
            draft.warn(f'Writing TLS Key Log to "{self.keylog}"')
        draft.encryption = replace(self.encryption, stamp=stamp(self.encryption))


def _agree(acme: Acme, draft: Draft) -> None:
    """Refuse a domain that another stanza wants issued otherwise."""
    accounts = draft.shared.setdefault("ACME accounts", {})
    for domain in acme.domains:
        if accounts.setdefault(domain, acme.account) != acme.account:
            raise Refuse(f"ACME domain {quote(domain)} is configured with conflicting options", located=False)
