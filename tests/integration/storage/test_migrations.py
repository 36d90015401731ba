"""The migrations, and that schema.sql is what they reach."""

from __future__ import annotations

import asyncio
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from storage.directory import CREATE, CREATE_HEAD, PostgresDirectory
from storage.migrate import FOLDER, check, migrate, migrations, verify
from storage.postgres import PostgresStore
from sync.errors import Clash, Unavailable
from sync.identity import Identity, TreeKey
from tests.batches import node
from tests.integration.storage.filled import new_tree
from tests.postgres_servers import PostgresServer, opened

ROOT = Path(__file__).parents[3]
MAKE_OWNER = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plain_owner') THEN
        CREATE ROLE plain_owner LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS;
    END IF;
END $$
"""
ACTIVITIES = "SELECT count(*) FROM user_activities"
OLD_RECORD = """
INSERT INTO conflicts (tenant_id, tree_id, id, node_id, user_id, client_id, n, base, op, paths, created_at, updated_at,
    closed_at)
VALUES ($1, $2, $3, 'root', 'ada', 'c1', 1, 1, '{"op":"delete","n":1,"base":1,"node":"root"}',
    '{"a":{"by":"cy","seq":1},"b":{"by":"bo","seq":2},"c":{"by":"","seq":0}}', now(), now(), $4)
"""
IN_DEFAULT = "SELECT count(*) FROM user_activities WHERE tableoid = 'user_activities_default'::regclass"


def dumped(server: PostgresServer, dsn: str) -> list[str]:
    """A database's schema, without comments, blank lines and what names the moment of the dump."""
    command = [str(server.binaries / "pg_dump"), "--schema-only", "--exclude-table=schema_migrations", "-d", dsn]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("--")]
    return [line for line in lines if not re.match(r"\\(un)?restrict ", line)]


async def test_schema_sql_is_what_all_migrations_reach(postgres_server: PostgresServer, postgres_url: str) -> None:
    written = await postgres_server.fresh(migrated=False)
    connection = await asyncpg.connect(written)
    await connection.execute((ROOT / "schema.sql").read_text())
    await connection.close()
    from_file, from_migrations = dumped(postgres_server, written), dumped(postgres_server, postgres_url)
    assert len(from_file) > 200
    assert from_file == from_migrations


async def test_each_migration_is_applied_once(postgres_server: PostgresServer) -> None:
    dsn = await postgres_server.fresh(migrated=False)
    names = [migration.name for migration in migrations()]
    before = await check(dsn)
    assert (before.applied, before.pending, before.current) == ([], names, False)
    with pytest.raises(Clash, match="run `treesync migrate`"):
        await verify(dsn)
    assert await migrate(dsn) == names
    assert await migrate(dsn) == []
    assert (await check(dsn)).current
    await verify(dsn)


async def test_processes_that_migrate_at_once_wait_for_each_other(postgres_server: PostgresServer) -> None:
    dsn = await postgres_server.fresh(migrated=False)
    applied = await asyncio.gather(*(migrate(dsn) for _ in range(4)))
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(migrations())]


async def test_a_migration_that_fails_leaves_nothing_of_itself(postgres_server: PostgresServer, tmp_path: Path) -> None:
    dsn = await postgres_server.fresh(migrated=False)
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good ();")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE bad (); SELECT 1 / 0;")
    with pytest.raises(Exception, match="refused"):
        await migrate(dsn, tmp_path)
    assert (await check(dsn, tmp_path)).pending == ["0002_bad"]
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE bad ();")
    assert await migrate(dsn, tmp_path) == ["0002_bad"]


def copied(folder: Path) -> Path:
    """The project's migrations in another folder; answers the newest."""
    for path in FOLDER.glob("*.sql"):
        (folder / path.name).write_text(path.read_text())
    return max(folder.glob("*.sql"))


async def test_a_changed_or_unknown_migration_is_refused(postgres_url: str, tmp_path: Path) -> None:
    newest = copied(tmp_path)
    content = newest.read_text()
    newest.write_text(content + "-- changed\n")
    assert (await check(postgres_url, tmp_path)).changed == [newest.stem]
    for refused in (migrate, verify):
        with pytest.raises(Clash, match="another content"):
            await refused(postgres_url, tmp_path)
    newest.unlink()
    assert (await check(postgres_url, tmp_path)).unknown == [newest.stem]
    for refused in (migrate, verify):
        with pytest.raises(Clash, match="newer release"):
            await refused(postgres_url, tmp_path)


def test_migrations_are_numbered_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("")
    with pytest.raises(ValueError, match="without a gap"):
        migrations(tmp_path)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await check(f"postgresql://postgres@/none?host={tmp_path}")


async def owned(postgres_server: PostgresServer) -> str:
    """A new database of a role that may create roles and owns it, which is what managed servers give; as that role."""
    dsn = await postgres_server.fresh(migrated=False)
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(MAKE_OWNER)
        await admin.execute(
            f'ALTER DATABASE "{await admin.fetchval("SELECT current_database()")}" OWNER TO plain_owner'
        )
        for role in ("treesync_app", "treesync_lister"):  # of this server already; a new one would make them itself
            await admin.execute(f"GRANT {role} TO plain_owner WITH ADMIN OPTION")
    finally:
        await admin.close()
    return dsn.replace("postgres@", "plain_owner@")


async def test_an_owner_without_superuser_can_migrate_and_serve(postgres_server: PostgresServer) -> None:
    own = await owned(postgres_server)
    await migrate(own)
    async with opened(own) as database:
        writer = await new_tree(database)
        writer.insert(node("n1", "root"))
        writer.set_aside(1, "Mine")
        store = PostgresStore(database)
        assert (await store.commit([writer.cut()]))[0].committed
        assert len((await store.load(writer.key)).nodes) == 4
        assert await database.tenants() == [writer.key.tenant]
        async with database.transaction(writer.key.tenant) as connection:
            assert await connection.fetchval("SELECT make_activity_partitions(now(), 1)") == 2
            assert await connection.fetchval(IN_DEFAULT) == 0
            assert await connection.fetchval(ACTIVITIES) == 3
    async with opened(own) as database, database.transaction("somebody-else") as connection:
        assert await connection.fetchval(ACTIVITIES) == 0


async def test_conflict_records_of_an_older_release_are_kept(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """By an owner whom row-level security binds too."""
    own = await owned(postgres_server)
    for path in sorted(FOLDER.glob("*.sql"))[:2]:
        (tmp_path / path.name).write_text(path.read_text())
    await migrate(own, tmp_path)
    connection = await asyncpg.connect(own)
    try:
        keys = [await old_tree(connection, tenant) for tenant in ("acme", "other")]
    finally:
        await connection.close()
    await migrate(own)
    async with opened(own) as database:
        for key in keys:
            store, directory = PostgresStore(database), PostgresDirectory(database)
            [record] = (await store.load(key)).conflicts
            assert (record.id, record.kind, record.parties) == (1, "aside", ["ada", "bo", "cy"])
            assert record.ops == [{"op": "delete", "n": 1, "base": 1, "node": "root"}]
            assert await store.conflict(key, 2) is not None
            listed = await directory.own_conflicts(Identity(tenant=key.tenant, user="ada", expires_at=4e9), limit=9)
            assert [(one.tree, one.record.id) for one in listed] == [(key.tree, 1)]


async def old_tree(connection: asyncpg.Connection, tenant: str) -> TreeKey:
    """A tree with an open and a closed record, as the first release kept them."""
    await connection.execute("SELECT set_config('app.tenant', $1, false)", tenant)
    await connection.execute("INSERT INTO tenants (tenant_id) VALUES ($1)", tenant)
    await connection.execute("INSERT INTO users (tenant_id, user_id) VALUES ($1, 'ada')", tenant)
    tree = await connection.fetchval(CREATE, tenant, "ada", "Old", "private")
    await connection.execute(CREATE_HEAD, tenant, tree, "e1")
    for number, closed in ((1, None), (2, datetime.now(UTC))):
        await connection.execute(OLD_RECORD, tenant, tree, number, closed)
    return TreeKey(tenant, tree)
