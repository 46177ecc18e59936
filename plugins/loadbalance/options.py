"""What `loadbalance` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.schema import Args, Draft, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CIDR, DURATION, Refuse, Words

POLICIES = ("round_robin", "weighted")
RELOAD_S = 30.0


@dataclass(frozen=True)
class Policy:
    """How addresses are ordered; `path` is the file of weights."""

    name: str = "round_robin"
    path: str = ""


def policy(words: Sequence[Token], draft: Draft) -> Policy:
    """Read `[round_robin]` or `weighted FILE`."""
    if not words:
        return Policy()
    name, *rest = words
    if name.text not in POLICIES:
        raise Refuse(f"unknown policy: {name}", False, name, hint=f"expected one of: {', '.join(POLICIES)}")
    if name.text == "round_robin":
        if rest:
            raise Refuse(f"unknown property for {name}", True, rest[0])
        return Policy()
    if not rest:
        raise Refuse("missing weight file argument", True, name, hint="expected weighted FILE")
    if len(rest) > 1:
        raise Refuse("unexpected argument(s)", True, rest[1], hint="expected weighted FILE")
    return Policy(name.text, draft.path(rest[0].text))


class Options(Schema, repeat="each"):
    """Reorder the A, AAAA and MX records of replies."""

    policy: Annotated[Policy, Args(Words(policy, "round_robin | weighted FILE"))] = Policy()
    "`round_robin` shuffles, `weighted` puts one address first, drawn by the weights in FILE."

    prefer: Annotated[
        tuple[str, ...],
        Props(CIDR("invalid CIDR {q}: invalid CIDR address: {}", located=True), least=0),
    ] = ()
    "With `round_robin`: networks whose addresses come first, the first network before all others."

    reload: Annotated[
        float | None,
        Prop(
            DURATION(invalid="invalid reload duration '{}'", located=True),
            missing="reload duration value is missing",
            surplus="unexpected argument",
        ),
    ] = None
    "With `weighted`: how often to look whether FILE has changed (30s); 0 is never."

    def check(self, draft: Draft) -> None:
        """Refuse the property of the other policy."""
        wrong = "reload" if self.policy.name == "round_robin" else "prefer"
        if wrong in draft.heads:
            raise Refuse(f"unknown property '{wrong}'", True, draft.heads[wrong])

    @property
    def reload_s(self) -> float:
        """The seconds between two looks at the file; 0 is never."""
        return RELOAD_S if self.reload is None else max(0.0, self.reload)
