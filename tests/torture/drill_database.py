"""A database that is slow, has no connection left, or takes no writes (reliability B23, B24)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.torture.play import Play
from tests.torture.postgres_line import QueryHold
from tests.torture.proxy import Dial, unix
from tests.torture.report import Report, spread
from tests.torture.stage import Instance, Stage, staged
from tests.waiting import until

ACQUIRE_SECONDS = (
    2.0  # how long a request may wait for a connection here (reliability B23; the setting's default is 60)
)
_REFUSED_SECONDS = ACQUIRE_SECONDS + 1.0  # with what a busy machine adds
RECOVER_SECONDS = 5.0  # writes go on after the database takes them again (reliability B24)
_POOL = 4
_DELAY_SECONDS = 0.15  # each way: a round trip of 0.3 s, some 300 times what it is otherwise
_SLOW_SECONDS = 10.0
_PATIENCE = 60.0  # of whoever holds a connection: a busy machine takes its time to hold them all
_LISTED = "SELECT DISTINCT ON (t.updated_at, t.id)"  # the query behind GET /api/v1/trees


async def slow_database(times: int, seed: int) -> Report:
    """Every answer of the database takes 0.3 s for a while, again and again: edits wait, and nothing else happens."""
    wrong: list[str] = []
    async with staged() as stage, await Play.make(stage, seed) as play:
        await until(lambda: all(peer.settled for peer in play.everyone), "all are in", seconds=60)
        before = sum(peer.reconnects for peer in play.everyone)
        for _ in range(times):
            stage.to_postgres.delay = _DELAY_SECONDS
            edits = asyncio.create_task(play.edit(300), name="hands")
            for instance in stage.instances:
                answer = await instance.command.ask("GET", "/livez")
                wrong += [] if answer.status_code == 200 else [f"/livez answered {answer.status_code}"]
            await edits
            await play.settle()
            stage.to_postgres.delay = 0.0
        wrong += await play.judge()
    sent = list(play.history.invocations.values())
    refused = [one for one in sent if any(answer.get("code") == "unavailable" for answer in one.answers)]
    lost = sum(peer.reconnects for peer in play.everyone) - before
    figures = spread("answer", [one.waited for one in sent]) | {"rejected": len(refused), "lines lost": lost}
    wrong += [f"an answer took {one.waited:.1f} s" for one in sent if one.waited > _SLOW_SECONDS]
    return Report(times=times, ops=len(sent), figures=figures, wrong=wrong)


# ---- a pool without a connection left


async def spent_pool(times: int, seed: int) -> Report:
    """Requests hold every connection of both instances' pools while peers edit. Whoever else asks is told in time to
    come back; edits go on or wait; all is well as soon as there are connections again."""
    wrong: list[str] = []
    refusals: list[float] = []
    recovered: list[float] = []
    stack = staged(TREESYNC_POOL_MAX=str(_POOL), TREESYNC_POOL_MIN="1", TREESYNC_ACQUIRE_SECONDS=str(ACQUIRE_SECONDS))
    async with stack as stage, await Play.make(stage, seed) as play:
        await play.edit(20)
        for _ in range(times):
            async with _held(stage) as hold:
                edits = asyncio.create_task(play.edit(150), name="hands")
                await until(
                    partial(_all_held, hold, _POOL * len(stage.instances)), "connections are held", seconds=_PATIENCE
                )
                refusals += [await _refused(instance, wrong) for instance in stage.instances]
                hold.release()
                released = time.monotonic()
                for instance in stage.instances:
                    await instance.ask("GET", "/api/v1/trees")
                recovered.append(time.monotonic() - released)
            await edits
            await play.settle()
        wrong += await play.judge()
    figures = spread("refused after", refusals) | spread("recovered after", recovered)
    ops = len(play.history.invocations)
    return Report(times=times, ops=ops, figures=figures | {"settled": play.settled}, wrong=wrong)


@asynccontextmanager
async def _held(stage: Stage) -> AsyncIterator[QueryHold]:
    """Requests as many as there are connections, each of which will hold one until `release`."""
    hold = stage.heard.watch = QueryHold(_LISTED, every=True)
    holders = [
        asyncio.create_task(instance.command.ask("GET", "/api/v1/trees", seconds=_PATIENCE), name="holder")
        for instance in stage.instances
        for _ in range(_POOL)
    ]
    try:
        yield hold
    finally:
        hold.release()
        await asyncio.gather(*holders, return_exceptions=True)


def _all_held(hold: QueryHold, connections: int) -> bool:
    return hold.held >= connections


async def _refused(instance: Instance, wrong: list[str]) -> float:
    """Seconds until somebody who needs the database is told to come back."""
    began = time.monotonic()
    answer = await instance.command.ask("GET", "/api/v1/trees")
    took = time.monotonic() - began
    if answer.status_code != 503 or took > _REFUSED_SECONDS:
        wrong.append(f"B23: {answer.status_code} after {took:.1f} s")
    return took


# ---- a database that takes no writes


async def read_only_database(times: int, seed: int) -> Report:
    """A failover that goes wrong: connections are made anew, to a standby that takes no writes; then the name points to
    the primary again, while nobody cuts the connections to the standby. Writes go on by themselves."""
    resumed: list[float] = []
    async with staged() as stage, AsyncExitStack() as stack:
        standby = await _standby(stage, stack)
        play = await stack.enter_async_context(await Play.make(stage, seed))
        wrong: list[str] = []
        for _ in range(times):
            await play.edit(20)
            primary = stage.to_postgres.lead_to(standby)
            stage.to_postgres.cut()
            await play.edit(100)
            answered = _answers(play)
            stage.to_postgres.lead_to(primary)
            back = time.monotonic()
            await play.edit(1)
            await until(partial(_more_answers, play, answered), "writes go on", seconds=60)
            resumed.append(time.monotonic() - back)
            await play.settle()
        wrong += await play.judge()
    wrong += [f"B24: writes went on after {seconds:.1f} s" for seconds in resumed if seconds > RECOVER_SECONDS]
    ops = len(play.history.invocations)
    return Report(times=times, ops=ops, figures=spread("writes go on", resumed), wrong=wrong)


async def _standby(stage: Stage, stack: AsyncExitStack) -> Dial:
    """A streaming replica of the stage's database."""
    standby = EmbeddedPostgres(stage.postgres._folder.parent / "standby")
    standby._prepare_folders()
    where = ["-h", str(stage.postgres.sockets), "-U", SUPERUSER, "-D", str(standby._data)]
    await stage.postgres._run("pg_basebackup", *where, "-X", "stream", "-c", "fast", "-R")
    await standby.start()
    stack.push_async_callback(standby.stop, immediately=True)
    return unix(f"{standby.sockets}/.s.PGSQL.5432")


def _more_answers(play: Play, than: int) -> bool:
    return _answers(play) > than


def _answers(play: Play) -> int:
    return sum(bool(one.answers) for one in play.history.invocations.values())
