"""Which instances may share a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from storage.instance_lock import InstanceLock
from sync.errors import Clash, Unavailable
from tests.clocks import RealClock
from tests.waiting import until


class HastyClock(RealClock):
    """Sleeps a hundredth of what is asked, and says that all of it went by."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self._ahead += seconds
        await asyncio.sleep(seconds / 100)


Locks = Callable[..., InstanceLock]


@pytest.fixture
async def locks(postgres_url: str) -> AsyncIterator[Locks]:
    made: list[InstanceLock] = []

    def make(*, shared: bool) -> InstanceLock:
        made.append(InstanceLock(postgres_url, HastyClock(), shared=shared))
        return made[-1]

    yield make
    for lock in made:
        await lock.close()


async def cut(postgres_url: str) -> None:
    """End every other connection to the database, as a restart would."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    await connection.close()


async def test_without_a_bus_one_is_alone(locks: Locks) -> None:
    first, second = locks(shared=False), locks(shared=False)
    await first.take()
    with pytest.raises(Clash, match="set REDIS_URL"):
        await second.take()
    await first.close()
    await second.take()


async def test_with_a_bus_any_number_may_be_there(locks: Locks) -> None:
    for _ in range(3):
        await locks(shared=True).take()


@pytest.mark.parametrize("first_has_a_bus", [True, False])
async def test_one_with_a_bus_and_one_without_never_meet(locks: Locks, first_has_a_bus: bool) -> None:
    await locks(shared=first_has_a_bus).take()
    with pytest.raises(Clash):
        await locks(shared=not first_has_a_bus).take()


async def test_a_lock_that_was_cut_is_taken_again(locks: Locks, postgres_url: str) -> None:
    deaths: list[str] = []
    first = locks(shared=False)
    await first.take()
    first.start(lambda name, error: deaths.append(name))
    await cut(postgres_url)
    rival = locks(shared=False)

    async def is_kept() -> bool:
        try:
            await rival.take()
        except Clash:
            return True
        await rival.close()
        return False

    async with asyncio.timeout(10):
        while not await is_kept():
            pass
    assert deaths == []


async def test_an_instance_that_lost_its_place_hears_of_it(locks: Locks, postgres_url: str) -> None:
    deaths: list[tuple[str, BaseException]] = []
    first, rival = locks(shared=False), locks(shared=False)
    await first.take()
    await cut(postgres_url)
    await rival.take()
    first.start(lambda name, error: deaths.append((name, error)))
    await until(lambda: bool(deaths), "the loss is noticed")
    [(name, error)] = deaths
    assert name == "instance-lock"
    assert isinstance(error, Clash)


async def test_a_database_that_is_away_is_said_to_be() -> None:
    with pytest.raises(Unavailable):
        await InstanceLock("postgresql://127.0.0.1:9/none", HastyClock(), shared=True).take()
