"""Instances and the database die under people who edit and report what they look at: every accepted op has its one row
of activity, and every event that was acknowledged its one, however often it was sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from itertools import cycle
from random import Random
from typing import Any

import asyncpg
import httpx2

from tests.torture.befalling import FAULTS
from tests.torture.play import Play
from tests.torture.report import Report
from tests.torture.stage import Instance, Stage, staged

EDITS = 500  # of people, between one kill and the next
_PAUSE = 0.006  # between two of them at most
_KILLS = ("kill -9 of an instance", "PostgreSQL crashed", "answers of PostgreSQL lost", "kill -9 of everything")
_REPORTS = 20  # events of one batch, some of which were in the one before
_OPS = """
SELECT o.seq, o.client_id LIKE 'respace:%' AS respaced, count(a.id) AS rows,
    COALESCE(bool_and(a.user_id = o.user_id AND a.created_at = o.at AND a.activity_type <> ''), false) AS same,
    COALESCE(bool_and(a.session_id IS NOT NULL), false) AS in_visit
FROM tree_ops AS o
LEFT JOIN user_activities AS a ON a.tree_id = o.tree_id AND (a.activity_data->>'seq')::bigint = o.seq
WHERE o.tree_id = $1 GROUP BY o.seq, o.client_id ORDER BY o.seq
"""
_STRAYS = """
SELECT count(*) FROM user_activities AS a
WHERE tree_id = $1 AND activity_data ? 'seq' AND NOT EXISTS (
    SELECT FROM tree_ops AS o WHERE o.tree_id = $1 AND o.seq = (a.activity_data->>'seq')::bigint)
"""
_EVENTS = """
SELECT activity_data->>'event' AS event, count(*) AS rows FROM user_activities
WHERE tree_id = $1 AND activity_data ? 'event' GROUP BY 1
"""


async def counted_activity(times: int, seed: int) -> Report:
    """So many kills, of an instance, of the database, of everything, with EDITS edits between them; then some of what
    was done is taken back and brought back by requests that are sent twice."""
    chance = Random(f"{seed}:activity")
    kills = cycle(_KILLS)
    async with staged() as stage, await Play.make(stage, f"{seed}:activity") as play:
        enough = asyncio.Event()
        reporter = asyncio.create_task(_report(stage.instances[0], play.history.tree, enough, chance), name="reporter")
        for _ in range(times):
            edits = asyncio.create_task(play.edit(EDITS, pause=_PAUSE), name="hands")
            await asyncio.sleep(EDITS * _PAUSE / 4 * chance.random())
            await FAULTS[next(kills)](stage, chance)
            await edits
        await stage.calm()
        await play.settle()
        await _go_back(stage.instances, play.history.tree)
        enough.set()
        acknowledged = await reporter
        await play.settle()
        wrong = await play.judge()
        rows, complaints = await _count(stage, play.history.tree, acknowledged)
    ops = len(play.history.invocations)
    figures = {"rows": float(rows), "events": float(len(acknowledged)), "settled": play.settled}
    return Report(times=times, ops=ops, figures=figures, wrong=wrong + complaints)


async def _go_back(instances: list[Instance], tree: int) -> None:
    """Take back what somebody did, and bring back what was there: each asked for by both instances."""
    at = (await instances[0].ask("GET", f"/api/v1/trees/{tree}"))["position"]["seq"]
    for path, body in (
        ("revert", {"request": "r1", "user": "u1"}),
        ("restore", {"request": "r2", "to": {"seq": at}}),
    ):
        for instance in instances:
            await instance.ask("POST", f"/api/v1/trees/{tree}/{path}", body)


async def _report(instance: Instance, tree: int, enough: asyncio.Event, chance: Random) -> list[str]:
    """The ids of the events that were acknowledged. A batch is sent until it is, and half of it again in the next."""
    acknowledged: dict[str, None] = {}
    last: list[dict[str, Any]] = []
    number = 0
    while not enough.is_set():
        fresh = [{"id": f"e{number + one}", "kind": "node_viewed", "duration_ms": 5} for one in range(_REPORTS)]
        number += _REPORTS
        batch = [*chance.sample(last, len(last) // 2), *fresh]
        while not await _taken(instance, tree, batch):  # noqa: ASYNC110  what is awaited is a process that starts
            await asyncio.sleep(0.05)
        acknowledged |= {one["id"]: None for one in batch}
        last = batch
        await asyncio.sleep(0.02)
    return list(acknowledged)


async def _taken(instance: Instance, tree: int, batch: list[dict[str, Any]]) -> bool:
    with suppress(httpx2.HTTPError, AssertionError, OSError):  # it is not there at all, for a while
        answer = await instance.command.ask("POST", f"/api/v1/trees/{tree}/activity", {"events": batch})
        return bool(answer.status_code == 204)
    return False


async def _count(stage: Stage, tree: int, acknowledged: list[str]) -> tuple[int, list[str]]:
    """How many rows there are of ops, and what is wrong with them or with those of events."""
    connection = await asyncpg.connect(stage.postgres.dsn())
    try:
        ops = await connection.fetch(_OPS, tree)
        strays = await connection.fetchval(_STRAYS, tree)
        events = {row["event"]: row["rows"] for row in await connection.fetch(_EVENTS, tree)}
    finally:
        await connection.close()
    wrong = [
        f"AC3: op {row['seq']} has {row['rows']} rows"
        for row in ops
        if row["rows"] != (0 if row["respaced"] else 1) or not (row["respaced"] or row["same"])
    ]
    wrong += [f"AC13: op {row['seq']} was done in no visit" for row in ops if not (row["respaced"] or row["in_visit"])]
    wrong += [f"AC3: {strays} rows are of no op"] if strays else []
    wrong += [f"AC2: event {event} has {events.get(event, 0)} rows" for event in acknowledged if events.get(event) != 1]
    wrong += [f"AC2: event {event} has {rows} rows" for event, rows in events.items() if rows != 1]
    return sum(Counter({row["seq"]: row["rows"] for row in ops}).values()), wrong
