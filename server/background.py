"""What runs beside the hub for as long as an instance lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

OnDeath = Callable[[str, BaseException], None]


class Companion(Protocol):
    """Started once the hub runs, closed before it. `on_death` hears of an end that nobody asked for."""

    def start(self, on_death: OnDeath) -> None: ...

    async def close(self) -> None: ...


class Loop:
    """A companion that is one coroutine without an end."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self, on_death: OnDeath) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_death(self._name, error)

        self._task = asyncio.create_task(self._work(), name=self._name)
        self._task.add_done_callback(ended)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
