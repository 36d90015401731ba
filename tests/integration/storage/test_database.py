"""Connections: errors at the border, what a pooler in between needs, and what a cancelled caller leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from storage.database import Database, DatabaseSettings
from storage.postgres import PostgresStore
from sync.errors import Unavailable, Unstorable
from tests.integration.storage.filled import new_tree
from tests.postgres_servers import PostgresServer, opened

SLEEP = "SELECT pg_sleep($1)"
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE query = 'SELECT pg_sleep($1)' AND state = 'active' AND datname = current_database()
"""
WHO = "SELECT current_user AS who, current_setting('app.tenant', true) AS tenant"


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(dsn=f"postgresql://postgres@/none?host={tmp_path}"))
    with pytest.raises(Unavailable):
        await database.open()
    with pytest.raises(Unavailable, match="not open"):
        await database.ping()
    with pytest.raises(Unavailable):
        await database.run_in_lane("SELECT 1", [])
    await database.close()


async def test_ping_answers(postgres_database: Database) -> None:
    await postgres_database.ping()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 / 0", Unstorable),
        ("SELECT 'x'::integer", Unstorable),
        ("INSERT INTO job_runs (job, period, state) VALUES ('x', now(), 'no such state')", Unstorable),
        ("SELECT set_config('statement_timeout', '1ms', false)", None),
        ("SELECT no_such_function()", asyncpg.UndefinedFunctionError),
    ],
)
async def test_errors_are_translated_at_the_border(
    postgres_database: Database, statement: str, expected: type[Exception] | None
) -> None:
    if expected is None:
        await postgres_database.run_in_lane(statement, [])
        statement, expected = "SELECT pg_sleep(9)", Unavailable
    with pytest.raises(expected):
        await postgres_database.run_in_lane(statement, [])


async def test_a_connection_that_is_cut_makes_the_answer_unknown(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    sleeping = asyncio.create_task(postgres_database.run_in_lane(SLEEP, [60.0]), name="sleep")
    admin = await asyncpg.connect(postgres_server.shared)
    try:
        async with asyncio.timeout(5):
            while not await admin.fetchval(CUT):  # until it has begun
                pass
    finally:
        await admin.close()
    with pytest.raises(Unavailable):
        await sleeping
    assert (await postgres_database.run_in_lane(WHO, []))["who"] == "treesync_app"


async def test_an_error_text_holds_neither_data_nor_password(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    with pytest.raises(Unstorable) as refused:
        await postgres_database.run_in_lane("SELECT 'secret content'::integer", [])
    assert "secret" not in refused.value.why
    dsn = postgres_server.shared.replace("postgres@", "postgres:hidden@").replace("shared", "no_such_database")
    with pytest.raises(Unavailable) as unreachable:
        await Database(DatabaseSettings(dsn=dsn)).open()
    assert "hidden" not in unreachable.value.why


async def test_a_cancelled_commit_takes_its_lane_down_and_the_next_has_a_new_one(postgres_database: Database) -> None:
    waiting = [asyncio.create_task(postgres_database.run_in_lane(SLEEP, [60.0]), name=f"sleep {n}") for n in range(2)]
    await asyncio.wait(waiting, timeout=0.2)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting, timeout=5)
    assert all(task.cancelled() for task in waiting)
    answer = await asyncio.wait_for(postgres_database.run_in_lane(WHO, []), 5)
    assert answer["who"] == "treesync_app"


async def test_behind_a_pooler_nothing_is_left_to_the_session(postgres_server: PostgresServer) -> None:
    async with opened(postgres_server.shared, transaction_pooler=True) as database:
        writer = await new_tree(database)
        async with database.transaction(writer.key.tenant) as connection:
            row = await connection.fetchrow(WHO)
            assert row is not None
            assert tuple(row) == ("treesync_app", writer.key.tenant)
        store = PostgresStore(database)
        writer.update("left", title="x")
        assert (await store.commit([writer.cut()]))[0].committed
        assert (await store.heads([writer.key]))[writer.key].seq == 2
        async with store.exclusive(writer.key) as turn:
            assert len((await turn.missing(1)).ops) == 1
        assert tuple(await database.run_in_lane(WHO, [])) == ("treesync_app", "")
        async with database.connection() as connection:
            assert not await connection.fetchval("SELECT current_setting('app.tenant', true)")


async def test_who_holds_a_head_idle_loses_it(postgres_database: Database, postgres_store: PostgresStore) -> None:
    """idle_in_transaction_session_timeout is 2 s: a stalled holder cannot block a tree for ever (SEMANTICS 5)."""
    writer = await new_tree(postgres_database)
    writer.update("left", title="late")
    batch = writer.cut()
    ended = asyncio.Event()

    async def stall() -> None:
        async with postgres_store.exclusive(writer.key) as turn:
            while not (await postgres_store.commit([batch]))[0].committed:
                pass  # a head that is held counts as lost
            ended.set()
            await turn.missing(0)

    with pytest.raises(Unavailable):
        await asyncio.wait_for(stall(), 10)
    assert ended.is_set()
