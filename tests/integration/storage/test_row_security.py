# ruff: noqa: S608 - the names in these statements are the catalogue's
"""P10 in the catalogue: every table has its class, every tenant's table its policy, every key its tenant."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

from storage.database import Database
from sync.errors import NotFound
from sync.identity import TreeKey
from tests.integration.storage.filled import fill, new_tenant
from tests.integration.storage.isolation import insertion
from tests.postgres_servers import PostgresServer

SCHEMA = (Path(__file__).parents[3] / "schema.sql").read_text()
CLASSES = dict(re.findall(r"^-- (\w+) -+\n-- (tenant|personal|installation)\. ", SCHEMA, re.MULTILINE))
OF_TENANTS = sorted(table for table, kind in CLASSES.items() if kind != "installation")
THE_POLICY = "(tenant_id = NULLIF(current_setting('app.tenant'::text, true), ''::text))"

TABLES = """
SELECT relname, relrowsecurity AND relforcerowsecurity AS forced, relispartition FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'
"""
POLICIES = "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies"
ROLES = """
SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication AS able,
    (SELECT count(*) FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') AS owned,
    (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS member_of
FROM pg_roles AS r WHERE rolname IN ('treesync_app', 'treesync_lister')
"""
KEYS = """
SELECT i.indrelid::regclass::text AS relation, i.indexrelid::regclass::text AS index, a.attname AS first,
    (SELECT bool_or(b.attname = 'tenant_id') FROM pg_attribute AS b
        WHERE b.attrelid = i.indrelid AND b.attnum = ANY (i.indkey)) AS holds_tenant FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid::regclass::text = ANY ($1)
"""
FOREIGN_KEYS = """
SELECT conname, own.attname AS own, other.attname AS other FROM pg_constraint AS c
JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = confkey[1]
WHERE contype = 'f' AND conparentid = 0
"""
DEFINERS = """
SELECT proname, proconfig, has_function_privilege('public', oid, 'EXECUTE') AS open FROM pg_proc
WHERE prosecdef AND pronamespace = 'public'::regnamespace
"""
COLLATIONS = """
SELECT attrelid::regclass::text || '.' || attname FROM pg_attribute JOIN pg_collation AS c ON c.oid = attcollation
JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'
    AND attname IN ('tenant_id', 'order_key', 'client_id', 'user_id', 'node_id') AND collname <> 'C'
"""


async def as_app(database: Database, tenant: str | None, query: str, *arguments: object) -> list[asyncpg.Record]:
    """Run a query as the server would, with a tenant, with the empty one, or with none set at all."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            if tenant is not None:
                await connection.execute("SELECT set_config('app.tenant', $1, true)", tenant)
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
    finally:
        connection.terminate()


async def catalogue(server: PostgresServer, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.shared)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return rows
    finally:
        await connection.close()


async def test_p10_every_table_is_classed_and_every_tenants_table_is_forced(postgres_server: PostgresServer) -> None:
    rows = await catalogue(postgres_server, TABLES)
    assert {row["relname"] for row in rows if not row["relispartition"]} == CLASSES.keys()
    exposed = [row["relname"] for row in rows if not row["forced"] and CLASSES.get(row["relname"]) != "installation"]
    assert exposed == []


async def test_p10_every_tenants_table_has_the_one_policy(postgres_server: PostgresServer) -> None:
    rows = await catalogue(postgres_server, POLICIES)
    by_name = {(row["tablename"], row["policyname"]): row for row in rows}
    lists = by_name.pop(("tenants", "every_tenant"))
    assert (list(lists["roles"]), lists["cmd"]) == (["treesync_lister"], "SELECT")
    assert {table for table, _ in by_name} == set(OF_TENANTS)
    for row in by_name.values():
        found = (row["policyname"], row["permissive"], row["cmd"], row["qual"], row["with_check"])
        assert found == ("one_tenant", "PERMISSIVE", "ALL", THE_POLICY, THE_POLICY)


async def test_p10_the_runtime_roles_own_nothing_and_can_bypass_nothing(postgres_server: PostgresServer) -> None:
    rows = await catalogue(postgres_server, ROLES)
    found = {row["rolname"]: (row["able"], row["owned"], row["member_of"]) for row in rows}
    assert found == {"treesync_app": (False, 0, 0), "treesync_lister": (False, 0, 0)}


async def test_p10_every_key_begins_with_the_tenant_but_the_order_of_siblings(postgres_server: PostgresServer) -> None:
    keys = await catalogue(postgres_server, KEYS, OF_TENANTS)
    assert {row["relation"] for row in keys} == set(OF_TENANTS)
    assert all(row["holds_tenant"] for row in keys)
    # the order of siblings begins with the parent: schema.sql says why
    assert {row["first"] for row in keys if row["index"] != "tree_nodes_order"} == {"tenant_id"}
    references = await catalogue(postgres_server, FOREIGN_KEYS)
    assert len(references) >= 12
    assert {(row["own"], row["other"]) for row in references} == {("tenant_id", "tenant_id")}


async def test_p10_few_functions_run_with_their_owners_rights(postgres_server: PostgresServer) -> None:
    """Those that make and drop whole months of activity, of all tenants alike."""
    definers = await catalogue(postgres_server, DEFINERS)
    names = ["drop_activity_partition", "make_activity_partitions", "remove_old_activity"]
    assert sorted(one["proname"] for one in definers) == names
    for one in definers:
        assert one["proconfig"][0] == "search_path=pg_catalog, public, pg_temp"
        assert not one["open"]


async def test_keys_sort_by_byte(postgres_server: PostgresServer) -> None:
    assert await catalogue(postgres_server, COLLATIONS) == []


async def _insertion(server: PostgresServer, table: str) -> str:
    connection = await asyncpg.connect(server.shared)
    try:
        return await insertion(connection, table)
    finally:
        await connection.close()


@pytest.mark.parametrize("tenant", [None, "", "somebody-else"])
async def test_p10_nobody_reads_another_tenants_rows(postgres_database: Database, tenant: str | None) -> None:
    key = await fill(postgres_database)
    for table in OF_TENANTS:
        count = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"
        assert (await as_app(postgres_database, key.tenant, count, key.tenant))[0][0] > 0, table
        assert (await as_app(postgres_database, tenant, count, key.tenant))[0][0] == 0, table
        if tenant != "somebody-else":
            assert (await as_app(postgres_database, tenant, f"SELECT count(*) FROM {table}"))[0][0] == 0, table


@pytest.mark.parametrize("tenant", [None, "", "somebody-else"])
async def test_p10_nobody_writes_into_another_tenant(
    postgres_server: PostgresServer, postgres_database: Database, tenant: str | None
) -> None:
    key = await fill(postgres_database)
    for table in OF_TENANTS:
        [row] = await catalogue(
            postgres_server, f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE tenant_id = $1 LIMIT 1", key.tenant
        )
        insert = await _insertion(postgres_server, table)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await as_app(postgres_database, tenant, insert, row[0])


@pytest.mark.parametrize("tenant", [None, "", "somebody-else"])
async def test_p10_nobody_changes_another_tenants_rows(postgres_database: Database, tenant: str | None) -> None:
    key = await fill(postgres_database)
    for table in ("users", "impact_trees", "tree_heads", "tree_nodes", "tree_connections", "tree_clients", "conflicts"):
        change = f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = $1 RETURNING 1"
        assert await as_app(postgres_database, tenant, change, key.tenant) == []
    for table in ("tree_members", "tree_results", "activity_events"):
        remove = f"DELETE FROM {table} WHERE tenant_id = $1 RETURNING 1"
        assert await as_app(postgres_database, tenant, remove, key.tenant) == []


async def test_p10_a_row_cannot_move_to_another_tenant(postgres_database: Database) -> None:
    key = await fill(postgres_database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app(postgres_database, key.tenant, "UPDATE tree_nodes SET tenant_id = 'somebody-else'")


@pytest.mark.parametrize("table", ["tree_ops", "tree_versions", "user_activities"])
async def test_what_is_history_cannot_be_rewritten_by_the_server(postgres_database: Database, table: str) -> None:
    key = await fill(postgres_database)
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = tenant_id"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await as_app(postgres_database, key.tenant, statement)


async def test_p10_partitions_are_reached_through_their_parent_alone(postgres_database: Database) -> None:
    key = await fill(postgres_database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await as_app(postgres_database, key.tenant, "SELECT count(*) FROM user_activities_default")


async def test_the_lister_sees_the_tenants_and_nothing_else(postgres_database: Database) -> None:
    key = await fill(postgres_database)
    assert key.tenant in await postgres_database.tenants()
    connection = await postgres_database.connect()
    try:
        await connection.execute("SET ROLE treesync_lister")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM users")
    finally:
        connection.terminate()


async def test_a_transaction_leaves_no_tenant_behind(postgres_database: Database) -> None:
    tenant = new_tenant()
    with pytest.raises(NotFound):
        async with postgres_database.transaction(tenant):
            raise NotFound(str(TreeKey(tenant, 1)))
    async with postgres_database.connection() as connection:
        assert not await connection.fetchval("SELECT current_setting('app.tenant', true)")
        assert await connection.fetchval("SELECT current_user") == "treesync_app"
