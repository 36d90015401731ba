"""What docs/scaling.md says of spreading the schema over hosts by tenant, asked of the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from tests.postgres_servers import PostgresServer

SCALING = Path(__file__).parents[3] / "docs" / "scaling.md"

# tables of the schema with the columns of each of their unique indexes; partitions are their parent's
UNIQUE = """
SELECT c.relname AS of, array_agg(a.attname::text ORDER BY a.attname) AS columns
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid AND NOT c.relispartition
JOIN pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = 'public'
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisunique
GROUP BY c.relname, i.indexrelid
"""
# foreign keys: from, to, and the pairs of columns
REFERENCES = """
SELECT c.conrelid::regclass::text AS of, c.confrelid::regclass::text AS at,
    (SELECT array_agg(one.attname || '=' || other.attname)
     FROM unnest(c.conkey, c.confkey) AS pair (k, f)
     JOIN pg_attribute AS one ON one.attrelid = c.conrelid AND one.attnum = k
     JOIN pg_attribute AS other ON other.attrelid = c.confrelid AND other.attnum = f) AS pairs
FROM pg_constraint AS c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""
TABLES = """
SELECT relname::text AS name, EXISTS (
    SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS ours
FROM pg_class AS c
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


async def rows(server: PostgresServer, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.shared)
    try:
        found: list[asyncpg.Record] = await connection.fetch(query)
    finally:
        await connection.close()
    return found


async def test_every_unique_index_of_a_tenants_table_holds_the_tenant(postgres_server: PostgresServer) -> None:
    """Else it could only be kept on one host: Citus refuses it, and so does a partitioned table."""
    ours = {one["name"] for one in await rows(postgres_server, TABLES) if one["ours"]}
    found = [one for one in await rows(postgres_server, UNIQUE) if one["of"] in ours]
    assert len({one["of"] for one in found}) >= 14
    assert [dict(one) for one in found if "tenant_id" not in one["columns"]] == []


async def test_no_reference_leads_from_one_tenant_to_another(postgres_server: PostgresServer) -> None:
    """Then the rows of a tenant can stand on one host together with all that they refer to."""
    found = await rows(postgres_server, REFERENCES)
    assert len(found) >= 12
    assert [dict(one) for one in found if "tenant_id=tenant_id" not in one["pairs"]] == []


async def test_the_tables_without_a_tenant_are_those_the_document_names(postgres_server: PostgresServer) -> None:
    without = {one["name"] for one in await rows(postgres_server, TABLES) if not one["ours"]}
    said = re.search(r"Tables without a tenant: ([^.]+)\.", SCALING.read_text(encoding="utf-8"))
    assert said is not None
    assert without == set(re.findall(r"`(\w+)`", said[1]))
