"""Each index serves a question that is asked: shown under the role and the policies of the server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage import conflicts, structures, trash, versions
from storage.database import Database
from storage.listing import VISIBLE, VISIBLE_TO_ADMIN
from tests.postgres_servers import PostgresServers, opened

ROOT = Path(__file__).parent.parent.parent.parent
_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+) ON (\w+)", re.MULTILINE)

# 20,000 trees of 300 people, a tenth shared; in one of them 30,000 nodes, a sixth in the trash, and what people do
MANY = """
INSERT INTO tenants (tenant_id) VALUES ('many');
INSERT INTO users (tenant_id, user_id) SELECT 'many', 'u' || n FROM generate_series(0, 299) AS n;
INSERT INTO impact_trees (tenant_id, id, user_id, name, visibility, updated_at, updated_hour, last_ai_processed_at)
SELECT 'many', n, 'u' || n % 300, 'T', CASE WHEN n % 10 = 0 THEN 'tenant_view' ELSE 'private' END, moment,
    date_trunc('hour', moment, 'UTC'), moment + interval '1 hour'
FROM generate_series(1, 20000) AS n, LATERAL (SELECT now() - n * interval '10 minutes' AS moment) AS m;
INSERT INTO tree_heads (tenant_id, tree_id, epoch) SELECT 'many', n, 'e1' FROM generate_series(1, 20000) AS n;
INSERT INTO tree_members (tenant_id, tree_id, user_id, role)
SELECT 'many', n, 'u' || (n + k) % 300, 'editor' FROM generate_series(1, 20000) AS n, generate_series(1, 3) AS k;
INSERT INTO legacy_rows (tenant_id, source, row_id, content, tree_id)
SELECT 'many', 'old', n, '', n FROM generate_series(1, 20000) AS n;
INSERT INTO tree_nodes (tenant_id, tree_id, id, order_key, node_type, title, seq, marks, deleted_seq, created_at,
    created_by, updated_at, updated_by)
SELECT 'many', 1, 'n' || n, n, 'metric', 'N', n, '{}', CASE WHEN n % 6 = 0 THEN n END, now(), 'u1', now(), 'u1'
FROM generate_series(1, 30000) AS n;
INSERT INTO tree_connections (tenant_id, tree_id, id, from_node, to_node, marks, created_at, created_by, updated_at,
    updated_by)
SELECT 'many', 1, 'c' || n, 'n' || n, 'n' || 20001 - n, '{}', now(), 'u1', now(), 'u1'
FROM generate_series(1, 20000) AS n;
INSERT INTO conflicts (tenant_id, tree_id, id, user_id, client_id, n, base, created_at, updated_at, closed_at, commit)
SELECT 'many', 1, n, 'u1', 'c', n, 0, now(), now(), CASE WHEN n % 50 > 0 THEN now() END, n
FROM generate_series(1, 20000) AS n;
INSERT INTO conflict_parties (tenant_id, tree_id, conflict_id, user_id, opened_at)
SELECT 'many', 1, n, 'u' || n % 300, now() - n * interval '1 minute' FROM generate_series(1, 20000) AS n;
INSERT INTO tree_versions (tenant_id, tree_id, version_number, epoch, seq, thinned_at)
SELECT 'many', 1, n, 'e1', n * 10, CASE WHEN n % 20 > 0 THEN now() END FROM generate_series(1, 20000) AS n;
INSERT INTO system_logs (at, level, source, event) SELECT now() - n * interval '1 hour', 'info', 's', 'e'
FROM generate_series(1, 20000) AS n;
ANALYZE;
"""
_LATEST = [datetime(9999, 1, 1, tzinfo=UTC), 2**62]
_LIST, _LIST_OF_ALL = VISIBLE.replace("{}", ""), VISIBLE_TO_ADMIN.replace("{}", "")  # without a filter
_AGO = datetime.now(UTC) - timedelta(minutes=10 * 20_000 - 60)  # a handful of trees were last processed before

# what PostgreSQL itself asks when a node or a tree is removed for good (manual, 5.5.5): the other side of a foreign key
_FROM = "SELECT 1 FROM tree_connections WHERE tenant_id = $1 AND tree_id = $2 AND from_node = $3"
_TO = "SELECT 1 FROM tree_connections WHERE tenant_id = $1 AND tree_id = $2 AND to_node = $3"
_LEGACY = "SELECT 1 FROM legacy_rows WHERE tenant_id = $1 AND tree_id = $2"
_LOGS = "SELECT * FROM system_logs WHERE at > $1 ORDER BY at"  # what operators read

# and the tables they are of
INDEXES: dict[str, str] = dict(_INDEX.findall((ROOT / "schema.sql").read_text(encoding="utf-8")))
# of a partitioned table a plan names those of the partitions
OF_PARTITIONS = {
    "user_activities_of_user": "tenant_id_user_id_created_at_idx",
    "user_activities_of_tree": "tenant_id_tree_id_created_at_idx",
}
QUESTIONS: dict[str, tuple[Any, ...]] = {
    "impact_trees_of_owner": (_LIST, "many", "u3", *_LATEST, 20),
    "impact_trees_shared": (_LIST, "many", "u3", *_LATEST, 20),
    "tree_members_of_user": (_LIST, "many", "u3", *_LATEST, 20),
    "impact_trees_of_tenant": (_LIST_OF_ALL, "many", "u3", *_LATEST, 20),
    "impact_trees_unprocessed": (structures.CLAIM_OLD, "many", 100, "w", timedelta(minutes=15), 5_000, _AGO),
    "legacy_rows_of_tree": (_LEGACY, "many", 7),
    "tree_nodes_trash": (trash.PAGE, "many", 1, None, None, 50),
    "tree_connections_from": (_FROM, "many", 1, "n7"),
    "tree_connections_to": (_TO, "many", 1, "n7"),
    "conflicts_open": (conflicts.OPEN, "many", 1),
    "conflicts_of_commit": (conflicts.CHANGED, "many", 1, 19_990),
    "conflict_parties_of_user": (conflicts.OWN, "many", "u3", _LATEST[0], 2**62, 2**62, False, 20),
    "tree_versions_listed": (versions.PAGE, "many", 1, 20, 9_000),
    "tree_versions_whole": (versions.BEFORE, "many", 1, "e1", 50_000),
    "system_logs_at": (_LOGS, datetime.now(UTC) - timedelta(days=1)),
}


@pytest.fixture(scope="module", params=["15", "18"])
async def many(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Database]:
    dsn = await (await postgres_servers.get(request.param)).fresh()
    owner = await asyncpg.connect(dsn)
    await owner.execute(MANY)
    await owner.close()
    async with opened(dsn) as database:
        yield database


@pytest.mark.parametrize("index", QUESTIONS)
async def test_an_index_answers_its_question(many: Database, index: str) -> None:
    query, *arguments = QUESTIONS[index]
    async with many.transaction("many") as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *arguments))
    assert index in plan, plan
    assert f"Seq Scan on {INDEXES[index]}" not in plan, plan


def test_every_index_is_shown_in_use() -> None:
    """Here, or by a test of its own capability that asks PostgreSQL for the plan."""
    others = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    tests = [text for text in (path.read_text(encoding="utf-8") for path in others) if "EXPLAIN" in text]
    shown = "\n".join([*tests, *QUESTIONS])
    assert len(INDEXES) > 15
    assert [index for index in INDEXES if OF_PARTITIONS.get(index, index) not in shown] == []


async def test_statements_are_prepared_once_for_each_connection(many: Database) -> None:
    """What spec 002 asks: the same text is planned by the first who asks, and found by the next."""
    found = "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1"
    async with many.transaction("many") as connection:
        for _ in range(3):
            await connection.fetch(conflicts.OPEN, "many", 1)
        assert await connection.fetchval(found, conflicts.OPEN) == 1
