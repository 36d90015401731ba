"""What the tests of sockets stand on: a hub that only records, an endpoint around it, frames as a client sends them.

The full stack is tested with the real hub elsewhere; here it is the transport and the conversation that are under test.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.utils import apply_mask

from server.connection import Connection
from server.endpoint import Endpoint, Timings
from server.frames import TEXT
from server.handshake import Accepted, Handshake
from server.limits import Admission, Bounds
from server.origin import OriginPolicy
from server.transport import JSON_WIRE
from sync.codec import Decoded
from sync.errors import Forbidden, Unauthorised, Unavailable
from sync.identity import Identity
from sync.limits import Limits
from sync.ports import Clock, Outbox, Wire
from sync.protocol import Edit, Error, Open
from tests.clocks import ManualClock, settle

TOKEN_SECONDS = 3600.0


class RecordedSession:
    def __init__(self, identity: Identity, client_id: str, outbox: Outbox, address: str, user_agent: str) -> None:
        self.identity = identity
        self.client_id = client_id
        self.outbox = outbox
        self.address = address
        self.user_agent = user_agent


class RecordingHub:
    """Keeps what it is told. `open` is answered `not_found`; `edit` goes to `on_edit`."""

    def __init__(self) -> None:
        self.sessions: list[RecordedSession] = []
        self.received: list[Decoded] = []
        self.left: list[RecordedSession] = []
        self.drained_: list[RecordedSession] = []
        self.on_edit: Callable[[RecordedSession, Decoded], None] = lambda _session, _decoded: None
        self.on_leave: Callable[[RecordedSession], None] = lambda _session: None

    def welcome(
        self, identity: Identity, client_id: str, outbox: Outbox, *, address: str = "", user_agent: str = ""
    ) -> RecordedSession:
        session = RecordedSession(identity, client_id, outbox, address, user_agent)
        self.sessions.append(session)
        return session

    def receive(self, session: RecordedSession, decoded: Decoded, size: int = 0) -> None:
        self.received.append(decoded)
        if isinstance(decoded.message, Open):
            wire = session.outbox.wire
            answer = Error(ref=decoded.message.ref, code="not_found", why="no such tree", tree=decoded.message.tree)
            session.outbox.write(wire.frame(wire.codec.encode(answer)))
        elif isinstance(decoded.message, Edit):
            self.on_edit(session, decoded)

    def refresh(self, session: RecordedSession, identity: Identity) -> None:
        if (identity.tenant, identity.user) != (session.identity.tenant, session.identity.user):
            raise Forbidden("a token of someone else")
        session.identity = identity

    def drained(self, session: RecordedSession) -> None:
        self.drained_.append(session)

    def leave(self, session: RecordedSession) -> None:
        self.sessions.remove(session)
        self.left.append(session)
        self.on_leave(session)


class Tokens:
    """Tokens that say what they are: `tenant/user[/seconds]`, or `slow`, `down`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.slow: Callable[[], Awaitable[None]] | None = None
        self.seen: list[str] = []

    async def authenticate(self, token: str) -> Identity:
        self.seen.append(token)
        if self.slow is not None:
            await self.slow()
        if token == "down":
            raise Unavailable("the database is away")
        tenant, _, rest = token.partition("/")
        user, _, seconds = rest.partition("/")
        if not user:
            raise Unauthorised("the token does not verify")
        return Identity(tenant=tenant, user=user, expires_at=self._clock.now() + float(seconds or TOKEN_SECONDS))


class FakeSocket:
    """What a connection sees of its transport."""

    def __init__(self) -> None:
        self.wire: Wire = JSON_WIRE
        self.full = False
        self.frames: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.is_admitted = False
        self.connection: Connection | None = None

    def write(self, frame: bytes) -> None:
        if self.closed is None:
            self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            if self.connection is not None:
                self.connection.stop()

    def admitted(self) -> None:
        self.is_admitted = True

    def said(self) -> list[dict[str, Any]]:
        """Every message so far, and forget them."""
        frames, self.frames = self.frames, []
        return [json.loads(payload_of(frame)) for frame in frames]


def payload_of(frame: bytes) -> bytes:
    """What a server's frame carries."""
    return frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10 :]


def make_endpoint(
    *,
    clock: Clock | None = None,
    hub: RecordingHub | None = None,
    bounds: Bounds | None = None,
    timings: Timings | None = None,
    limits: Limits | None = None,
    origins: tuple[str, ...] = (),
    trusted_proxies: tuple[str, ...] = (),
    log: Callable[..., None] | None = None,
) -> tuple[Endpoint, RecordingHub, Tokens]:
    hub = hub or RecordingHub()
    clock = clock or ManualClock()
    tokens = Tokens(clock)

    def complain(event: str, **fields: Any) -> None:
        raise AssertionError(f"{event}: {fields}")

    endpoint = Endpoint(
        hub=hub,
        authenticate=tokens.authenticate,
        clock=clock,
        instance="i-1",
        limits=limits or Limits(),
        admission=Admission(bounds or Bounds()),
        handshake=Handshake(OriginPolicy(origins), trusted_proxies),
        log=log or complain,
        timings=timings or Timings(),
    )
    return endpoint, hub, tokens


def connect(
    endpoint: Endpoint, *, token: str | None = None, address: str = "192.0.2.1"
) -> tuple[Connection, FakeSocket]:
    """A connection as it is after the handshake."""
    socket = FakeSocket()
    meter = endpoint.admission.arrive(address)
    assert meter is not None
    greeting = Accepted(b"", "treesync.v1.json", address, "tests", token, None)
    socket.connection = Connection(endpoint, socket, greeting, meter)
    return socket.connection, socket


def hello(token: str | None = "acme/ada", **more: Any) -> dict[str, Any]:
    message = {"type": "hello", "protocol": 1, "client_id": "c1", **more}
    return message if token is None else {**message, "token": token}


def client_frame(
    payload: bytes | dict[str, Any], opcode: int = TEXT, *, masked: bool = True, first: int = 0x80
) -> bytes:
    """One frame as a client sends it."""
    data = json.dumps(payload).encode() if isinstance(payload, dict) else payload
    size = len(data)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([first | opcode, bit | size])
    elif size < 65_536:
        head = bytes([first | opcode, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first | opcode, bit | 127]) + size.to_bytes(8, "big")
    mask = b"\x37\xfa\x21\x3d"
    return head + (mask + apply_mask(data, mask) if masked else data)


def say(connection: Connection, message: dict[str, Any] | bytes, *, binary: bool = False) -> None:
    connection.received(message if isinstance(message, bytes) else json.dumps(message).encode(), binary)


async def ready(endpoint: Endpoint, **more: Any) -> tuple[Connection, FakeSocket]:
    """A connection that has been welcomed, its welcome already read."""
    connection, socket = connect(endpoint)
    say(connection, hello(**more))
    await settle()
    assert [message["type"] for message in socket.said()] == ["welcome"]
    return connection, socket


def edit(*numbers: int) -> dict[str, Any]:
    ops = [{"n": n, "base": 0, "op": "delete", "node": "n1"} for n in numbers]
    return {"type": "edit", "tree": 7, "ref": 5, "ops": ops}
