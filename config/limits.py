"""Options that bound how much clients may do: an integer, once a server block."""

from __future__ import annotations

from .errors import Refuse
from .schema import Prop
from .values import INTEGER


def limit(name: str, least: int = 0) -> Prop:
    """Return the property of that name whose value is at least `least` (0 or 1)."""
    kind = "positive" if least else "non-negative"
    value = INTEGER(
        least,
        located=True,
        below=f"{name} must be a {kind} integer: {{}}",
        invalid=f"invalid {name} value '{{}}': {{error}}",
    )
    return Prop(value, repeat="once", twice=Refuse(f"{name} already defined for this server block", located=True))
