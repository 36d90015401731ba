"""Tasks with an owner."""

from __future__ import annotations

import asyncio

from sync.tasks import Tasks
from tests.clocks import settle


async def test_a_death_is_reported_by_name() -> None:
    deaths: list[tuple[str, str]] = []
    tasks = Tasks(lambda name, error: deaths.append((name, str(error))))

    async def die() -> None:
        raise ValueError("no")

    async def live() -> None:
        await asyncio.sleep(0)

    tasks.spawn("one", die())
    tasks.spawn("two", live())
    await settle()
    assert deaths == [("one", "no")]
    await tasks.close()


async def test_all_end_together_and_none_begins_after() -> None:
    deaths: list[str] = []
    tasks = Tasks(lambda name, error: deaths.append(name))
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waited")

    tasks.spawn("one", wait())
    await settle()
    await tasks.close()
    tasks.spawn("late", wait())
    await settle()
    assert (ended, deaths) == (["waited"], [])
