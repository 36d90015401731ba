"""The connection between one client and one instance: what a socket and the server's end of it do, over virtual time.

Both directions keep their order and take time. Either end may go without the other knowing for a while, so that an
edit arrives and its answer does not.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from sync.codec import JSON, MSGPACK, Codec
from sync.errors import BadMessage, Unreadable
from sync.identity import Identity
from sync.ports import Wire
from sync.protocol import Error
from sync.session import Session
from tests.hubs import PlainWire, payloads
from tests.simulation.replica import Record

if TYPE_CHECKING:
    from tests.simulation.client import Client
    from tests.simulation.world import Instance, World

NETWORK_SECONDS = 0.01  # the longest that a message takes
HARD_BOUND = 64  # times the droppable share: beyond it a connection is closed with 4429


class Connection:
    """Also the hub's `Outbox`. `up` is whether each end still believes in it."""

    def __init__(self, world: World, client: Client, instance: Instance, codec: Codec) -> None:
        self.wire: Wire = PlainWire(codec)
        self.full = False
        self.session: Session | None = None
        self.client_up = True
        self.server_up = True
        self._world = world
        self._client = client
        self.instance = instance
        self._random = world.random
        self._upward = 0.0  # when the last message towards the server arrives
        self._waiting: deque[tuple[int, Record]] = deque()
        self._bytes = 0
        self._paused = False
        self._pumping = False

    # ---- the server's end

    def welcome(self, identity: Identity, client_id: str) -> None:
        with self.instance.owner.acting():
            self.session = self.instance.hub.welcome(identity, client_id, self)

    def _arrive(self, data: bytes) -> None:
        if not (self.server_up and self.instance.owner.alive) or self.session is None:
            return
        with self.instance.owner.acting():
            try:
                decoded = self.wire.codec.decode(data)
            except Unreadable:
                self.close(4400, "not the protocol")
            except BadMessage as error:
                self.session.send(Error(ref=msgspec.UNSET, code=error.code, why=error.why))
            else:
                self.instance.hub.receive(self.session, decoded, len(data))

    def server_leaves(self) -> None:
        """The server notices that the connection is gone."""
        if self.server_up:
            self.server_up = False
            if self.instance.owner.alive and self.session is not None:
                with self.instance.owner.acting():
                    self.instance.hub.leave(self.session)

    # ---- sync.ports.Outbox

    def write(self, frame: bytes) -> None:
        if not self.server_up or not self.instance.owner.alive:
            return
        decode = msgspec.json.decode if self.wire.codec is JSON else msgspec.msgpack.decode
        for payload in payloads(frame):
            message: Record = decode(payload)
            self._world.checks.written(self._client, self.instance, message)
            self._waiting.append((len(payload), message))
            self._bytes += len(payload)
        droppable = self._world.plan.outbox_bytes
        self.full = self.full or self._bytes > droppable
        if self._bytes > HARD_BOUND * droppable:
            self.close(4429, "too slow a reader")
        self._pump_soon()

    def close(self, code: int, reason: str) -> None:
        self._world.loop.call_soon(self.server_leaves)
        self._world.loop.call_later(NETWORK_SECONDS, self.client_leaves)

    def _pump_soon(self) -> None:
        if not (self._pumping or self._paused) and self._waiting:
            self._pumping = True
            self._world.loop.call_later(self._random.random() * NETWORK_SECONDS, self._pump)

    def _pump(self) -> None:
        """Some of what waits reaches the client."""
        self._pumping = False
        for _ in range(self._random.randint(1, 8)):
            if self._waiting and not self._paused:
                size, message = self._waiting.popleft()
                self._bytes -= size
                if self.client_up:
                    self._world.record("down", self._client.name, message)
                    self._client.receive(self, message)
        if self.full and self._bytes <= self._world.plan.outbox_bytes // 2:
            self.full = False
            if self.server_up and self.instance.owner.alive and self.session is not None:
                with self.instance.owner.acting():
                    self.instance.hub.drained(self.session)
        self._pump_soon()

    @property
    def idle(self) -> bool:
        """Whether all that the server has said has been heard."""
        return not self._waiting

    # ---- the client's end

    def send(self, message: Record) -> None:
        """Bytes on their way to the server; lost where the connection is gone by then."""
        if not self.client_up:
            return
        self._world.record("up", self._client.name, message)
        encode = msgspec.json.encode if self.wire.codec is JSON else msgspec.msgpack.encode
        loop = self._world.loop
        self._upward = max(self._upward, loop.time() + self._random.random() * NETWORK_SECONDS)
        loop.call_at(self._upward, self._arrive, encode(message))

    def pause(self, seconds: float) -> None:
        """The client reads nothing for a while."""
        self._paused = True
        self._world.loop.call_later(seconds, self.resume)

    def resume(self) -> None:
        self._paused = False
        self._pump_soon()

    def client_leaves(self) -> None:
        """The client notices that the connection is gone."""
        if self.client_up:
            self.client_up = False
            self._waiting.clear()
            self._client.lost(self)

    def cut(self, server_later: float, client_later: float) -> None:
        """The network between them is gone; each end notices in its own time. What is on the way down is lost."""
        self._paused = True
        self._world.loop.call_later(server_later, self.server_leaves)
        self._world.loop.call_later(client_later, self.client_leaves)


def codec_of(number: int) -> Codec:
    """Every third client speaks msgpack."""
    return MSGPACK if number % 3 == 2 else JSON
