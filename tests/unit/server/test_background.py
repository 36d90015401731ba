"""What runs beside the hub."""

from __future__ import annotations

import asyncio

from server.background import Loop
from tests.clocks import settle


async def test_a_loop_runs_until_it_is_closed() -> None:
    deaths: list[tuple[str, BaseException]] = []
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        await asyncio.Event().wait()

    loop = Loop("work", work)
    loop.start(lambda name, error: deaths.append((name, error)))
    await asyncio.wait_for(running.wait(), 1)
    assert "work" in {task.get_name() for task in asyncio.all_tasks()}
    await loop.close()
    assert "work" not in {task.get_name() for task in asyncio.all_tasks()}
    assert deaths == []


async def test_a_loop_that_dies_is_heard_of() -> None:
    deaths: list[tuple[str, BaseException]] = []

    async def work() -> None:
        raise RuntimeError("dead")

    loop = Loop("work", work)
    loop.start(lambda name, error: deaths.append((name, error)))
    await settle()
    [(name, error)] = deaths
    assert (name, str(error)) == ("work", "dead")
    await loop.close()


async def test_closing_what_never_started_is_fine() -> None:
    async def work() -> None:
        return

    await Loop("work", work).close()
