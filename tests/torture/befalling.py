"""The faults that befall a stage, by name. What is random in them comes from the schedule's seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tests.torture.stage import Stage

Fault = Callable[[Stage, Random], Awaitable[None]]

# ---- instances


async def _kill_instance(stage: Stage, chance: Random) -> None:
    instance = chance.choice(stage.instances)
    await instance.kill()
    await instance.start()


async def _kill_everything(stage: Stage, chance: Random) -> None:
    """A power cut: every process at once, the database's too (reliability B16)."""
    await asyncio.gather(stage.postgres.stop(immediately=True), *(instance.kill() for instance in stage.instances))
    stage.redis.stop()
    await asyncio.to_thread(stage.redis.start)
    await stage.postgres.start()
    await asyncio.gather(*(instance.start() for instance in stage.instances))


async def _redeploy(stage: Stage, chance: Random) -> None:
    """One instance after the other is stopped, as a deploy stops it, and started again."""
    for instance in stage.instances:
        assert await instance.restart() == 0


async def _freeze_instance(stage: Stage, chance: Random) -> None:
    instance = chance.choice(stage.instances)
    instance.freeze()
    await asyncio.sleep(1 + 2 * chance.random())
    instance.thaw()


# ---- clients


async def _cut_clients(stage: Stage, chance: Random) -> None:
    chance.choice(stage.instances).door.cut()


async def _half_open_clients(stage: Stage, chance: Random) -> None:
    chance.choice(stage.instances).door.half_open()


async def _slow_clients(stage: Stage, chance: Random) -> None:
    door = chance.choice(stage.instances).door
    door.delay = 0.02 + 0.1 * chance.random()
    await asyncio.sleep(1)
    door.release()


async def _lose_clients(stage: Stage, chance: Random) -> None:
    door = chance.choice(stage.instances).door
    door.hold()
    await asyncio.sleep(0.5 + 2 * chance.random())
    door.release()


# ---- Redis


async def _restart_redis(stage: Stage, chance: Random) -> None:
    stage.redis.stop()
    await asyncio.sleep(chance.random())
    await asyncio.to_thread(stage.redis.start)


async def _flush_redis(stage: Stage, chance: Random) -> None:
    stage.redis.command("FLUSHALL")
    stage.redis.command("CLIENT", "KILL", "TYPE", "pubsub")


async def _freeze_redis(stage: Stage, chance: Random) -> None:
    stage.redis.freeze()
    await asyncio.sleep(0.5 + 2 * chance.random())
    stage.redis.thaw()


async def _lose_redis(stage: Stage, chance: Random) -> None:
    stage.to_redis.hold()
    await asyncio.sleep(0.5 + 2 * chance.random())
    stage.to_redis.release()


async def _cut_redis(stage: Stage, chance: Random) -> None:
    stage.to_redis.cut()


async def _half_open_redis(stage: Stage, chance: Random) -> None:
    stage.to_redis.half_open()


# ---- PostgreSQL


async def _crash_postgres(stage: Stage, chance: Random) -> None:
    await stage.postgres.stop(immediately=True)
    await asyncio.sleep(chance.random())
    await stage.postgres.start()


async def _cut_postgres(stage: Stage, chance: Random) -> None:
    stage.to_postgres.cut()


async def _slow_postgres(stage: Stage, chance: Random) -> None:
    stage.to_postgres.delay = 0.02 + 0.05 * chance.random()
    await asyncio.sleep(1)
    stage.to_postgres.delay = 0.0


async def _lose_postgres(stage: Stage, chance: Random) -> None:
    stage.to_postgres.hold()
    await asyncio.sleep(0.5 + 1.5 * chance.random())
    stage.to_postgres.release()


async def _lose_answers(stage: Stage, chance: Random) -> None:
    """What the database answers is lost, with its connection: whether it happened, nobody knows."""
    for _ in range(5):
        stage.to_postgres.lose_answer()
        await asyncio.sleep(0.1 * chance.random())


FAULTS: dict[str, Fault] = {
    "kill -9 of an instance": _kill_instance,
    "kill -9 of everything": _kill_everything,
    "rolling restart": _redeploy,
    "SIGSTOP of an instance": _freeze_instance,
    "clients cut": _cut_clients,
    "clients half-open": _half_open_clients,
    "clients slowed": _slow_clients,
    "clients in a black hole": _lose_clients,
    "Redis killed": _restart_redis,
    "Redis flushed, subscribers cut": _flush_redis,
    "SIGSTOP of Redis": _freeze_redis,
    "Redis in a black hole": _lose_redis,
    "Redis cut": _cut_redis,
    "Redis half-open": _half_open_redis,
    "PostgreSQL crashed": _crash_postgres,
    "PostgreSQL cut": _cut_postgres,
    "PostgreSQL slowed": _slow_postgres,
    "PostgreSQL in a black hole": _lose_postgres,
    "answers of PostgreSQL lost": _lose_answers,
}


async def befall(stage: Stage, faults: int, names: list[str], chance: Random) -> list[str]:
    """So many faults, one after the other; answers which, once all are over and every instance is ready."""
    befell = []
    for _ in range(faults):
        await asyncio.sleep(0.3 + chance.random() * 0.7)
        name = chance.choice(names)
        befell.append(name)
        await FAULTS[name](stage, chance)
    await stage.calm()
    return befell
