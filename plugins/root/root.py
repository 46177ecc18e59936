"""The folder below which other plugins look for files with relative names."""

from __future__ import annotations

import os
from typing import Annotated

from shardns.config.schema import Arg, Draft, Schema
from shardns.config.values import STRING
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="last", surplus="again"):
    """Sets the folder in which other plugins look for files with relative names."""

    path: Annotated[str, Arg(STRING("PATH"))]
    "The folder; relative to the working directory, and it may appear later."

    def check(self, draft: Draft) -> None:
        """Refuse what cannot even be looked at."""
        try:
            os.stat(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            draft.fail(self.refused((error.strerror or str(error)).lower()), located=True)
        except ValueError:  # a zero octet
            draft.fail(self.refused("invalid argument"), located=True)

    def refused(self, reason: str) -> str:
        """Return the reference's complaint."""
        return f"unable to access root path '{self.path}': stat {self.path}: {reason}"

    def shape(self, draft: Draft) -> None:
        """Set the block's root."""
        draft.root = self.path
        if not os.path.exists(self.path):
            draft.warn(f"Root path does not exist: {self.path}")


class Root(Plugin[Options]):
    """Only set-up."""

    directive = "root"


PLUGIN = Root
