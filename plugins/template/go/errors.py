"""How a template can fail, in the words of Go's text/template."""

from __future__ import annotations


class BadTemplate(ValueError):
    """A template that cannot be parsed: `template: NAME:LINE: …`."""


class TemplateError(Exception):
    """A template that fails when it is run: `template: NAME:LINE:COLUMN: executing "NAME" at <…>: …`."""


class CallError(Exception):
    """What a function or method complains about; the place is added where it is called."""


class Refused(Exception):
    """A value that cannot be used where it stands; the place is added by the runner."""
