"""Text → checked model: reads blocks, sets every directive up, compares addresses; or tells everything that is wrong.

1. Problems come in the reference's order: structure, keys, set-up (directives outside, blocks inside), addresses.
2. A broken structure hides what stands behind it; every other problem leaves the rest to be judged.
3. Directives and transports that are known and not built are refused, never ignored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .blocks import Block, Blocks, Broken
from .digest import running_digest
from .draft import Draft
from .environment import EnvironmentLoop, substitute
from .errors import ConfigError, Place, Problem
from .imports import Files
from .keys import clashes, inspect
from .model import Directive, Key, Model, ServerBlock
from .schema import Schema
from .source import Source, built_in
from .tokens import Token, cut
from .zones import TRANSPORTS, split_transport

Registry = Mapping[str, "type[Schema] | None"]  # None: known, not built


@dataclass
class Parsed:
    """A file cut into blocks, before anything is set up."""

    file: str
    blocks: list[Block]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sources: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    broken: bool = False


def parse(
    source: Source,
    known: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    keep_references: bool = False,
) -> Parsed:
    """Cut Corefile text into blocks. `keep_references` leaves `{$NAME}` in keys and arguments as it stands."""
    environ = os.environ if environ is None else environ
    parsed = Parsed(source.file, [], sources={source.file: source.text.split("\n")})
    files = Files(parsed.sources, parsed.warnings)

    def expand(text: str) -> str:
        try:
            return substitute(text, environ)
        except EnvironmentLoop as error:
            raise Broken(str(error)) from None

    reader = Blocks(cut(source.text, source.file), files.tokens, expand, known, keep_references)
    parsed.blocks = reader.read()
    parsed.broken = reader.broken
    for broken, at in reader.problems:
        place = at.place if at else Place(source.file, 1)
        line = _line(parsed.sources, place)
        parsed.problems.append(Problem(broken.full_text(place), place, line, broken.hint))
    return parsed


def load(
    source: Source,
    registry: Registry,
    order: Sequence[str],
    *,
    port: int = 53,
    environ: Mapping[str, str] | None = None,
    transports: Collection[str] = tuple(TRANSPORTS),
) -> Model:
    """Return the model of a configuration text; raises ConfigError with all its problems.

    `registry` maps directives to their Options class, None where one is known and not built; `order` is the order of
    set-up and of the chain. `port` is that of plain DNS keys without one. `transports` are those that keys may have.
    """
    known = list(dict.fromkeys((*order, *registry)))
    looked_up = source.looked_up
    parsed = _parsed(source, registry, known, environ)
    if parsed.broken:
        raise ConfigError(parsed.problems)
    digest = digest_of(source) if source.is_toml else running_digest(parsed.blocks, parsed.file)
    if not parsed.blocks and not parsed.problems:
        warnings = parsed.warnings
        source, settings = built_in(port), parsed.settings
        parsed = parse(source, known, environ)
        parsed.warnings[:0], parsed.settings = warnings, settings
    model = build(parsed, registry, known, port, transports)
    return replace(model, digest=digest, built_in=source.built_in, looked_up=looked_up)


def digest_of(source: Source, environ: Mapping[str, str] | None = None) -> str:
    """Return the digest of a text without setting anything up, as the `reload` plugin looks for changes.

    Raises ConfigError where the structure is broken; unknown directives are no matter here.
    """
    if source.is_toml:
        return hashlib.sha512(source.text.encode()).hexdigest()
    parsed = parse(source, None, environ)
    if parsed.problems:
        raise ConfigError(parsed.problems)
    return running_digest(parsed.blocks, parsed.file)


def _parsed(source: Source, registry: Registry, known: Sequence[str], environ: Mapping[str, str] | None) -> Parsed:
    if source.is_toml:
        from .toml import parse_toml  # which reads options as Corefile words, so it stands behind this module

        return parse_toml(source, registry, known, environ)
    return parse(source, known, environ)


def build(parsed: Parsed, registry: Registry, order: Sequence[str], port: int, transports: Collection[str]) -> Model:
    """Set the blocks up."""
    problems = list(parsed.problems)
    drafts = _drafts(parsed, port, problems)
    problems += _unbuilt(parsed, transports)
    for name in order:
        for draft, block in drafts:
            if name in block.directives:
                problems += _set_up(name, block.directives[name], draft, registry)
    if not problems:
        problems += clashes(draft for draft, _ in drafts)
    if problems:
        raise ConfigError(problems)
    blocks: list[ServerBlock] = [draft.block() for draft, _ in drafts]
    shared = drafts[0][0] if drafts else Draft()
    return Model(
        parsed.file, tuple(blocks), tuple(shared.endpoints), int(parsed.settings.get("workers", 0)),
        tuple(sorted(parsed.settings.items())), tuple(parsed.warnings),
    )  # fmt: skip


def _drafts(parsed: Parsed, port: int, problems: list[Problem]) -> list[tuple[Draft, Block]]:
    """Judge the keys; return one draft a block."""
    common = Draft(parsed.file, sources=parsed.sources, warnings=parsed.warnings)
    drafts: list[Draft] = []
    for index, block in enumerate(parsed.blocks):
        keys: list[Key] = []
        for text in block.keys:
            try:
                keys += inspect(text, port)
            except ValueError as error:
                problems.append(common.problem(str(error), text.place))
        drafts.append(
            Draft(
                parsed.file,
                index,
                tuple(keys),
                block.keys[0].place,
                endpoints=common.endpoints,
                warnings=common.warnings,
                blocks=drafts,
                shared=common.shared,
                sources=parsed.sources,
                present=frozenset(block.directives),
            )
        )
        drafts[-1].blocks = drafts
    return list(zip(drafts, parsed.blocks, strict=True))


def _unbuilt(parsed: Parsed, transports: Collection[str]) -> list[Problem]:
    """Refuse keys whose transport is known and not built."""
    return [
        Problem(f"{transport}://: not implemented yet", key.place, _line(parsed.sources, key.place))
        for block in parsed.blocks
        for key in block.keys
        if (transport := split_transport(key.text)[0]) not in transports
    ]


def _set_up(name: str, words: Sequence[Token], draft: Draft, registry: Registry) -> Sequence[Problem]:
    """Set one directive of one block up; return its problems."""
    schema = registry.get(name)
    place = words[0].place
    if schema is None:
        return [draft.problem(f"plugin/{name}: not implemented yet", place)]
    draft.directive = name
    try:
        options = schema.parse(words, draft)
    except ConfigError as error:
        return error.problems
    finally:
        draft.directive = ""
    draft.directives.append(Directive(name, options, place))
    return []


def _line(sources: Mapping[str, list[str]], place: Place) -> str | None:
    lines = sources.get(place.file, [])
    return lines[place.line - 1] if place.line <= len(lines) else None
