"""What one socket is, above frames: awaiting hello, being let in, ready, gone. Synchronous but for tokens.

A connection never waits for storage: messages go to the hub, which answers through the socket when there is something
to say. Only a token may need to be looked up, and then the few bytes that may come before an answer wait with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from server.endpoint import Endpoint, Session, Socket
from server.handshake import Accepted
from server.limits import FINE, Meter, Verdict, spend
from server.replies import CLOSE_INTERNAL, close_code, message_ref, too_fast, welcome
from sync.close_codes import (
    CLOSE_BAD_MESSAGE,
    CLOSE_FORBIDDEN,
    CLOSE_NO_HELLO,
    CLOSE_PROTOCOL,
    CLOSE_TOO_FAST_OR_SLOW,
    CLOSE_UNAUTHORISED,
)
from sync.codec import Decoded
from sync.errors import (
    BadMessage,
    Forbidden,
    ServerFault,
    TreesyncError,
    Unauthorised,
    Unreadable,
)
from sync.identity import Identity
from sync.protocol import (
    PROTOCOL_VERSION,
    Activity,
    Auth,
    Edit,
    Error,
    Hello,
    Ping,
    Pong,
    PresenceUpdate,
    Ref,
    Resolve,
    ServerMessage,
)

EXPIRY_GRACE: Final = 3.0  # seconds in which a fresh token may still arrive; with the heartbeat's tick of 1 s under 5 s
_EARLY_MESSAGES: Final = 32  # may come behind hello before it is answered: an `open` or two, and what follows


class State(Enum):
    AWAITING = "no hello yet"
    ENTERING = "its token is being looked up"
    READY = "the hub knows it"
    GONE = "nothing is read or written any more"


_READY: Final = State.READY


class Connection:
    """One socket's conversation."""

    __slots__ = (
        "_deadline",
        "_endpoint",
        "_expires_at",
        "_greeting",
        "_meters",
        "_refreshing",
        "_session",
        "_socket",
        "_waiting",
        "state",
    )

    def __init__(self, endpoint: Endpoint, socket: Socket, greeting: Accepted, meter: Meter) -> None:
        self.state = State.AWAITING
        self._endpoint = endpoint
        self._socket = socket
        self._greeting: Accepted | None = greeting  # let go of once the hub knows what stands in it
        self._meters: tuple[Meter, ...] = (meter,)
        self._waiting: list[tuple[bytes, bool]] | None = None
        self._session: Session | None = None
        self._deadline = endpoint.clock.monotonic() + endpoint.timings.hello
        self._expires_at = 0.0
        self._refreshing = False

    # ---- called by the transport and the heartbeat

    def received(self, payload: bytes, binary: bool) -> None:
        """A whole message. Nothing it holds can harm more than its own socket."""
        try:
            if self.state is _READY:
                self._converse(payload, binary)
            elif self.state is State.AWAITING:
                self._hear_hello(payload, binary)
            elif self.state is State.ENTERING:
                self._wait(payload, binary)
        except Exception as error:
            self._fail(error)

    def counted(self, size: int) -> None:
        """A frame that is no message (a ping, a pong) counts like one."""
        if spend(self._meters, self._endpoint.clock.monotonic(), size, 0) is Verdict.FLOOD:
            self._socket.close(CLOSE_TOO_FAST_OR_SLOW, "too fast")

    def drained(self) -> None:
        """The socket has room again."""
        if self.state is State.READY:
            try:
                self._endpoint.hub.drained(self._session)
            except Exception as error:
                self._fail(error)

    def check(self, now: float, unix: float) -> None:
        """Act on what time alone has changed: no hello, or a token past its end."""
        if self.state is State.AWAITING and now >= self._deadline:
            self._socket.close(CLOSE_NO_HELLO, f"no hello within {self._endpoint.timings.hello:g} s")
        elif self.state is State.READY and unix >= self._expires_at + EXPIRY_GRACE:
            self._part(Unauthorised("the token has expired"), CLOSE_UNAUTHORISED)

    def stop(self) -> None:
        """The socket is closing: whatever still comes is not for us. Safe within the hub: nothing else is touched."""
        self.state = State.GONE

    def lost(self) -> None:
        """The socket is closing or gone. Never called from within the hub."""
        self.state = State.GONE
        session, self._session = self._session, None
        meters, self._meters = self._meters, ()
        self._waiting = None
        if meters:
            self._endpoint.admission.leave(meters)
        if session is not None:
            self._endpoint.hub.leave(session)

    # ---- hello

    def _hear_hello(self, payload: bytes, binary: bool) -> None:
        try:
            message = self._decode(payload, binary).message
        except BadMessage as error:
            self._part(error, CLOSE_BAD_MESSAGE, error.ref)
            return
        if not isinstance(message, Hello):
            self._part(BadMessage("the first message is hello"), CLOSE_BAD_MESSAGE, message_ref(message))
        elif message.protocol != PROTOCOL_VERSION:
            self._part(BadMessage(f"protocol {PROTOCOL_VERSION} is spoken here"), CLOSE_PROTOCOL, message.ref)
        elif ":" in message.client_id:  # those belong to the server (SEMANTICS 4)
            self._part(BadMessage("a client_id has no colon"), CLOSE_BAD_MESSAGE, message.ref)
        else:
            self.state = State.ENTERING
            self._waiting = []
            self._start(self._enter(message), "let a socket in")

    def _wait(self, payload: bytes, binary: bool) -> None:
        # bounded in bytes too: the transport counts them all until `admitted`
        if self._waiting is None or len(self._waiting) == _EARLY_MESSAGES:
            self._socket.close(CLOSE_TOO_FAST_OR_SLOW, "too much before hello was answered")
        else:
            self._waiting.append((payload, binary))

    async def _enter(self, hello: Hello) -> None:
        try:
            identity = await self._identify(hello.token)
            if self.state is State.ENTERING:
                self._let_in(identity, hello)
        except Exception as error:
            self._fail(error, hello.ref)

    async def _identify(self, token: str | UnsetType) -> Identity:
        greeting = self._greeting
        named = token if isinstance(token, str) else greeting.token if greeting is not None else None
        if not named:
            raise Unauthorised("a token is needed, in hello or in an Authorization header")
        try:
            async with asyncio.timeout(self._endpoint.timings.hello):
                return await self._endpoint.authenticate(named)
        except TimeoutError as error:
            raise ServerFault("the token could not be checked in time", code="unavailable") from error

    def _let_in(self, identity: Identity, hello: Hello) -> None:
        endpoint, greeting = self._endpoint, self._greeting
        assert greeting is not None
        meters = endpoint.admission.admit(identity.tenant, identity.user)
        if meters is None:
            self._say_error("rate", "too many sockets of this user or tenant", hello.ref)
            self._socket.close(CLOSE_TOO_FAST_OR_SLOW, "too many sockets")
            return
        self._meters = (Meter(endpoint.admission.bounds.connection), *self._meters, *meters)
        self._meters[0].sockets = 1
        if hello.kind == "agent":
            identity = msgspec.structs.replace(identity, kind="agent")
        self._session = endpoint.hub.welcome(
            identity,
            hello.client_id,
            self._socket,
            address=endpoint.keep_address(greeting.address),
            user_agent=greeting.user_agent,
        )
        self.state, self._greeting = State.READY, None
        self._socket.admitted()
        self._say_welcome(identity, hello.ref)
        waiting, self._waiting = self._waiting or [], None
        for payload, binary in waiting:
            self.received(payload, binary)

    # ---- ready

    def _converse(self, payload: bytes, binary: bool) -> None:
        try:
            decoded = self._decode(payload, binary)
        except BadMessage as error:
            self._answer_bad(error, len(payload))
            return
        message = decoded.message
        ops = 0
        if type(message) is Edit:
            ops = len(message.ops) + len(decoded.malformed)
        elif type(message) is Resolve:
            ops = 1
        elif type(message) is Activity:
            ops = len(message.events)  # a row each
        verdict = spend(self._meters, self._endpoint.clock.monotonic(), len(payload), ops)
        if verdict is not FINE:
            self._answer_too_fast(verdict, decoded)
        elif isinstance(message, Ping):
            self._say(Pong(ref=message.ref))
        elif isinstance(message, Auth):
            self._hear_auth(message)
        elif isinstance(message, Hello):
            self._say_error("bad_message", "hello was said already; a fresh token comes in auth", message.ref)
        else:
            self._hand_over(decoded, len(payload))

    def _hand_over(self, decoded: Decoded, size: int) -> None:
        try:
            self._endpoint.hub.receive(self._session, decoded, size)
        except TreesyncError as error:
            tree = getattr(decoded.message, "tree", UNSET)
            self._say_error(error.code, error.why, message_ref(decoded.message), tree)

    def _answer_bad(self, error: BadMessage, size: int) -> None:
        if isinstance(error, Unreadable):
            self._part(error, CLOSE_BAD_MESSAGE)
        elif spend(self._meters, self._endpoint.clock.monotonic(), size, 0) is Verdict.FLOOD:
            self._socket.close(CLOSE_TOO_FAST_OR_SLOW, "too fast")
        else:
            self._say_error(error.code, error.why, error.ref)

    def _answer_too_fast(self, verdict: Verdict, decoded: Decoded) -> None:
        if verdict is Verdict.FLOOD:
            self._socket.close(CLOSE_TOO_FAST_OR_SLOW, "too fast")
        elif not isinstance(decoded.message, PresenceUpdate):  # the next one replaces a lost one
            self._say(too_fast(decoded))

    def _hear_auth(self, message: Auth) -> None:
        if self._refreshing:
            self._say_error("rate", "a token is being looked up already", message.ref)
            return
        self._refreshing = True
        self._start(self._refresh(message), "refresh a token")

    async def _refresh(self, message: Auth) -> None:
        try:
            identity = await self._identify(message.token)
            if self.state is State.READY and self._session is not None:
                identity = msgspec.structs.replace(identity, kind=self._session.identity.kind)
                self._endpoint.hub.refresh(self._session, identity)
                self._say_welcome(identity, message.ref)
        except Forbidden as error:
            self._part(error, CLOSE_FORBIDDEN, message.ref)
        except TreesyncError as error:  # the old token holds until its end; a failed refresh changes nothing
            self._say_error(error.code, error.why, message.ref)
        except Exception as error:
            self._fail(error, message.ref)
        finally:
            self._refreshing = False

    # ---- saying things

    def _decode(self, payload: bytes, binary: bool) -> Decoded:
        codec = self._socket.wire.codec
        if binary is not codec.binary:
            raise Unreadable(f"{codec.name} travels in {'binary' if codec.binary else 'text'} frames")
        return codec.decode(payload)

    def _say(self, message: ServerMessage) -> None:
        wire = self._socket.wire
        self._socket.write(wire.frame(wire.codec.encode(message)))

    def _say_welcome(self, identity: Identity, ref: Ref | UnsetType) -> None:
        self._expires_at = identity.expires_at
        self._say(welcome(self._endpoint, identity, ref))

    def _say_error(
        self, code: str, why: str, ref: Ref | UnsetType | None = UNSET, tree: int | UnsetType = UNSET
    ) -> None:
        self._say(Error(ref=UNSET if ref is None else ref, code=code, why=why, tree=tree))

    def _part(self, error: TreesyncError, close: int, ref: Ref | UnsetType | None = UNSET) -> None:
        self._say_error(error.code, error.why, ref)
        self._socket.close(close, error.why)

    def _fail(self, error: Exception, ref: Ref | UnsetType = UNSET) -> None:
        """Whatever stops a socket from being let in, or was foreseen by nobody."""
        if isinstance(error, TreesyncError):
            self._part(error, close_code(error), ref)
        else:
            self._endpoint.log("connection failed", error=repr(error), exc_info=error)
            self._socket.close(CLOSE_INTERNAL, "internal error")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._endpoint.tasks.add(task)
        task.add_done_callback(self._endpoint.tasks.discard)
