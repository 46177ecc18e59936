"""The messages between the master and its children: one SOCK_SEQPACKET pair a child, small, never blocking.

1. A message is one packet: msgspec's MessagePack of a tagged struct. What is too large or cannot be sent is dropped.
2. End of file means that the other side is gone: a child then ends, the master reaps.
3. `Relay` is passed on by the master without being read: from a worker to the keeper of its generation, from the
   keeper to all workers of its generation.
"""

from __future__ import annotations

import mmap
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from typing import Any as Any_

import msgspec

from shardns.config.model import Model

if TYPE_CHECKING:
    from .quic.credentials import Credentials
    from .quic.post import Mail

MAX_MESSAGE_BYTES = 65536


class Message(msgspec.Struct, tag=True, frozen=True):
    """Base of all messages."""


# From a child to the master ------------------------------------------------------------------------------------------


class Ready(Message, frozen=True):
    """Prepared: a worker could read now, a keeper has loaded and published to its staging."""

    took_s: float = 0.0


class Heartbeat(Message, frozen=True):
    """Alive; sent every second by the event loop itself. `load` is the share of a core used since the last one."""

    load: float = 0.0


class Failed(Message, frozen=True):
    """The generation cannot start: the reference's error text."""

    text: str


class Fatal(Message, frozen=True):
    """The whole server must end now (`loop`: status 1; a panic under `debug`: 2); the text is printed as it is."""

    text: str
    status: int = 1


class Drained(Message, frozen=True):
    """Nothing is left to finish."""


class Started(Message, frozen=True):
    """The keeper's services have started after `Start` (or have taken up work again)."""


class Quiesced(Message, frozen=True):
    """The keeper's effects have stopped after `Quiesce`."""


class Stopped(Message, frozen=True):
    """The keeper's final callbacks have run after `Stopping`; `ok` is false where one returned an error."""

    ok: bool = True


class Reload(Message, frozen=True):
    """The `reload` plugin saw a change. The master answers with `Reloaded`."""


class Renew(Message, frozen=True):
    """Certificate files have changed: the same model in a new generation. Nothing is answered."""


class Flushed(Message, frozen=True):
    """All counters of this worker stand in its metrics file."""

    token: int


class Flush(Message, frozen=True):
    """Keeper → master → workers: write out all counters, then `Flushed` with the same token.

    The master sends the keeper one `Flushed` when the last worker has answered or 0.2 s have passed.
    """

    token: int


class Forget(Message, frozen=True):
    """To a worker: forget all memorised answers, then `Flushed` with the same token."""

    token: int


class Relay(Message, frozen=True):
    """Opaque to the master; see invariant 3."""

    topic: str
    body: bytes


# From the master to a child ------------------------------------------------------------------------------------------


class Read(Message, frozen=True):
    """A worker: begin to read from the sockets."""


class Drain(Message, frozen=True):
    """A worker: stop reading (what is queued stays for the successor on the same socket), finish, `Drained`, end."""

    deadline_s: float = 5.0


class Start(Message, frozen=True):
    """The keeper: the generation is committed, start the services; answer `Started`. `first` at server start."""

    first: bool = False


class Quiesce(Message, frozen=True):
    """The keeper: stop the services' effects (a successor starts), answer `Quiesced`. `Start` may revive it."""


class Stopping(Message, frozen=True):
    """The keeper: the process ends for good; run final callbacks (lameduck), answer `Stopped`."""


class Refused(Message, frozen=True):
    """The keeper: the generation that was to follow could not be; this one goes on."""


class Reloaded(Message, frozen=True):
    """The keeper that asked: how its `Reload` ended; `text` is the reference's error where it failed."""

    ok: bool
    text: str = ""


Any = (
    Ready | Heartbeat | Failed | Fatal | Drained | Started | Quiesced | Stopped | Reload | Renew | Flushed | Flush
    | Relay | Forget | Read | Drain | Start | Quiesce | Stopping | Refused | Reloaded
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Any)


def send(channel: socket.socket, message: Message) -> bool:
    """Send without waiting; False where the message had to be dropped or the other side is gone."""
    packet = _encoder.encode(message)
    if len(packet) > MAX_MESSAGE_BYTES:
        return False
    try:
        channel.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def receive(channel: socket.socket) -> Any | None:
    """Return the next message, None at end of file; raises BlockingIOError where nothing waits."""
    try:
        packet = channel.recv(MAX_MESSAGE_BYTES + 1, socket.MSG_DONTWAIT)
    except ConnectionError:
        return None
    return _decoder.decode(packet) if packet else None


@dataclass(slots=True)
class Lent:
    """The sockets of one listener that a child may use. `index` is the listener's place in `listeners(model)`.

    DNS listeners: `udp` and `tcp` (either None by transport), for the child's slot; several where `multisocket`
    gives a listener more than one socket pair a slot. HTTP endpoints (keeper): `tcp` only.
    """

    index: int
    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)


@dataclass(slots=True)
class Spawn:
    """What a forked child is born with. Sockets that it must not keep are closed before it sees this.

    `seat` names its metrics file and is owned by one live process at a time; `cells` is anonymous memory shared by
    all processes of the generation (8-octet words, see `worker.shared`); `folder` holds the store and the metrics;
    `classes` maps directives to plugin classes (the worker's layer imports no plugin); `contexts` are the TLS contexts
    of encrypted listeners by index; `quic` are the credentials of the QUIC listeners by index, `mail` their way to
    other workers' connections. `urgent` where it need
    not give way to those that serve.
    """

    role: str  # "keeper" or "worker"
    slot: int
    generation: int
    seat: int
    slots: int
    model: Model
    channel: socket.socket
    cells: mmap.mmap
    folder: str
    lent: list[Lent] = field(default_factory=list)
    endpoints: list[Lent] = field(default_factory=list)
    classes: dict[str, Any_] = field(default_factory=dict)
    contexts: dict[int, ssl.SSLContext] = field(default_factory=dict)
    quic: dict[int, Credentials] = field(default_factory=dict)
    mail: Mail | None = None
    urgent: bool = False
