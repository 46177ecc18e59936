"""The certificate of the encrypted listeners: checked when the configuration is, watched while it is used."""

from __future__ import annotations

from shardns.worker.plugin import Plugin

from .options import Options

__all__ = ["PLUGIN", "Options"]


class Tls(Plugin[Options]):
    """Only set-up; the listeners encrypt."""

    directive = "tls"


PLUGIN = Tls
