"""What the supervisor is told (events) and what it wants done (actions). Values only.

A child is named by a number that is never used again; the loop knows its process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shardns.worker.channel import Any as AnyMessage

Role = Literal["keeper", "worker"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants a reload. `source` is a signal's name, `reload` (the plugin), `control` or `renewal`.

    `child` or `ticket` say who waits for the outcome; `workers` changes how many there are (0: as before).
    """

    source: str
    child: int = 0
    ticket: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Edited:
    """A control client has changed the store that workers answer from: they shall forget what they have memorised."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Checked:
    """The checker is done. `text` is empty or why not; `detail` shows the place of every problem.

    `unread` says that there was no text to check (a `-conf` that cannot be opened).
    """

    generation: int
    text: str = ""
    detail: str = ""
    unread: bool = False
    warnings: tuple[str, ...] = ()
    listeners: int = 1
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """The sockets of a generation were made, or `text` says why not."""

    generation: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """Its new sockets are bound and listening, or `text` says why not."""

    generation: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A child sent a message."""

    child: int
    message: AnyMessage


@dataclass(frozen=True, slots=True)
class Gone:
    """A child ended; `how` is for people."""

    child: int
    how: str = ""


@dataclass(frozen=True, slots=True)
class Signalled:
    """SIGINT, SIGTERM or SIGQUIT arrived."""

    name: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event = Asked | Edited | Checked | Prepared | Opened | Said | Gone | Signalled | Tick


@dataclass(frozen=True, slots=True)
class Check:
    """Have a checker read the configuration for this generation; `Checked` follows. `urgent` as with `Fork`."""

    generation: int
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Have this generation made from the model that serves, its files looked at anew; `Checked` follows."""

    generation: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Prove the addresses and make the sockets of the generation, unbound; `Prepared` follows at once."""

    generation: int
    slots: int
    first: bool


@dataclass(frozen=True, slots=True)
class Fork:
    """Start a child; `urgent` where it need not give way: it fills a dead one's place, or nobody is busy."""

    child: int
    role: Role
    slot: int
    generation: int
    slots: int
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a child."""

    child: int
    message: AnyMessage


@dataclass(frozen=True, slots=True)
class Kill:
    """End a child at once; `Gone` follows."""

    child: int


@dataclass(frozen=True, slots=True)
class Open:
    """Bind and listen on what is new in the generation; `Opened` follows at once."""

    generation: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Let the kernel spread traffic over exactly the sockets of this generation's slots."""

    generation: int


@dataclass(frozen=True, slots=True)
class Unlisten:
    """Close the listeners and endpoints that this committed generation does not have."""

    generation: int


@dataclass(frozen=True, slots=True)
class Trim:
    """All older generations are gone: close the sockets of slots that do not exist any more."""

    generation: int


@dataclass(frozen=True, slots=True)
class Discard:
    """The generation was refused: close what only it has."""

    generation: int


@dataclass(frozen=True, slots=True)
class Log:
    """Print a log line; `detail` lines follow it as they are."""

    level: Level
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Print:
    """Print lines of the start: zones, or the version."""

    what: Literal["zones", "version", "fatal"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pidfile:
    """Write or remove the pidfile."""

    present: bool


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell systemd."""

    state: Literal["ready", "reloading", "stopping"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the control client who waits how its request ended."""

    ticket: int
    ok: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """End: kill what is left and leave with this status; `text` goes to standard error."""

    status: int
    text: str = ""


Action = (
    Check | Again | Prepare | Fork | Send | Kill | Open | Admit | Unlisten | Trim | Discard | Log | Print | Pidfile
    | Notify | Answer | Exit
)  # fmt: skip
