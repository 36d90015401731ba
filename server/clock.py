"""Time and chance of the real world."""

from __future__ import annotations

import asyncio
import secrets
import time


class SystemClock:
    """`sync.ports.Clock`."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, size: int) -> str:
        return secrets.token_hex((size + 1) // 2)[:size]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
