"""The sending half of the Redis bus: one connection, one bounded queue, one task. Publishing never waits nor raises."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sync.ports import Clock

QUEUE_MESSAGES = 10_000  # about ten seconds of a very busy instance; what is older has been read from the log meanwhile
QUEUE_BYTES = 16 * 1024 * 1024  # half of the 32 MB at which Redis drops a subscriber that does not keep up
SEND_MESSAGES = 128  # in one round trip
FIRST_PAUSE_SECONDS = 0.05
CANCEL_SECONDS = 0.2  # a cancelled task has ended long before, unless it missed it
LONGEST_PAUSE_SECONDS = 1.0  # after Redis is back, messages flow within about this

# of a connection that is gone; the last is what uvloop says of writing to a transport that has been closed
LOST = (RedisError, OSError, RuntimeError)

Sent = tuple[str, bytes]  # channel, message


class BusStats(msgspec.Struct):
    """What the bus has done since it was made; the names are those of /metrics."""

    published: int = 0
    dropped: int = 0  # for a full queue or a failed send: the log has them
    received: int = 0
    malformed: int = 0
    handler_failures: int = 0
    reconnects: int = 0  # connections made after the first
    starvations: int = 0  # connections given up because the probe did not come back


class Backoff:
    """Pauses that double, each shortened by chance to as little as half, so that instances do not come back in step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pause = FIRST_PAUSE_SECONDS

    def reset(self) -> None:
        self._pause = FIRST_PAUSE_SECONDS

    async def wait(self) -> None:
        chance = int(self._clock.token(4), 16) / 0xFFFF
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        await self._clock.sleep(pause * (0.5 + chance / 2))


def heed_cancellation() -> None:
    """To be called after a command was sent: redis-py sends with `asyncio.wait_for`, which before Python 3.12 loses a
    cancellation that comes while its work is ending. A task that missed it would go on for ever."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended; more than once for the same reason."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_SECONDS)


class Publisher:
    """Messages waiting to be published, in order. A full queue drops its oldest: the newest says most."""

    def __init__(self, client: Redis, stats: BusStats, clock: Clock) -> None:
        self._client = client
        self._stats = stats
        self._backoff = Backoff(clock)
        self._waiting: deque[Sent] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._is_stale = False  # the connection: it is closed before the next send
        self._patience: asyncio.Timeout | None = None  # with the send that is in flight

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, channel: str, message: bytes) -> None:
        if len(message) > QUEUE_BYTES:
            self._stats.dropped += 1
            return
        self._waiting.append((channel, message))
        self._bytes += len(message)
        while len(self._waiting) > QUEUE_MESSAGES or self._bytes > QUEUE_BYTES:
            self._bytes -= len(self._waiting.popleft()[1])
            self._stats.dropped += 1
        self._some.set()

    async def run(self) -> None:
        """Send for ever. What is in a send that fails is dropped, not sent again: it may have arrived."""
        while True:
            await self._some.wait()
            batch = self._take()
            try:
                await self._send_or_give_up(batch)
                heed_cancellation()
            except LOST:
                self._stats.dropped += len(batch)
                await self._backoff.wait()
            else:
                self._stats.published += len(batch)
                self._backoff.reset()

    def _take(self) -> list[Sent]:
        batch = [self._waiting.popleft() for _ in range(min(SEND_MESSAGES, len(self._waiting)))]
        self._bytes -= sum(len(message) for _, message in batch)
        if not self._waiting:
            self._some.clear()
        return batch

    async def _send(self, batch: list[Sent]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for channel, message in batch:
                pipeline.publish(channel, message)
            await pipeline.execute()

    async def _send_or_give_up(self, batch: list[Sent]) -> None:
        """Raises TimeoutError where `give_up` was called meanwhile. The connection is closed here and nowhere else:
        beneath a send, redis-py would write to what is gone, and raise errors that are none of its own."""
        if self._is_stale:
            self._is_stale = False
            with suppress(*LOST):  # closing a dead connection may fail; it is given up all the same
                await self._client.connection_pool.disconnect()
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._send(batch)
        finally:
            self._patience = None

    def give_up(self) -> None:
        """Use another connection from now on; a send in flight fails."""
        self._is_stale = True
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        await self._client.aclose()
