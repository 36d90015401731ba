"""`python -m benchmarks.watched serve`: the server, with a task that notes how long its loop did not turn.

Whoever connects to the port in WATCH_PORT is told, in seconds, the longest time since the last one asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from server.__main__ import main

TICK = 0.001  # seconds between two turns that the watch asks for; blocking shorter than this is not seen

_run = uvloop.run


class Watch:
    """The longest time between two ticks, less the tick itself."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self.longest = max(self.longest, now - last - TICK)
            last = now

    async def tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self.longest:.6f}".encode())
        self.longest = 0.0
        writer.close()


def run(serving: Coroutine[Any, Any, Any]) -> Any:
    """In place of `uvloop.run`."""

    async def watched() -> Any:
        watch = Watch()
        ticking = asyncio.create_task(watch.tick(), name="watch")
        async with await asyncio.start_server(watch.tell, "127.0.0.1", int(os.environ["WATCH_PORT"])):
            try:
                return await serving
            finally:
                ticking.cancel()
                with suppress(asyncio.CancelledError):
                    await ticking

    return _run(watched())


if __name__ == "__main__":
    uvloop.run = run  # type: ignore[assignment]  # `treesync serve` passes a coroutine alone
    main()
