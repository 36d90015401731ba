"""Fifty people in one tree on two instances, which lose to each other all the time (reliability B22)."""

from __future__ import annotations

import asyncpg

from tests.soak.watch import metrics
from tests.torture.play import Play
from tests.torture.report import Report, spread
from tests.torture.stage import Stage, staged
from tests.waiting import until

WRITERS = 50
STARVED_SECONDS = 10.0  # nobody's edit waits so long: the other instance has let this one commit long before
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def crowded_tree(times: int, seed: int) -> Report:
    """So many ops. A commit that comes second is judged and sent once more, under the lock of the head."""
    async with staged() as stage, await Play.make(stage, seed, peers=WRITERS) as play:
        await until(lambda: all(peer.settled for peer in play.everyone), "all are in", seconds=120)
        await play.edit(times)
        await play.settle()
        wrong = await play.judge()
        deadlocks = await _deadlocks(stage)
        told = [await metrics(instance.command) for instance in stage.instances]
    commits, lost = (sum(one[name] for one in told) for name in ("commits_total", "lost_total"))
    waited = [one.waited for one in play.history.invocations.values()]
    wrong += [f"B22: {deadlocks} deadlocks"] * (deadlocks > 0)
    wrong += [f"B22: an answer took {max(waited):.1f} s"] * (max(waited) > STARVED_SECONDS)
    wrong += [f"B22: {lost:g} of {commits:g} commits came second"] * (lost > commits)
    figures = {"commits": commits, "came second": lost, "deadlocks": float(deadlocks), "settled": play.settled}
    return Report(times=times, ops=len(waited), figures=figures | spread("answer", waited), wrong=wrong)


async def _deadlocks(stage: Stage) -> int:
    connection = await asyncpg.connect(stage.postgres.dsn())
    try:
        return int(await connection.fetchval(_DEADLOCKS))
    finally:
        await connection.close()
