"""The options of `tls`, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from shardns.config.errors import Refuse, WrongCount
from shardns.config.model import Encryption
from shardns.config.schema import Args, Draft, Prop, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, FILE, Words
from shardns.worker.certificates import judge_keylog, stamp
from shardns.worker.encryption import EncryptionError, judge

MODES = ("nocert", "request", "require", "verify_if_given", "require_and_verify")
FEWEST, MOST = 2, 3


def _files(words: Sequence[Token], draft: Draft) -> tuple[str, ...]:
    if words and not FEWEST <= len(words) <= MOST:
        raise WrongCount(at=words[-1], inner="plugin/tls: ")
    return tuple(draft.path(word.text) for word in words)


class Options(Schema, repeat="last", unknown="unknown option '{}'", inner="plugin/tls: "):
    """The certificate by which the encrypted listeners of a block prove themselves."""

    files: Annotated[tuple[str, ...], Args(Words(_files, "CERT KEY [CA]"))] = ()
    "Certificate chain and private key in PEM, below the path of *root*, and the certificates by which clients are "
    "judged (default: those of the system)."

    client_auth: Annotated[
        str, Prop(CHOICE(*MODES, refused="unknown authentication type '{}'", located=True), name="client_auth")
    ] = "nocert"
    "What clients must show: `nocert` asks for nothing, `request` asks for a certificate, `require` insists on one, "
    "neither looks at it; `verify_if_given` and `require_and_verify` do the same and verify it."

    keylog: Annotated[str, Prop(FILE())] = ""
    "File to which session keys are appended, for programs that analyse captured traffic (NSS key log format)."

    def check(self, draft: Draft) -> None:
        """Refuse files that cannot be used."""
        if not self.files:
            raise Refuse("ACME requires at least one domain", located=False)
        try:
            if self.keylog:
                judge_keylog(self.keylog)
        except EncryptionError as error:
            raise Refuse(str(error), located=True) from None
        try:
            judge(self.encryption)
        except EncryptionError as error:
            raise Refuse(str(error), located=False) from None

    @property
    def encryption(self) -> Encryption:
        """What the listeners get."""
        certificate, key, ca = (*self.files, "")[:MOST]
        return Encryption(certificate, key, ca, self.client_auth, self.keylog)

    def shape(self, draft: Draft) -> None:
        """Give it to the block."""
        if self.keylog:
            draft.warn(f'Writing TLS Key Log to "{self.keylog}"')
        draft.encryption = replace(self.encryption, stamp=stamp(self.encryption))
