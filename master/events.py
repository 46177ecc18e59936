"""What the supervisor is told (events) and what it wants done (actions). Values only.

A child is named by a number that is never used again; the loop knows its process. Structs, since thirty dataclasses
cost a start 20 ms.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from shardns.worker.channel import Any as AnyMessage

Role = Literal["keeper", "worker"]
Level = Literal["info", "warning", "error"]


class Asked(Struct, frozen=True):
    """Somebody wants a reload. `source` is a signal's name, `reload` (the plugin), `control` or `renewal`.

    `child` or `ticket` say who waits for the outcome; `workers` changes how many there are (0: as before).
    """

    source: str
    child: int = 0
    ticket: int = 0
    workers: int = 0


class Edited(Struct, frozen=True):
    """A control client has changed the store that workers answer from: they shall forget what they have memorised."""

    ticket: int


class Checked(Struct, frozen=True):
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


class Prepared(Struct, frozen=True):
    """The sockets of a generation were made, or `text` says why not."""

    generation: int
    text: str = ""


class Opened(Struct, frozen=True):
    """Its new sockets are bound and listening, or `text` says why not."""

    generation: int
    text: str = ""


class Said(Struct, frozen=True):
    """A child sent a message."""

    child: int
    message: AnyMessage


class Gone(Struct, frozen=True):
    """A child ended; `how` is for people."""

    child: int
    how: str = ""


class Signalled(Struct, frozen=True):
    """SIGINT, SIGTERM or SIGQUIT arrived."""

    name: str


class Tick(Struct, frozen=True):
    """Time passed."""


Event = Asked | Edited | Checked | Prepared | Opened | Said | Gone | Signalled | Tick


class Check(Struct, frozen=True):
    """Have a checker read the configuration for this generation; `Checked` follows. `urgent` as with `Fork`."""

    generation: int
    urgent: bool = False


class Again(Struct, frozen=True):
    """Have this generation made from the model that serves, its files looked at anew; `Checked` follows."""

    generation: int


class Prepare(Struct, frozen=True):
    """Prove the addresses and make the sockets of the generation, unbound; `Prepared` follows at once."""

    generation: int
    slots: int
    first: bool


class Fork(Struct, frozen=True):
    """Start a child; `urgent` where it need not give way: it fills a dead one's place, or nobody is busy."""

    child: int
    role: Role
    slot: int
    generation: int
    slots: int
    urgent: bool = False


class Send(Struct, frozen=True):
    """Send a message to a child."""

    child: int
    message: AnyMessage


class Kill(Struct, frozen=True):
    """End a child at once; `Gone` follows."""

    child: int


class Open(Struct, frozen=True):
    """Bind and listen on what is new in the generation; `Opened` follows at once."""

    generation: int


class Admit(Struct, frozen=True):
    """Let the kernel spread traffic over exactly the sockets of this generation's slots."""

    generation: int


class Unlisten(Struct, frozen=True):
    """Close the listeners and endpoints that this committed generation does not have."""

    generation: int


class Trim(Struct, frozen=True):
    """All older generations are gone: close the sockets of slots that do not exist any more."""

    generation: int


class Discard(Struct, frozen=True):
    """The generation was refused: close what only it has."""

    generation: int


class Log(Struct, frozen=True):
    """Print a log line; `detail` lines follow it as they are."""

    level: Level
    text: str
    detail: str = ""


class Print(Struct, frozen=True):
    """Print lines of the start: zones, or the version."""

    what: Literal["zones", "version", "fatal"]
    text: str = ""


class Pidfile(Struct, frozen=True):
    """Write or remove the pidfile."""

    present: bool


class Notify(Struct, frozen=True):
    """Tell systemd."""

    state: Literal["ready", "reloading", "stopping"]


class Answer(Struct, frozen=True):
    """Tell the control client who waits how its request ended."""

    ticket: int
    ok: bool
    text: str = ""


class Exit(Struct, frozen=True):
    """End: kill what is left and leave with this status; `text` goes to standard error."""

    status: int
    text: str = ""


Action = (
    Check | Again | Prepare | Fork | Send | Kill | Open | Admit | Unlisten | Trim | Discard | Log | Print | Pidfile
    | Notify | Answer | Exit
)  # fmt: skip
