"""The choice of a site for a query (spec core §4.2): the longest configured suffix of the name that takes it."""

from __future__ import annotations

from .listener import Listener
from .query import Query
from .site import Site
from .wire.codes import DS
from .wire.names import ROOT


def route(listener: Listener, query: Query) -> Site | None:
    """Return the site that answers, with `query.site` and `query.zone` set; None where the core refuses.

    DS is answered from above the cut: the shortest configured non-root suffix wins (RFC 4035 §2.4).
    """
    if listener.filtered or query.qtype == DS:
        return _route(listener, query)
    zones = listener.zones
    name = ROOT if listener.only_root else query.name
    size = name[0]
    while size:
        sites = zones.get(name)
        if sites is not None:
            break
        name = name[size + 1 :]
        size = name[0]
    else:
        sites = zones.get(ROOT)
        if sites is None:
            return None
    site = sites[0]
    if not site.plugins:
        return None
    query.site = site
    query.zone = name
    return site


def _route(listener: Listener, query: Query) -> Site | None:
    """The whole walk: views, metadata, DS."""
    zones = listener.zones
    name = query.name
    held: tuple[Site, bytes] | None = None
    while True:
        for site in zones.get(name, ()):
            if not site.plugins:
                if name == ROOT and query.name != ROOT:
                    continue
                return None
            if name == ROOT and query.name != ROOT and held is not None:
                break
            if not _admitted(site, query, name):
                continue
            if query.qtype != DS:
                return site
            held = (site, name)
        if name == ROOT:
            break
        name = name[name[0] + 1 :]
    if held is None:
        return None
    query.site, query.zone = held
    return held[0]


def _admitted(site: Site, query: Query, zone: bytes) -> bool:
    """Collect metadata and ask the gates."""
    query.site = site
    query.zone = zone
    request = query.request
    if site.collects_metadata:
        request.metadata = site.collect(query)
    if not all(gate.admits(query) for gate in site.gates):
        return False
    request.view = site.view
    return True
