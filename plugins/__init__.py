"""The directives: their order, which is the reference's, and which of them are built.

`ORDER` is both the order of set-up and the order of the chain, first is outermost (spec core §3.1).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardns.config.schema import Schema
    from shardns.worker.plugin import Plugin

ORDER: tuple[str, ...] = (
    "root", "metadata", "geoip", "cancel", "proxyproto", "quic", "grpc_server", "https", "https3", "timeouts",
    "multisocket", "reload", "nsid", "bufsize", "bind", "debug", "trace", "ready", "health", "pprof", "shed",
    "prometheus", "errors", "log", "dnstap", "local", "dns64", "any", "chaos", "loadbalance", "tsig", "rewrite",
    "autopath", "acl", "cache", "header", "dnssec", "tls", "minimal", "template", "transfer", "hosts", "route53",
    "azure", "clouddns", "k8s_external", "kubernetes", "file", "auto", "secondary", "etcd", "loop", "forward",
    "grpc", "erratic", "whoami", "on", "sign", "view", "nomad",
)  # fmt: skip

BUILT: tuple[str, ...] = (
    "root", "metadata", "geoip", "cancel", "proxyproto",
    "quic", "grpc_server", "https", "https3", "timeouts", "multisocket", "reload", "nsid", "bufsize",
    "bind", "debug", "ready", "health", "shed", "prometheus", "errors", "log", "local", "dns64", "any", "chaos",
    "loadbalance", "tsig", "rewrite", "autopath", "acl", "cache", "header", "dnssec", "tls", "minimal", "template",
    "transfer", "hosts", "file", "auto", "secondary", "loop", "forward", "grpc", "erratic", "whoami", "on", "sign",
    "view",
)  # fmt: skip


def order() -> tuple[str, ...]:
    """Return `ORDER` with installed third-party plugins before the built-in that each names.

    An entry point of the group `shardns.plugins` is called `<directive>` or `<directive> before <built-in>`.
    """
    names = list(ORDER)
    for entry in entry_points(group="shardns.plugins"):
        directive, _, anchor = entry.name.partition(" before ")
        names.insert(names.index(anchor) if anchor in names else len(names), directive)
    return tuple(names)


def is_built(directive: str) -> bool:
    """Tell whether a directive can be used, as against merely being known."""
    return directive in BUILT or directive not in ORDER


def plugin_class(directive: str) -> type[Plugin[Any]]:
    """Import a directive's module and return its plugin class. Raises KeyError for what is not built."""
    if directive in BUILT:
        module = import_module(f"shardns.plugins.{directive}.{directive}")
        found: type[Plugin[Any]] = module.PLUGIN
        return found
    for entry in entry_points(group="shardns.plugins"):
        if entry.name.partition(" before ")[0] == directive:
            loaded: type[Plugin[Any]] = entry.load()
            return loaded
    raise KeyError(directive)


def schema(directive: str) -> type[Schema] | None:
    """Return the declaration of a directive's options; None for a directive that is known but not built."""
    if not is_built(directive):
        return None
    declared: type[Schema] = import_module(plugin_class(directive).__module__).Options
    return declared
