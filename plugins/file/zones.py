"""The zones of a server block: which file each comes from, and how often that is looked at."""

from __future__ import annotations

from shardns.worker.zone.keeping import ZoneFile

from .options import RELOAD_S, Options


def zone_files(lines: tuple[Options, ...]) -> list[ZoneFile]:
    """Return the zones in file order; a zone may stand there twice, then the last one counts.

    `reload` and `reload_by_mtime` also hold for the following lines that do not set them.
    """
    found = []
    reload_s, by_mtime = RELOAD_S, False
    for line in lines:
        reload_s = line.reload if line.reload is not None else reload_s
        by_mtime = by_mtime or line.reload_by_mtime
        found += [
            ZoneFile(origin, line.path, reload_s, by_mtime, line.complete_proofs)
            for origin in dict.fromkeys(line.zones)
        ]
    return found


def falls_through(lines: tuple[Options, ...]) -> tuple[bytes, ...]:
    """Return the zones of the block's last `fallthrough`, none where there is no such line."""
    return next((line.fallthrough for line in reversed(lines) if line.fallthrough is not None), ())
