"""Keeping one socket: dial, hello, fresh tokens, and coming back in the way a close code asks for (PROTOCOL, CL)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from msgspec import UNSET

from sync.close_codes import CLOSE_BAD_MESSAGE, CLOSE_FORBIDDEN, CLOSE_PROTOCOL, CLOSE_UNAUTHORISED
from sync.codec import Codec
from sync.errors import BadMessage, TreesyncError, Unauthorised, Unavailable
from sync.protocol import (
    Auth,
    ClientMessage,
    Hello,
    Notice,
    ServerMessage,
    Welcome,
)
from treesync_client.backoff import Backoff
from treesync_client.errors import Disconnected, StoreOfAnother
from treesync_client.link.line import Dial, Line, LineLost

Token = str | Callable[[], Awaitable[str]]
WELCOME_SECONDS = 10.0  # as long as the server waits for a hello
_REFRESH_AT = 0.8  # the share of a token's life after which a fresh one is asked for
_REFRESH_SECONDS = (0.1, 86_400.0)  # at least and at most between two of them
# The same client would meet these again (CL2); 1002 and 1007 are faults of this client
_FINAL = frozenset({1002, 1007, CLOSE_BAD_MESSAGE, CLOSE_FORBIDDEN, CLOSE_PROTOCOL})


class Owner(Protocol):
    """Who uses the socket."""

    def hello(self, token: str) -> Hello: ...

    def welcomed(self, welcome: Welcome) -> None:
        """A new socket may be spoken to."""
        ...

    def take(self, message: ServerMessage) -> None:
        """Anything but `welcome`. May raise LineLost to have another socket at once, Disconnected to have none."""
        ...

    def lost(self, lost: LineLost) -> None:
        """The socket is gone."""
        ...

    def waits(self, lost: LineLost, seconds: float) -> None:
        """Another one comes after so many seconds."""
        ...


class Redial(LineLost):
    """Raised by the owner: it wants another socket at once."""


class Keeper:
    """`run` it as a task; it ends only with Disconnected or Unauthorised."""

    def __init__(self, owner: Owner, *, dial: Dial, codec: Codec, token: Token, backoff: Backoff) -> None:
        self.unread = 0  # messages of a kind this client does not know
        self.reconnects = 0
        self._owner = owner
        self._dial = dial
        self._codec = codec
        self._token = token
        self._backoff = backoff
        self._line: Line | None = None
        self._failures = 0
        self._asked: float | None = None  # seconds, by a draining server
        self._spread = 0.0  # seconds, over which all of the server come back
        self._refresher: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()  # a socket; cleared while its owner works offline
        self._wanted.set()
        self._resting = asyncio.Event()  # its owner was told that there is none
        self._hurry = asyncio.Event()  # the wait before the next attempt is over

    @property
    def is_open(self) -> bool:
        return self._line is not None

    async def let_go(self) -> None:
        """Have no socket until `come_back`. An open one is closed, and its owner told, when this returns."""
        self._wanted.clear()
        self._resting.clear()
        if self._line is not None:
            await self._line.close()
            await self._resting.wait()

    def come_back(self) -> None:
        """Have one again, at once."""
        self._wanted.set()
        self._hurry.set()

    def say(self, message: ClientMessage) -> None:
        """Send it, or drop it where there is no socket: what matters is sent again on the next."""
        if self._line is not None:
            self._line.send(self._codec.encode(message))

    async def fresh_token(self) -> str:
        """Raises TreesyncError; whatever keeps the callback from answering is over when it answers again."""
        if not callable(self._token):
            return self._token
        try:
            return await self._token()
        except TreesyncError:
            raise
        except Exception as error:
            raise Unavailable(f"no token: {error!r}") from error

    async def run(self) -> None:
        while True:
            try:
                await self._wanted.wait()
                await self._converse()
            except LineLost as lost:
                await self._wait_after(lost)
            except (Disconnected, StoreOfAnother):
                raise
            except TreesyncError as error:  # of the token
                await self._wait_after(LineLost(error.why))

    async def _converse(self) -> None:
        """One socket, from dialling to its loss."""
        token = await self.fresh_token()
        line = await self._dial()
        try:
            line.send(self._codec.encode(self._owner.hello(token)))
            welcome = await self._await_welcome(line)
            if not self._wanted.is_set():
                raise LineLost("offline")
            self._line, self._failures = line, 0
            self._note(welcome)
            self._owner.welcomed(welcome)
            while True:
                self._take(await line.receive())
        finally:
            self._line = None
            await self._stop_refreshing()
            await line.close()

    async def _await_welcome(self, line: Line) -> Welcome:
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                while True:
                    message = self._decode(await line.receive())
                    if isinstance(message, Welcome):
                        return message
        except TimeoutError:
            raise LineLost("no answer to hello") from None

    def _decode(self, payload: bytes) -> ServerMessage | None:
        try:
            return self._codec.decode_server(payload)
        except BadMessage:  # of a later version of the server; what it changes shows as a gap
            self.unread += 1
            return None

    def _take(self, payload: bytes) -> None:
        message = self._decode(payload)
        if isinstance(message, Welcome):
            self._note(message)
        elif message is not None:
            if isinstance(message, Notice) and message.code == "draining" and message.tree is UNSET:
                self._asked = None if message.retry_ms is UNSET else message.retry_ms / 1000
            self._owner.take(message)

    async def _wait_after(self, lost: LineLost) -> None:
        self._owner.lost(lost)
        if not self._wanted.is_set():
            self._failures, self._asked = 0, None
            self._resting.set()
            return
        if lost.code in _FINAL:
            raise Disconnected(lost.why or f"closed with {lost.code}", lost.code)
        if lost.code == CLOSE_UNAUTHORISED and not callable(self._token):
            raise Unauthorised(lost.why or "the token is not accepted")
        self._failures += 1
        seconds = self._seconds_after(lost)
        self._owner.waits(lost, seconds)
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self.reconnects += 1

    def _seconds_after(self, lost: LineLost) -> float:
        """A draining server has spread its clients itself; who is told Retry-After is told what all are."""
        asked, self._asked = self._asked, None
        if isinstance(lost, Redial):
            return 0.0
        if asked is not None:
            return asked
        return (lost.retry_after or 0.0) + self._backoff.wait(self._failures, self._spread)

    def _note(self, welcome: Welcome) -> None:
        """Of a new socket, or of a fresh token on it."""
        self._spread = welcome.spread_ms / 1000
        self._refresh_later(welcome)

    # ---- a fresh token for the open socket

    def _refresh_later(self, welcome: Welcome) -> None:
        if callable(self._token) and (self._refresher is None or self._refresher.done()):
            left = datetime.fromisoformat(welcome.expires_at) - datetime.fromisoformat(welcome.server_time)
            least, most = _REFRESH_SECONDS
            seconds = min(max(left.total_seconds() * _REFRESH_AT, least), most)
            self._refresher = asyncio.create_task(self._refresh(seconds), name="treesync-client:refresh")

    async def _refresh(self, seconds: float) -> None:
        """Where none can be had the old one holds until its end, and the socket is closed with 4401."""
        await asyncio.sleep(seconds)
        with contextlib.suppress(TreesyncError):
            self.say(Auth(token=await self.fresh_token(), ref="auth"))

    async def _stop_refreshing(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
            await asyncio.gather(self._refresher, return_exceptions=True)
            self._refresher = None
