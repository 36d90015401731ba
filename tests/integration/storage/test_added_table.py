"""P10 for what somebody adds later: a table without its class, its policy or its tenant in every key fails the suite.

Each of the catalogue's checks is run on a database to which such a table was added, and must fail there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.integration.storage import test_row_security as catalogue
from tests.postgres_servers import PostgresServers

Check = Callable[[Any], Awaitable[None]]
TABLE = "CREATE TABLE added (tenant_id text NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id));"
FORCED = "ALTER TABLE added ENABLE ROW LEVEL SECURITY; ALTER TABLE added FORCE ROW LEVEL SECURITY;"
POLICY = f"CREATE POLICY one_tenant ON added USING {catalogue.THE_POLICY} WITH CHECK {catalogue.THE_POLICY};"
VIEWS = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
   AND NOT coalesce(reloptions, '{}') @> ARRAY['security_invoker=true']
"""
CLASSED = catalogue.test_p10_every_table_is_classed_and_every_tenants_table_is_forced
ONE_POLICY = catalogue.test_p10_every_tenants_table_has_the_one_policy
KEYS = catalogue.test_p10_every_key_begins_with_the_tenant_but_the_order_of_siblings
ROLES = catalogue.test_p10_the_runtime_roles_own_nothing_and_can_bypass_nothing
DEFINERS = catalogue.test_p10_few_functions_run_with_their_owners_rights

ADDED: dict[str, tuple[str, Check]] = {
    "no class": (TABLE + FORCED + POLICY, CLASSED),
    "no row security": (TABLE, CLASSED),
    "row security that its owner passes by": (TABLE + "ALTER TABLE added ENABLE ROW LEVEL SECURITY;" + POLICY, CLASSED),
    "no policy": (TABLE + FORCED, ONE_POLICY),
    "a policy for everyone": (TABLE + FORCED + "CREATE POLICY one_tenant ON added USING (true);", ONE_POLICY),
    "a second policy": (TABLE + FORCED + POLICY + "CREATE POLICY more ON added USING (true);", ONE_POLICY),
    "a policy that takes unset for all": (
        TABLE
        + FORCED
        + "CREATE POLICY one_tenant ON added USING (current_setting('app.tenant', true) IN ('', tenant_id));",
        ONE_POLICY,
    ),
    "a unique without the tenant": (TABLE + FORCED + POLICY + "CREATE UNIQUE INDEX added_id ON added (id);", KEYS),
    "a reference without the tenant": (
        "CREATE TABLE other (id bigint PRIMARY KEY);"
        + TABLE
        + "ALTER TABLE added ADD FOREIGN KEY (id) REFERENCES other;",
        KEYS,
    ),
    "a table that the runtime role owns": (TABLE + "ALTER TABLE added OWNER TO treesync_app;", ROLES),
    "a runtime role that bypasses": ("ALTER ROLE treesync_lister BYPASSRLS;", ROLES),
    "a function with its owner's rights": (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM tree_nodes';",
        DEFINERS,
    ),
}


CLEAN = (
    "DROP TABLE IF EXISTS added, other CASCADE; DROP FUNCTION IF EXISTS peek; ALTER ROLE treesync_lister NOBYPASSRLS;"
)


class Changed:
    """A database of its own in place of the one that tests share; roles are the whole server's."""

    def __init__(self, dsn: str) -> None:
        self.shared = dsn

    async def execute(self, statements: str) -> None:
        connection = await asyncpg.connect(self.shared)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def changed(postgres_servers: PostgresServers) -> Changed:
    return Changed(await (await postgres_servers.get("18")).fresh())


@pytest.mark.parametrize("what", ADDED)
async def test_p10_what_is_added_without_its_guards_is_noticed(
    changed: Changed, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements, check = ADDED[what]
    await check(changed)
    if check is not CLASSED:  # it has its class: what is looked at is the rest
        monkeypatch.setattr(catalogue, "OF_TENANTS", sorted([*catalogue.OF_TENANTS, "added"]))
    try:
        await changed.execute(statements)
        with pytest.raises((AssertionError, ValueError)):
            await check(changed)
    finally:
        await changed.execute(CLEAN)


async def test_p10_a_table_with_all_its_guards_is_none_of_these(
    changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "CLASSES", catalogue.CLASSES | {"added": "tenant"})
    monkeypatch.setattr(catalogue, "OF_TENANTS", sorted([*catalogue.OF_TENANTS, "added"]))
    try:
        await changed.execute(TABLE + FORCED + POLICY)
        checks: list[Check] = [CLASSED, ONE_POLICY, KEYS, ROLES, DEFINERS]
        for check in checks:
            await check(changed)
    finally:
        await changed.execute(CLEAN)


async def test_p10_a_view_has_the_rights_of_who_asks(changed: Changed) -> None:
    """Otherwise it would read as its owner, past every policy."""
    connection = await asyncpg.connect(changed.shared)
    transaction = connection.transaction()
    await transaction.start()
    try:
        assert await connection.fetch(VIEWS) == []
        await connection.execute("CREATE VIEW peek AS SELECT * FROM tree_nodes")
        assert [row["relname"] for row in await connection.fetch(VIEWS)] == ["peek"]
    finally:
        await transaction.rollback()
        await connection.close()
