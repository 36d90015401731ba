"""What all sockets of `/ws` share, and what each needs of its neighbours: the hub above, the transport below."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from server.handshake import Handshake
from server.limits import Admission
from sync.codec import Decoded
from sync.identity import Identity
from sync.limits import Limits
from sync.ports import Clock, Outbox
from sync.reconnecting import Crowd


class Timings(NamedTuple):
    """In seconds. A dead socket is gone after ping_every + pong_within + a tick: under 45 s."""

    hello: float = 10.0
    ping_every: float = 20.0
    pong_within: float = 20.0
    stuck: float = 30.0  # a reader whose outbox is full for so long will not catch up
    close: float = 5.0  # for the peer to answer a close, and for what waits to leave


class Session(Protocol):
    """What the hub calls a socket that has said who it is."""

    identity: Identity


class Hub(Protocol):
    """What a connection needs of `sync.hub.Hub`."""

    def welcome(
        self, identity: Identity, client_id: str, outbox: Outbox, *, address: str = "", user_agent: str = ""
    ) -> Any: ...

    def receive(self, session: Any, decoded: Decoded, size: int = 0) -> None: ...

    def refresh(self, session: Any, identity: Identity) -> None: ...

    def drained(self, session: Any) -> None: ...

    def leave(self, session: Any) -> None: ...


class Socket(Outbox, Protocol):
    """What a connection needs of its transport."""

    def admitted(self) -> None:
        """From now on messages may be as large as the limits say."""
        ...


class Tended(Protocol):
    """What the heartbeat needs of a socket. Times are monotonic seconds."""

    full: bool
    full_since: float
    due: float  # the next ping, or the last moment for an answer to one
    awaiting: bytes | None  # the payload of a ping that was not answered yet
    ends: float | None  # set once it is closing: then it is cut

    def ping(self, frame: bytes, payload: bytes, due: float) -> None: ...

    def check(self, now: float, unix: float) -> None: ...

    def close(self, code: int, reason: str, within: float | None = None) -> None: ...

    def abort(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """What all sockets of `/ws` share. Made once, by app.py."""

    hub: Hub
    authenticate: Callable[[str], Awaitable[Identity]]
    clock: Clock
    instance: str
    limits: Limits
    admission: Admission
    handshake: Handshake
    log: Callable[..., None]
    timings: Timings = field(default_factory=Timings)
    keep_address: Callable[[str], str] = str  # what of an address may be stored
    open_for_new: bool = True  # false once the server is stopping
    sockets: set[Tended] = field(default_factory=set)
    crowd: Crowd = field(default_factory=Crowd)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # tokens being looked up; each ends by a timeout
