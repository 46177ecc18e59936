"""The report of `shardns check`: what would be served, or everything that is wrong, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .errors import ConfigError, Problem
from .keys import odd_names, preferred
from .model import Listening, Model, listeners
from .names import to_text

ODD = 'Warning: Domain "{}" does not follow RFC1035 preferred syntax'


def report(model: Model) -> str:
    """Return what a good configuration serves: warnings, then each listener with its zones."""
    lines = list(model.warnings)
    lines += [ODD.format(to_text(zone)) for zone in odd_names(key for block in model.blocks for key in block.keys)]
    served = listeners(model)
    lines.append(f"{model.file}: {_count(len(model.blocks), 'server block')}, {_count(len(served), 'listener')}")
    for listener in served:
        lines.append(f"{listener.label}{f' ({listener.sockets} sockets)' if listener.sockets else ''}")
        for zone, index in listener.zones:
            names = " ".join(directive.name for directive in model.blocks[index].directives)
            lines.append(f"    {to_text(zone)}: {names or 'nothing'}")
    lines += [f"http://{one.address} ({one.plugin})" for one in model.endpoints]
    return "\n".join(lines) + "\n"


def report_json(model: Model) -> str:
    """Return the same as JSON."""
    return json.dumps(
        {
            "ok": True,
            "file": model.file,
            "digest": model.digest,
            "built_in": model.built_in,
            "warnings": list(model.warnings),
            "listeners": [_listener(model, listener) for listener in listeners(model)],
            "endpoints": [one._asdict() for one in model.endpoints],
        },
        indent=2,
    )


def problems_json(error: ConfigError) -> str:
    """Return the problems of a bad configuration as JSON."""
    return json.dumps({"ok": False, "problems": [_problem(problem) for problem in error.problems]}, indent=2)


def zone_lines(listener: Listening) -> list[str]:
    """Return the lines that the reference prints for a listener at start: warnings and zones (core §1.3)."""
    scheme = "" if listener.transport == "dns" else f"{listener.transport}://"
    on = f" on {listener.host}" if listener.host else ""
    zones = sorted({to_text(zone): zone for zone, _ in listener.zones}.items())
    return [line for text, zone in zones for line in _zone_line(text, zone, f"{scheme}{text}:{listener.port}{on}")]


def _zone_line(text: str, zone: bytes, line: str) -> Sequence[str]:
    return [line] if preferred(zone) else [ODD.format(text), line]


def _listener(model: Model, listener: Listening) -> dict[str, Any]:
    return {
        "label": listener.label,
        "sockets": listener.sockets,
        "zones": [
            {"zone": to_text(zone), "block": index, "directives": [one.name for one in model.blocks[index].directives]}
            for zone, index in listener.zones
        ],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    place = problem.place._asdict() if problem.place else None
    return {"text": problem.text, "place": place, "source": problem.source_line, "hint": problem.hint}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
