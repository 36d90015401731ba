"""Time and chance of the real world."""

from __future__ import annotations

import asyncio
import secrets
import time

_DRAWN = 1024  # characters asked of the system at once: a call of 1 µs for two tokens of every batch otherwise


class SystemClock:
    """`sync.ports.Clock`."""

    def __init__(self) -> None:
        self._drawn = ""  # and not given out

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, size: int) -> str:
        if len(self._drawn) < size:
            self._drawn = secrets.token_hex(max(size, _DRAWN))
        found, self._drawn = self._drawn[:size], self._drawn[size:]
        return found

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
