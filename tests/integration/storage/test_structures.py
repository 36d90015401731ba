"""Projections and analytics on PostgreSQL: what stands in the columns, by which indexes it is found, who waits."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from storage import analytics, structure_rows, structures
from storage.analytics import PostgresAnalytics
from storage.database import Database
from storage.directory import PostgresDirectory
from storage.postgres import PostgresStore
from storage.projecting import made_with, projected
from storage.structure_jobs import structure_jobs
from storage.structure_rows import read_of, read_records
from storage.structures import PostgresStructures
from storage.templates import PostgresTemplates
from sync.errors import Unavailable
from sync.node_templates import standard_templates
from sync.owners import OtherTrees
from sync.protocol import ActivityEvent
from sync.structures import Processed
from tests.batches import author, node
from tests.integration.storage.filled import new_tenant, new_tree
from tests.postgres_servers import PostgresServer, opened

COLUMNS = """
SELECT tree_structure, nodes_data, connections_data, completion_status, user_metrics, ai_metadata, projected_epoch,
    projected_seq, processing_version, last_ai_processed_at
FROM impact_trees WHERE tenant_id = $1 AND id = $2
"""
HEADS = "SELECT xmin::text, ctid::text FROM tree_heads WHERE tenant_id = $1 AND tree_id = $2"
PATIENCE = "SELECT current_setting('idle_in_transaction_session_timeout')"
WAITS = "SELECT EXISTS (SELECT 1 FROM pg_locks AS l WHERE NOT l.granted AND $1 = ANY (pg_blocking_pids(l.pid)))"
HOLD = "SELECT 1 FROM impact_trees WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"


async def columns(database: Database, tenant: str, tree: int) -> dict[str, Any]:
    async with database.transaction(tenant) as connection:
        row = await connection.fetchrow(COLUMNS, tenant, tree)
    assert row is not None
    return {name: _read(value) for name, value in row.items()}


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value


async def test_every_projection_stands_in_its_column(postgres_database: Database) -> None:
    """[ST1] Stamped with its position; what each person did is counted once, however often it is looked at."""
    writer = await new_tree(postgres_database)
    store, kept = PostgresStore(postgres_database), PostgresStructures(postgres_database)
    key = writer.key
    for number in range(3):
        writer.insert(node(f"n{number}", "root"))
        batch = writer.cut()
        [receipt] = await store.commit([batch])
        writer.settle(batch, receipt)
        events = [
            ActivityEvent(id=f"{kind}-{number}", kind=kind, duration_ms=500) for kind in ("node_viewed", "tree_viewed")
        ]
        await store.log_activity(key, author("bo"), events)
        await kept.refresh(key.tenant, since=None)
    now = await columns(postgres_database, key.tenant, key.tree)
    assert (now["projected_epoch"], now["projected_seq"]) == ("e1", writer.head.seq)
    assert now["tree_structure"]["root_nodes"] == ["root"]
    assert set(now["nodes_data"]) == {"root", "left", "right", "n0", "n1", "n2"}
    assert now["connections_data"]["edges"][0]["id"] == "link"
    assert now["completion_status"]["total_nodes"] == 6
    metrics = now["user_metrics"]
    assert metrics["ada"] == {"nodes_created": 6, "edits": writer.head.seq, "time_spent_ms": 0}
    assert metrics["bo"] == {"nodes_created": 0, "edits": 0, "time_spent_ms": 1500}
    assert now["ai_metadata"]["evolution"][-1]["total_nodes"] == 6


async def test_a_refresh_touches_no_head_and_waits_for_no_commit(postgres_database: Database) -> None:
    """[ST1]"""
    writer = await new_tree(postgres_database)
    key, kept = writer.key, PostgresStructures(postgres_database)
    async with postgres_database.transaction(key.tenant) as connection:
        before = await connection.fetchrow(HEADS, key.tenant, key.tree)
    async with postgres_database.transaction(key.tenant) as holder:
        await holder.execute(HOLD, key.tenant, key.tree)
        async with asyncio.timeout(5):
            document = json.loads(await kept.structure(key))
        assert document["metadata"]["total_nodes"] == 3, "given as it was made"
        assert (await columns(postgres_database, key.tenant, key.tree))["nodes_data"] is None, "and not stored"
    assert await kept.refresh(key.tenant, since=None) == 1
    async with postgres_database.transaction(key.tenant) as connection:
        assert await connection.fetchrow(HEADS, key.tenant, key.tree) == before


async def test_a_tree_edited_while_it_is_read_is_given_as_it_is_then(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[ST1] Edited between finding it level and reading its columns, it is neither missing nor old."""
    writer = await new_tree(postgres_database)
    key, kept = writer.key, PostgresStructures(postgres_database)
    await kept.structure(key)
    ask = kept._behind

    async def edited(*asked: Any) -> Any:
        found = await ask(*asked)
        writer.update("root", title="Other")
        batch = writer.cut()
        [receipt] = await PostgresStore(postgres_database).commit([batch])
        writer.settle(batch, receipt)
        return found

    monkeypatch.setattr(kept, "_behind", edited)
    document = json.loads(await kept.structure(key))
    assert (document["seq"], document["nodes"]["root"]["title"]) == (writer.head.seq, "Other")


async def test_rows_become_values_beside_the_loop(postgres_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """[ST1] 17 ms of 10,000 rows, in which nobody else would have a turn."""
    key = (await new_tree(postgres_database)).key
    threads = set()

    def watched(records: Any) -> Any:
        threads.add(threading.current_thread())
        return read_of(records)

    monkeypatch.setattr(structures, "read_of", watched)
    await PostgresStructures(postgres_database).structure(key)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_page_whose_trees_all_go_is_not_the_last(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[ST6]"""
    tenant = new_tenant()
    keys = [(await new_tree(postgres_database, tenant)).key for _ in range(3)]
    kept = PostgresStructures(postgres_database)
    ask = kept._behind

    async def gone(*asked: Any) -> Any:
        found = await ask(*asked)
        for key in keys[:2]:
            await PostgresDirectory(postgres_database).trash_tree(key)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_behind", gone)
        page = await kept.page(tenant, after=0, limit=2)
    assert page.next == keys[1].tree
    after = await kept.page(tenant, after=page.next, limit=2)
    assert [json.loads(document)["tree_id"] for document in after.documents] == [keys[2].tree]
    assert after.next is None


async def test_rows_are_held_a_few_at_a_time_and_not_for_long(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[ST1, ST4, ST5] Commits wait for them: whoever stalls with them is cut off."""
    tenant = new_tenant()
    trees = [(await new_tree(postgres_database, tenant)).key.tree for _ in range(12)]
    kept, begin, held = PostgresStructures(postgres_database), postgres_database.transaction, []

    @asynccontextmanager
    async def watched(tenant: str, **how: Any) -> AsyncIterator[Any]:
        async with begin(tenant, **how) as connection:
            yield connection
            if not how:
                held.append(await connection.fetchval(PATIENCE))

    with monkeypatch.context() as patched:
        patched.setattr(postgres_database, "transaction", watched)
        await kept.refresh(tenant, since=None)
        await kept.claim(tenant, "w1", limit=12, before=None)
        await kept.complete(tenant, "w1", [Processed(tree=tree, insights={}) for tree in trees[:1]])
    assert held == ["2s"] * 4, "two to store, one to claim, one to complete"


async def test_who_completes_a_batch_holds_no_row_while_it_waits_for_another(postgres_database: Database) -> None:
    """[ST5] With a commit that holds them the other way round it would be a deadlock."""
    tenant = new_tenant()
    trees = sorted([(await new_tree(postgres_database, tenant)).key.tree for _ in range(2)])
    kept = PostgresStructures(postgres_database)
    await kept.claim(tenant, "w1", limit=2, before=None)
    async with postgres_database.transaction(tenant) as holder, asyncio.timeout(20):
        await holder.execute(HOLD, tenant, trees[1])
        own = await holder.fetchval("SELECT pg_backend_pid()")
        done = asyncio.create_task(kept.complete(tenant, "w1", [Processed(tree=tree, insights={}) for tree in trees]))
        while not await holder.fetchval(WAITS, own):
            pass
        await holder.execute(f"{HOLD} NOWAIT", tenant, trees[0])
    assert await done == trees


async def test_an_older_projection_never_replaces_a_newer_one(postgres_database: Database) -> None:
    """[ST1]"""
    writer = await new_tree(postgres_database)
    key, kept = writer.key, PostgresStructures(postgres_database)
    templates = standard_templates()
    behind = await kept._behind(key.tenant, templates, None, [key.tree])
    async with postgres_database.transaction(key.tenant) as connection:
        [old] = map(read_of, await read_records(connection, key.tenant, [key.tree]))
    writer.insert(node("n1", "root"))
    assert (await PostgresStore(postgres_database).commit([writer.cut()]))[0].committed
    await kept._project(key.tenant, templates, behind)
    made = projected(old.subject, templates, *old.known())
    async with postgres_database.transaction(key.tenant) as connection:
        await structures._store(connection, key.tenant, templates, [made])
    assert (await columns(postgres_database, key.tenant, key.tree))["projected_seq"] == writer.head.seq + 1


async def test_somebodys_trees_are_level_when_it_is_said_how_far_he_is(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[PG10] As many as are made while one waits; the others are the job's."""
    tenant = new_tenant()
    keys = [(await new_tree(postgres_database, tenant)).key for _ in range(3)]
    kept = PostgresStructures(postgres_database)
    await kept.level(tenant, "bo")
    assert (await columns(postgres_database, tenant, keys[0].tree))["nodes_data"] is None
    monkeypatch.setattr(structures, "PROJECTED_NODES", 6)
    await kept.level(tenant, "ada")
    made = [(await columns(postgres_database, tenant, key.tree))["nodes_data"] is not None for key in keys]
    assert made == [True, True, False]
    monkeypatch.setattr(structures, "PROJECTED_NODES", 2)
    await kept.level(tenant, "ada")
    assert (await columns(postgres_database, tenant, keys[2].tree))["nodes_data"] is None


async def test_the_jobs_bring_every_tenant_level(postgres_database: Database) -> None:
    writers = [await new_tree(postgres_database, new_tenant()) for _ in range(2)]
    recent, everything = structure_jobs(postgres_database, PostgresStructures(postgres_database))
    assert (await recent.work(datetime.now(UTC), True))["trees"] == 0
    assert (await columns(postgres_database, writers[0].key.tenant, writers[0].key.tree))["nodes_data"] is None
    assert (await recent.work(datetime.now(UTC) + timedelta(days=2), False))["trees"] == 0
    assert (await everything.work(datetime.now(UTC), False))["trees"] >= 2
    for writer in writers:
        assert (await columns(postgres_database, writer.key.tenant, writer.key.tree))["nodes_data"] is not None


async def test_a_tenant_that_fails_keeps_no_other_waiting(postgres_database: Database) -> None:
    first = await new_tree(postgres_database, new_tenant())
    behind = await new_tree(postgres_database, f"{first.key.tenant}-z")
    kept = PostgresStructures(postgres_database)

    class Failing(PostgresStructures):
        async def refresh(self, tenant: str, *, since: datetime | None) -> int:
            if tenant == first.key.tenant:
                raise Unavailable("the database is away")
            return await kept.refresh(tenant, since=since)

    _, everything = structure_jobs(postgres_database, Failing(postgres_database))
    with pytest.raises(Unavailable):
        await everything.work(datetime.now(UTC), False)
    assert (await columns(postgres_database, behind.key.tenant, behind.key.tree))["nodes_data"] is not None


MANY = """
INSERT INTO tenants (tenant_id) VALUES ('many');
INSERT INTO users (tenant_id, user_id) SELECT 'many', 'u' || n FROM generate_series(0, 199) AS n;
INSERT INTO impact_trees (tenant_id, id, user_id, name, updated_at, updated_hour, last_ai_processed_at)
SELECT 'many', n, 'u' || n % 200, 'T', moment, date_trunc('hour', moment, 'UTC'),
    CASE WHEN n % 100 > 0 THEN moment + interval '1 hour' END
FROM generate_series(1, 20000) AS n, LATERAL (SELECT now() - n * interval '10 minutes' AS moment) AS m;
INSERT INTO tree_heads (tenant_id, tree_id, epoch) SELECT 'many', n, 'e1' FROM generate_series(1, 20000) AS n;
INSERT INTO tree_terms (tenant_id, tree_id, term, node_count, nodes)
SELECT 'many', n, 'term' || t, 1, '{a}' FROM generate_series(1, 20000) AS n, generate_series(n % 20, n % 20 + 1) AS t;
INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, activity_type)
SELECT 'many', 'u' || n % 200, now() - n * interval '1 minute', n % 20000, 'node_edited'
FROM generate_series(1, 40000) AS n;
ANALYZE;
"""


async def test_each_question_is_answered_by_its_index(postgres_server: PostgresServer) -> None:
    """[ST4, ST7] Under the policies, in a tenant of 20,000 trees."""
    dsn = await postgres_server.fresh()
    owner = await asyncpg.connect(dsn)
    await owner.execute(MANY)
    await owner.close()
    ago, lease, stamp = datetime.now(UTC) - timedelta(days=130), timedelta(minutes=15), made_with(standard_templates())
    wanted = {
        "impact_trees_never_processed": (structures.CLAIM_NEW, "many", 9, "w", lease, 5_000),
        "Backward using impact_trees_of_tenant": (structures.CLAIM_OLD, "many", 9, "w", lease, 5_000, ago),
        "tree_terms_of_term": (structures.WITH_TERM, "many", "term3", 0, 9, False, "u3"),
        "impact_trees_pkey": (structures.DOCUMENTS, "many", [7], stamp),
        "impact_trees_of_tenant": (structure_rows.BEHIND, "many", stamp, datetime.now(UTC), None),
        "impact_trees_of_owner": (analytics.TREES, "many", "u3"),
        "tenant_id_user_id_created_at_idx": (analytics.DAYS, "many", "u3", 30, []),
    }
    async with opened(dsn) as database, database.transaction("many") as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        for index, (query, *arguments) in wanted.items():
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *arguments))
            assert index in plan, plan
            assert "Seq Scan on impact_trees" not in plan, plan
            assert "Seq Scan on tree_terms" not in plan, plan


async def test_behind_a_policy_an_index_on_jsonb_is_of_no_use(postgres_server: PostgresServer) -> None:
    """Why terms have rows of their own: the owner, whom no policy binds here, is served by it, the server is not."""
    dsn = await postgres_server.fresh()
    owner = await asyncpg.connect(dsn)
    await owner.execute("CREATE INDEX anywhere ON impact_trees USING gin (ai_metadata); SET enable_seqscan = off")
    asked = 'EXPLAIN SELECT id FROM impact_trees WHERE ai_metadata @> \'{"terms": {"churn": 1}}\''
    assert "anywhere" in "\n".join(row[0] for row in await owner.fetch(asked))
    await owner.close()
    async with opened(dsn) as database, database.transaction("many") as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        assert "anywhere" not in "\n".join(row[0] for row in await connection.fetch(asked))


async def test_a_persons_numbers(postgres_database: Database) -> None:
    writer = await new_tree(postgres_database)
    tenant, numbers = writer.key.tenant, PostgresAnalytics(postgres_database)
    first = await numbers.stamp(tenant, "ada")
    assert await numbers.stamp(tenant, "ada") == first
    assert await numbers.stamp(tenant, "nobody") is None
    assert await numbers.stamp("somebody-else", "ada") is None
    events = [ActivityEvent(id=kind, kind=kind, duration_ms=700) for kind in ("node_viewed", "tree_viewed")]
    await PostgresStore(postgres_database).log_activity(writer.key, author(), events)
    assert await numbers.stamp(tenant, "ada") != first
    progress = await numbers.progress(tenant, "ada", days=2)
    [day] = progress.series
    assert (day.events, day.time_spent_ms, progress.time_spent_ms, progress.trees) == (2, 700, 700, 1)
    before = await numbers.analytics(tenant, "ada")
    assert before.node_type_distribution == {"opportunity": 3}, "from the rows"
    await PostgresStructures(postgres_database).refresh(tenant, since=None)
    assert await numbers.analytics(tenant, "ada") == before, "from the projections"
    assert await numbers.others(tenant, "ada", but=writer.key.tree) == OtherTrees(0, 0, 0.0)
    assert await numbers.others(tenant, "ada", but=0) == OtherTrees(1, 1, 0.0)
    assert await numbers.others(tenant, "nobody", but=0) == OtherTrees(0, 0, 0.0)
    first = await numbers.stamp(tenant, "ada")
    await PostgresTemplates(postgres_database).set_node_templates(tenant, "ada", {})
    assert await numbers.stamp(tenant, "ada") != first
    nobody = await numbers.analytics(tenant, "nobody")
    assert (nobody.total_trees, nobody.last_activity, nobody.node_type_distribution) == (0, None, {})
