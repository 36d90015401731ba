"""The bus between instances: Redis (6.2 or later) or Valkey publish/subscribe, as a hint and never the truth (P4).

One connection publishes, another listens; each has its own task that makes it anew for ever. A connection can look
well and deliver nothing (centrifugo#1189: a replica cut off from its master answers pings), so the listener sends a
probe through the normal publish path and gives itself up when the probe does not come back. Nothing that was lost
meanwhile is asked for here: rooms compare heads with the database.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from storage.bus_publisher import LOST, Backoff, BusStats, Publisher, end_tasks, heed_cancellation
from sync.errors import Invalid
from sync.identity import TreeKey
from sync.ports import Clock

PROBE_SECONDS = 2.0  # how often the way through Redis is tried
PATIENCE_SECONDS = 5.0  # a probe unheard for this long: the connection is made anew
SUBSCRIBE_SECONDS = 1.0  # how long opening a tree waits for Redis to confirm; the head comparison covers what is missed
CONNECT_SECONDS = 2.0
CHANNELS_AT_ONCE = 512  # in one SUBSCRIBE, so that thousands of trees do not stall the server (Centrifugo's figure)

Receive = Callable[[TreeKey, bytes], None]


class _Starved(Exception):
    """The connection stands and delivers nothing."""


class RedisBus:
    """`sync.ports.Bus` over Redis.

    `prefix` keeps installations that share a Redis apart (its databases do not: channels are common to all of them).
    `on_task_death` is told when one of the bus's tasks ends by an error it does not know how to mend.
    """

    def __init__(
        self,
        url: str,
        *,
        instance: str,
        clock: Clock,
        log: Callable[..., None],
        prefix: str = "treesync",
        probe_seconds: float = PROBE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.stats = BusStats()
        self.on_task_death: Callable[[str, BaseException], None] = lambda _name, _error: None
        self._clock = clock
        self._log = log
        self._prefix = prefix
        self._probe_seconds = probe_seconds
        self._patience_seconds = patience_seconds
        self._sender = _sender(instance)
        self._probe_channel = f"{prefix}-probe:{quote(instance, safe='')}"
        self._listening = _client(url, CONNECT_SECONDS)  # for the handshake: reading messages has no timeout
        self._publisher = Publisher(_client(url, patience_seconds), self.stats, clock)
        self._receive: Receive = lambda _key, _payload: None
        self._wanted: dict[str, TreeKey] = {}
        self._asked: set[str] = set()  # subscribed, as far as this end has said
        self._unanswered: Counter[str] = Counter()  # commands on a channel that Redis has not confirmed
        self._waiters: dict[str, asyncio.Future[None]] = {}  # until a channel is live
        self._changed = asyncio.Event()
        self._connected = False
        self._connected_before = False
        self._heard: float | None = None  # when the last probe came back, on the monotonic clock
        self._heard_here = False  # on the connection that stands now
        self._tasks: list[asyncio.Task[None]] = []

    # ---- the port

    async def start(self, receive: Receive) -> None:
        """Begin; waits a moment for the first connection, and goes on without it where Redis is down."""
        self._receive = receive
        heard = self._waiter(self._probe_channel)
        self._tasks = [
            self._supervise("redis-bus-listener", self._listen()),
            self._supervise("redis-bus-publisher", self._publisher.run()),
        ]
        await asyncio.wait([heard], timeout=SUBSCRIBE_SECONDS)

    async def subscribe(self, key: TreeKey) -> None:
        channel = self._channel(key)
        self._wanted[channel] = key
        self._changed.set()
        if self._connected and not self._live(channel):
            await asyncio.wait([self._waiter(channel)], timeout=SUBSCRIBE_SECONDS)

    async def unsubscribe(self, key: TreeKey) -> None:
        channel = self._channel(key)
        self._wanted.pop(channel, None)
        self._waiters.pop(channel, None)
        self._changed.set()

    def publish(self, key: TreeKey, payload: bytes) -> None:
        self._publisher.put(self._channel(key), self._sender + payload)

    def healthy(self) -> bool:
        age = self.probe_age()
        return self._connected and self._heard_here and age is not None and age <= self._patience_seconds

    async def close(self) -> None:
        tasks, self._tasks = self._tasks, []
        await end_tasks(tasks)
        self._connected = False
        await self._listening.aclose()
        await self._publisher.close()

    # ---- for /health and /metrics

    def probe_age(self) -> float | None:
        """Seconds since a probe last came back; None: never."""
        return None if self._heard is None else self._clock.monotonic() - self._heard

    @property
    def waiting(self) -> int:
        """Messages in the queue to Redis."""
        return self._publisher.waiting

    # ---- tasks

    def _supervise(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                self._log("bus task died", task=name, error=repr(error))
                self.on_task_death(name, error)

        task.add_done_callback(ended)
        return task

    async def _listen(self) -> None:
        """Keep a listening connection for ever."""
        backoff = Backoff(self._clock)
        while True:
            try:
                await self._listen_once(backoff)
            except* _Starved:
                self.stats.starvations += 1
                self._log("bus silent, connecting anew")
                self._publisher.give_up()
            except* LOST as group:
                # the class alone: texts of connection errors may quote what was configured
                self._log("bus connection lost", errors=sorted({type(error).__name__ for error in group.exceptions}))
            await backoff.wait()

    async def _listen_once(self, backoff: Backoff) -> None:
        try:
            async with self._listening.pubsub() as pubsub:
                await pubsub.subscribe(self._probe_channel)
                self._begin()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(pubsub, backoff), name="redis-bus-read")
                    group.create_task(self._ask(pubsub), name="redis-bus-ask")
                    group.create_task(self._probe(), name="redis-bus-probe")
        finally:
            self._connected = self._heard_here = False
            self._asked.clear()
            self._unanswered.clear()

    def _begin(self) -> None:
        self.stats.reconnects += self._connected_before
        self._connected = self._connected_before = True
        self._asked = {self._probe_channel}
        self._unanswered = Counter([self._probe_channel])
        self._changed.set()

    # ---- subscriptions

    def _channel(self, key: TreeKey) -> str:
        """Percent-encoding leaves no colon in a tenant, so no two trees share a channel (P10)."""
        return f"{self._prefix}:{quote(key.tenant, safe='')}:{key.tree}"

    def _live(self, channel: str) -> bool:
        """Whether messages on the channel arrive: it was subscribed, and Redis has confirmed the newest command."""
        return channel in self._asked and not self._unanswered[channel]

    def _waiter(self, channel: str) -> asyncio.Future[None]:
        if channel not in self._waiters:
            self._waiters[channel] = asyncio.get_running_loop().create_future()
        return self._waiters[channel]

    def _wake(self, channel: str) -> None:
        waiter = self._waiters.pop(channel, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _ask(self, pubsub: PubSub) -> None:
        """Tell Redis what is wanted, whenever that changes; many changes go as one command."""
        while True:
            self._changed.clear()
            wanted = {self._probe_channel, *self._wanted}
            for command, channels in (
                (pubsub.unsubscribe, self._asked - wanted),
                (pubsub.subscribe, wanted - self._asked),
            ):
                ordered = sorted(channels)
                self._asked ^= channels
                self._unanswered.update(ordered)
                for start in range(0, len(ordered), CHANNELS_AT_ONCE):
                    await command(*ordered[start : start + CHANNELS_AT_ONCE])
                    heed_cancellation()
            await self._changed.wait()

    def _answered(self, channel: str) -> None:
        """Redis has confirmed one command on a channel."""
        self._unanswered[channel] -= 1
        if not self._unanswered[channel]:
            del self._unanswered[channel]
        if channel == self._probe_channel:
            self._publisher.put(self._probe_channel, self._sender)
        elif self._live(channel):
            self._wake(channel)

    # ---- messages

    async def _read(self, pubsub: PubSub, backoff: Backoff) -> None:
        while True:
            message = await pubsub.get_message(timeout=None)
            if message is None or message["channel"] is None:
                continue
            channel = message["channel"].decode()
            if message["type"] != "message":
                self._answered(channel)
            elif channel == self._probe_channel:
                self._heard = self._clock.monotonic()
                self._heard_here = True
                self._wake(channel)
                backoff.reset()
            else:
                self._take(channel, message["data"])

    def _take(self, channel: str, data: bytes) -> None:
        if data.startswith(self._sender):
            return
        key = self._wanted.get(channel)
        head = 1 + data[0] if data else 1
        if len(data) < head:
            self.stats.malformed += 1
        elif key is not None:
            self.stats.received += 1
            try:
                self._receive(key, data[head:])
            except Exception as error:  # one bad message must not deafen an instance
                self.stats.handler_failures += 1
                self._log("bus handler failed", error=repr(error))

    async def _probe(self) -> None:
        """Send a probe now and then; raises where none came back for too long."""
        since = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._probe_seconds)
            heard = since if self._heard is None else max(since, self._heard)
            if self._clock.monotonic() - heard > self._patience_seconds:
                raise _Starved
            self._publisher.put(self._probe_channel, self._sender)


def _sender(instance: str) -> bytes:
    """The head of every message: who sent it, with its length, so that no instance is the beginning of another."""
    name = instance.encode()
    return bytes([len(name)]) + name


def _client(url: str, timeout: float) -> Redis:
    """A client that never retries: a retried PUBLISH doubles, a retried read hides that the connection was lost.

    RESP2 does all that is needed and is spoken alike by every server from 6.2 on.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            socket_timeout=timeout,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0, supported_errors=()),
        )
    except ValueError:
        raise Invalid("the Redis URL is none; it begins with redis://, rediss:// or unix://") from None
