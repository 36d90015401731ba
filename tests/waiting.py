"""Waiting for what another process or the network brings about, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.005


async def until(happened: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """Poll until something has happened; fails with its name when it does not."""
    try:
        async with asyncio.timeout(seconds):
            while not happened():  # noqa: ASYNC110 - what is awaited is outside this loop
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
