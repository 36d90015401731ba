"""Clocks for tests."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import time
from itertools import count


class ManualClock:
    """`sync.ports.Clock` that stands still until it is advanced. Its tokens are a counter in hex."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._tokens = count(1)
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def token(self, size: int) -> str:
        return f"{next(self._tokens):0{size}x}"[-size:]

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many sleep now."""
        return sum(1 for _, _, woken in self._sleepers if not woken.done())

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers in order; what each does at once is done before time goes on."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            wake, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, wake)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._now = end


async def settle(rounds: int = 20) -> None:
    """Let every task that is ready run, and those that it wakes: enough rounds for any chain in these tests."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class RealClock:
    """`sync.ports.Clock` over real time, for tests of what talks to other processes."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, size: int) -> str:
        return secrets.token_hex(size)[:size]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
