"""Feeds and numbers on PostgreSQL: by which indexes they are found, and in which partitions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest

from storage import feeds, personal_metrics
from storage.core_jobs import core_jobs
from storage.database import Database
from sync.activities import OF_TREES
from sync.feeds import Wanted
from sync.personal_metrics import span_of
from tests.integration.storage.filled import new_tree
from tests.postgres_servers import PostgresServers, opened

NOW = datetime(2042, 6, 15, tzinfo=UTC)
MONTHS = 6
FILL = """
INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, activity_type, activity_data, session_id)
SELECT $1, 'u' || i % 50, $3::timestamptz - make_interval(mins => i * 130),
    CASE WHEN i % 40 = 0 THEN $2 ELSE i % 40 END, 'node_edited', '{"seq": 1, "mode": "live", "fields": ["title"]}',
    'v' || i % 500
FROM generate_series(1, 2000) AS i
"""


class Filled(NamedTuple):
    """2,000 rows of 50 people in 40 trees, over the six months before NOW and some days of each."""

    database: Database
    tenant: str
    tree: int


@pytest.fixture(scope="module")
async def filled(postgres_servers: PostgresServers) -> AsyncIterator[Filled]:
    dsn = await (await postgres_servers.get("18")).fresh()
    async with opened(dsn) as database:
        jobs = {job.name: job for job in core_jobs(database)}
        for month in (1, 4):
            await jobs["partitions"].work(datetime(2042, month, 1, tzinfo=UTC), False)
        key = (await new_tree(database)).key
        async with database.transaction(key.tenant) as connection:
            await connection.execute(FILL, key.tenant, key.tree, NOW)
        owner = await asyncpg.connect(dsn)
        await owner.execute("ANALYZE user_activities")
        await owner.close()
        yield Filled(database, key.tenant, key.tree)


async def plan(filled: Filled, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """Every node of the plan, prepared for any arguments as the pool's connections come to do it."""
    literals = ", ".join(_literal(argument) for argument in arguments)
    async with filled.database.transaction(filled.tenant) as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
        await connection.execute(f"PREPARE asked AS {statement}")
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({literals})")
        await connection.execute("DEALLOCATE asked")
    return list(_nodes(json.loads(found)[0]["Plan"]))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case list():
            return "ARRAY[" + ", ".join(_literal(one) for one in value) + "]"
        case _:
            return f"'{value}'"


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for below in node.get("Plans", []) for inner in _nodes(below))]


def read_partitions(nodes: list[dict[str, Any]]) -> set[str]:
    """Those of user_activities that were read at all."""
    return {
        node["Relation Name"]
        for node in nodes
        if node.get("Relation Name", "").startswith("user_activities_") and node["Actual Loops"]
    }


def asked_for(filled: Filled, subject: Any, since: datetime, limit: int) -> tuple[Any, ...]:
    latest = (NOW, 2**62)
    return (filled.tenant, subject, *latest, since, limit, None, None, None, True, sorted(OF_TREES))


@pytest.mark.parametrize("of", ["user_id", "tree_id"])
async def test_a_page_is_found_by_the_index_and_reads_no_more_than_it_has(filled: Filled, of: str) -> None:
    """[AC8] A page of the newest 20 leaves the months before them alone, but for the first row of each."""
    statement, subject, index = {
        "user_id": (feeds.OF_USER, "u1", "tenant_id_user_id_created_at_idx"),
        "tree_id": (feeds.OF_TREE, filled.tree, "tenant_id_tree_id_created_at_idx"),
    }[of]
    nodes = await plan(filled, statement, *asked_for(filled, subject, datetime(1970, 1, 1, tzinfo=UTC), 20))
    scans = [node for node in nodes if node.get("Relation Name", "").startswith("user_activities_")]
    assert {node["Node Type"] for node in scans} == {"Index Scan"}
    assert all(node["Index Name"].endswith(index) for node in scans)
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= 20 + MONTHS + 1


async def test_a_feed_since_a_day_reads_the_months_since_then(filled: Filled) -> None:
    """[AC6]"""
    since = NOW - timedelta(days=20)
    nodes = await plan(filled, feeds.OF_USER, *asked_for(filled, "u1", since, 500))
    assert read_partitions(nodes) == {"user_activities_2042_05", "user_activities_2042_06"}


async def test_numbers_of_a_span_read_its_months(filled: Filled) -> None:
    """[AC10] And no rows of other people."""
    first = datetime(2042, 3, 2, tzinfo=UTC).date()
    span = span_of(first, first + timedelta(days=30), "day", UTC, "UTC")
    edges = f"{{{','.join(edge.isoformat() for edge in span.edges)}}}"
    nodes = await plan(
        filled, personal_metrics.COUNTS, filled.tenant, "u1", edges, span.edges[0], span.edges[-1], sorted(OF_TREES)
    )
    assert read_partitions(nodes) == {"user_activities_2042_03", "user_activities_2042_04"}
    scans = [node for node in nodes if node.get("Relation Name", "").startswith("user_activities_")]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Bitmap Heap Scan"}
    assert not any(node.get("Rows Removed by Filter") for node in scans)
    kinds = await plan(filled, personal_metrics.KINDS, filled.tenant, "u1", span.edges[0], span.edges[-1])
    assert read_partitions(kinds) == {"user_activities_2042_03", "user_activities_2042_04"}


OLD_EVENTS = """
INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, activity_type, activity_data)
SELECT $1, 'old', $3::timestamptz, $2, kind, data::jsonb
FROM unnest(ARRAY['node_viewed', 'nodes_imported', 'node_created']) AS kind,
    unnest(ARRAY['{"seq": 0.5}', '{"seq": 1e30}', '{"seq": "x"}', '{"seq": 1}', '{"seq": -1, "mode": "live"}']) AS data
"""


async def test_what_an_older_release_stored_is_read(filled: Filled) -> None:
    """[AC6, AC10] It kept what a client said where the server's own words stand now."""
    async with filled.database.transaction(filled.tenant) as connection:
        await connection.execute(OLD_EVENTS, filled.tenant, filled.tree, NOW)
    reader = feeds.PostgresFeeds(filled.database)
    of_tree = await reader.rows(Wanted(tenant=filled.tenant, tree=filled.tree, user="old"), before=None, limit=500)
    assert of_tree.rows == []
    own = await reader.rows(Wanted(tenant=filled.tenant, user="old"), before=None, limit=500)
    assert [row.reported for row in own.rows] == [True] * 15
    edges = [NOW - timedelta(days=1), NOW + timedelta(days=1)]
    counted = await personal_metrics.PostgresMetrics(filled.database).metrics(filled.tenant, "old", edges)
    assert (counted.totals.edits, counted.totals.nodes_created, counted.totals.events) == (0, 0, 15)
