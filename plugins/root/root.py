"""The folder below which other plugins look for files with relative names."""

from __future__ import annotations

import os
from typing import Annotated

from shardns.config.schema import Arg, Draft, Schema
from shardns.config.values import STRING
from shardns.worker.plugin import Plugin


class Options(Schema, repeat="last", surplus="again", block="again"):
    """Sets the folder in which other plugins look for files with relative names."""

    path: Annotated[str, Arg(STRING("PATH"))]
    "The folder; relative to the working directory, and it may appear later."

    def shape(self, draft: Draft) -> None:
        """Set the block's root; refuse what cannot even be looked at."""
        draft.root = self.path
        try:
            os.stat(self.path)
        except FileNotFoundError:
            draft.warn(f"Root path does not exist: {self.path}")
        except OSError as error:
            draft.fail(self.refused((error.strerror or str(error)).lower()), located=True)
        except ValueError:  # a zero octet
            draft.fail(self.refused("invalid argument"), located=True)

    def refused(self, reason: str) -> str:
        """Return the reference's complaint."""
        return f"unable to access root path '{self.path}': stat {self.path}: {reason}"


class Root(Plugin[Options]):
    """Only set-up."""

    directive = "root"


PLUGIN = Root
