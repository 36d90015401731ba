"""Named tasks with an owner that hears of their death."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """Every task has a name; one that dies of an exception is reported at once, and all end together."""

    def __init__(self, died: Callable[[str, BaseException], None]) -> None:
        self._died = died
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._died(task.get_name(), error)

    async def close(self) -> None:
        self._closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def give_way() -> None:
    """Let whatever else is ready run, in the middle of work that takes long."""
    await asyncio.sleep(0)
