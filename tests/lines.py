"""A socket without a network between `treesync_client` and a hub of `tests.hubs`: what the client's tests stand on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from sync.codec import MSGPACK, Codec
from sync.hub import Hub
from sync.ports import Wire
from sync.protocol import Auth, Hello, Welcome
from sync.session import Session
from tests.hubs import Deployment, PlainWire, identity, payloads
from tests.waiting import until
from treesync_client.client import Client
from treesync_client.link.line import LineLost
from treesync_client.results import Answer, Landed
from treesync_client.tree import LiveTree

Frame = bytes | LineLost


class MemoryOutbox:
    """The hub's end: hands each frame to the line at once."""

    def __init__(self, codec: Codec) -> None:
        self.wire: Wire = PlainWire(codec)
        self.full = False
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()

    def write(self, frame: bytes) -> None:
        for payload in payloads(frame):
            self.frames.put_nowait(payload)

    def close(self, code: int, reason: str) -> None:
        self.frames.put_nowait(LineLost(reason, code))


class MemoryLine:
    """A client's end. Tokens are `tenant/user`."""

    def __init__(self, network: Network, hub: Hub, codec: Codec) -> None:
        self.codec = codec
        self.outbox = MemoryOutbox(codec)
        self.sent: list[Any] = []
        self.user = ""
        self._network = network
        self._hub = hub
        self._session: Session | None = None
        self.is_cut = False

    def send(self, payload: bytes) -> None:
        if self.is_cut:
            return
        decoded = self.codec.decode(payload)
        self.sent.append(decoded.message)
        match decoded.message:
            case Hello(token=str() as token):
                self._enter(token, decoded.message)
            case Auth():
                self._welcome(decoded.message.token, ref=decoded.message.ref)
            case message:
                self._network.messages.append(message)
                if self._session is not None and self._network.hears(message):
                    self._hub.receive(self._session, decoded, len(payload))

    def _enter(self, token: str, hello: Hello) -> None:
        if token in self._network.bad_tokens:
            self.outbox.close(4401, "the token has expired")
            return
        tenant, _, user = token.partition("/")
        self.user = user
        self._session = self._hub.welcome(identity(user, tenant), hello.client_id, self.outbox)
        self._welcome(token, ref=hello.ref)

    def _welcome(self, token: str, ref: Any) -> None:
        tenant, _, user = token.partition("/")
        now = datetime.fromtimestamp(1_800_000_000, UTC)
        later = datetime.fromtimestamp(1_800_000_000 + self._network.token_seconds, UTC)
        welcome = Welcome(
            ref=ref,
            tenant=tenant,
            user=user,
            instance=self._hub.instance,
            server_time=now.isoformat(),
            expires_at=later.isoformat(),
            limits=self._hub.limits,
            spread_ms=self._network.spread_ms,
        )
        self.outbox.write(self.outbox.wire.frame(self.codec.encode(welcome)))

    async def receive(self) -> bytes:
        for _ in range(self._network.turns):
            await asyncio.sleep(0)
        frame = await self.outbox.frames.get()
        if isinstance(frame, LineLost):
            self.cut()
            raise frame
        return frame

    def cut(self, code: int | None = None, *, unread: bool = True) -> None:
        """The line breaks. `unread`: what the hub has written and the client has not read is lost with it."""
        self.is_cut = True
        if self._session is not None:
            self._hub.leave(self._session)
            self._session = None
        while unread and not self.outbox.frames.empty():
            self.outbox.frames.get_nowait()
        self.outbox.frames.put_nowait(LineLost("cut", code))

    async def close(self) -> None:
        if not self.is_cut:
            self.cut()


class Network:
    """Dials hubs of a deployment. `down` refuses everyone with `refusal`; `deaf` names kinds of messages that get lost
    on the way; `turns` of the loop pass before each frame arrives."""

    def __init__(self, deployment: Deployment, codec: Codec = MSGPACK) -> None:
        self.deployment = deployment
        self.codec = codec
        self.lines: list[MemoryLine] = []
        self.messages: list[Any] = []
        self.bad_tokens: set[str] = set()
        self.token_seconds = 3600.0
        self.down = False
        self.spread_ms = 0
        self.refusal = LineLost("nobody listens")
        self.deaf: tuple[type, ...] = ()
        self.hub = 0
        self.turns = 0

    def hears(self, message: Any) -> bool:
        return not isinstance(message, self.deaf)

    async def dial(self) -> MemoryLine:
        if self.down:
            raise self.refusal
        line = MemoryLine(self, self.deployment.hubs[self.hub], self.codec)
        self.lines.append(line)
        return line

    def cut(self, code: int | None = None) -> None:
        """Break the newest line."""
        self.lines[-1].cut(code)

    def cut_user(self, user: str) -> None:
        """Break that user's newest line, if it holds."""
        lines = [line for line in self.lines if line.user == user and not line.is_cut]
        if lines:
            lines[-1].cut()

    def client(self, user: str = "ada", **options: Any) -> Client:
        options = {"dial": self.dial, "codec": self.codec.name, "longest_wait": 0.01, **options}
        options = {"token": f"acme/{user}", **options}
        return Client("ws://memory/ws", **options)


async def agree(*trees: LiveTree) -> None:
    """Every tree comes to the newest seq that any of them has, and they are equal there."""
    await until(lambda: len({tree.seq for tree in trees}) == 1, "all have the same seq")
    assert len({tree.digest for tree in trees}) == 1


async def landed(answer: asyncio.Future[Answer]) -> Landed:
    result = await asyncio.wait_for(answer, 5)
    assert isinstance(result, Landed), result
    return result
