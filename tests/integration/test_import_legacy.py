"""`treesync import-legacy`: each row of an old table makes one tree, however often, by how many, and after kills."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.__main__ import main
from server.legacy_import import LegacyImport, Owners, Taken
from server.legacy_sources import dump, table_of
from storage.database import Database
from storage.legacy import PostgresLegacy
from storage.postgres import PostgresStore
from sync.errors import NotFound
from sync.formats.portable import portable_of
from sync.growing import tree_of
from sync.identity import TreeKey
from sync.legacy.row import OldTree, read_row
from sync.limits import Limits
from tests.clocks import RealClock
from tests.commands import treesync
from tests.old_rows import chain, old_row
from tests.postgres_servers import PostgresServers, in_thread, opened
from tests.waiting import POLL_SECONDS

ROWS = 30
# spec 002, migrations/0001_initial.sql
OLD_TABLE = """
CREATE SCHEMA old;
CREATE TABLE old.impact_trees (
    id serial PRIMARY KEY NOT NULL, user_id varchar(255) NOT NULL, name text NOT NULL, description text,
    nodes jsonb DEFAULT '[]' NOT NULL, connections jsonb DEFAULT '[]' NOT NULL,
    canvas_state jsonb DEFAULT '{"zoom": 1, "pan": {"x": 0, "y": 0}, "orientation": "vertical"}' NOT NULL,
    discovery_phase text DEFAULT 'strategy', is_template boolean DEFAULT false,
    created_at timestamp DEFAULT now() NOT NULL, updated_at timestamp DEFAULT now() NOT NULL
);
"""
FILL = "INSERT INTO old.impact_trees SELECT * FROM jsonb_populate_recordset(NULL::old.impact_trees, $1)"
MADE = """
SELECT (SELECT count(*) FROM impact_trees) AS trees, (SELECT count(*) FROM legacy_rows) AS rows,
    (SELECT count(*) FROM tree_ops) AS ops, (SELECT count(DISTINCT tree_id) FROM legacy_rows) AS of_rows,
    (SELECT count(*) FROM user_activities WHERE activity_type = 'tree_created') AS told
"""
ONCE = {"trees": ROWS, "rows": ROWS, "ops": 2 * ROWS, "of_rows": ROWS, "told": ROWS}
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = $1"


async def fill(dsn: str, rows: Iterable[dict[str, Any]]) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(OLD_TABLE)
    await connection.execute(FILL, json.dumps(list(rows)))
    await connection.close()


async def counted(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    [found] = await connection.fetch(MADE)
    await connection.close()
    return dict(found)


@pytest.fixture
async def old(postgres_url: str) -> str:
    """A database with the old table beside the new ones."""
    await fill(postgres_url, [old_row(number) for number in range(1, ROWS + 1)])
    return postgres_url


@pytest.fixture
async def database(old: str) -> AsyncIterator[Database]:
    async with opened(old) as database:
        yield database


def taking(database: Database, source: str = "legacy", *, dry_run: bool = False) -> LegacyImport:
    owners = Owners({"u1": ("acme", "ada")}, tenant="old-co")
    rows = PostgresLegacy(database)
    return LegacyImport(rows, owners, RealClock(), source=source, limits=Limits(), dry_run=dry_run)


async def take_all(dsn: str, to: LegacyImport) -> list[Taken]:
    async with table_of(dsn, "old", "impact_trees") as rows:
        assert rows.total == ROWS
        return [await to.take(row.content or "") async for row in rows.rows]


async def test_each_row_is_a_tree_with_its_log_its_owner_and_its_times(old: str, database: Database) -> None:
    taken = await take_all(old, taking(database))
    assert {one.fate for one in taken} == {"made"}
    assert await counted(old) == ONCE
    store = PostgresStore(database)
    for number in (1, 2, 3):
        read = read_row(json.dumps(old_row(number)), Limits())
        assert isinstance(read, OldTree)
        tenant, user = ("acme", "ada") if number == 1 else ("old-co", f"u{number}")
        tree = taken[number - 1].tree
        assert tree is not None
        loaded = await store.load(TreeKey(tenant, tree))
        held = tree_of(loaded)
        held.check()
        back = portable_of(held.state())
        assert back.details == read.tree.details
        assert {node.id: node.parent for node in back.nodes} == {node.id: node.parent for node in read.tree.nodes}
        assert {node.id: node.template_data or {} for node in back.nodes} == {
            node.id: node.template_data or {} for node in read.tree.nodes
        }
        assert sorted(one.id for one in back.connections) == sorted(one.id for one in read.tree.connections)
        async with database.transaction(tenant) as connection:
            row = await connection.fetchrow("SELECT * FROM impact_trees WHERE tenant_id = $1 AND id = $2", tenant, tree)
        assert row is not None
        assert (row["user_id"], row["visibility"]) == (user, "private")
        assert str(row["created_at"]) == "2024-01-15 10:00:00+00:00"
        assert str(row["updated_at"]) == "2024-01-20 15:30:00.500000+00:00"
        assert str(row["updated_hour"]) == "2024-01-20 15:00:00+00:00"


async def test_taken_again_every_row_is_known_and_one_that_changed_is_told(old: str, database: Database) -> None:
    first = await take_all(old, taking(database))
    connection = await asyncpg.connect(old)
    await connection.execute("UPDATE old.impact_trees SET name = 'other' WHERE id = 4")
    await connection.close()
    second = await take_all(old, taking(database))
    assert [one.fate for one in second] == ["known"] * 3 + ["changed"] + ["known"] * (ROWS - 4)
    assert [one.tree for one in second] == [one.tree for one in first]
    assert await counted(old) == ONCE
    third = await take_all(old, taking(database, source="another table"))
    assert {one.fate for one in third} == {"made"}


async def test_of_two_at_once_each_row_is_made_by_one(old: str, database: Database) -> None:
    async with opened(old) as other:
        runs = await asyncio.gather(
            take_all(old, taking(database)), take_all(old, taking(other)), take_all(old, taking(database))
        )
    for fates in zip(*([one.fate for one in run] for run in runs), strict=True):
        assert sorted(fates) == ["known", "known", "made"]
    assert await counted(old) == ONCE


async def test_a_dry_run_says_the_same_and_changes_nothing(old: str, database: Database) -> None:
    dry = await take_all(old, taking(database, dry_run=True))
    assert await counted(old) == dict.fromkeys(ONCE, 0)
    real = await take_all(old, taking(database))
    assert [(one.row, one.fate, one.notes, one.nodes) for one in dry] == [
        (one.row, one.fate, one.notes, one.nodes) for one in real
    ]


async def test_a_run_goes_on_when_its_connections_are_cut(old: str, database: Database) -> None:
    to = taking(database)
    connection = await asyncpg.connect(old)
    async with table_of(old, "old", "impact_trees") as rows:
        contents = [row.content async for row in rows.rows]
    fates = []
    for number, content in enumerate(contents):
        if number % 10 == 5:
            await connection.execute(CUT, old.rpartition("/")[2].partition("?")[0])
        fates.append((await to.take(content or "")).fate)
    await connection.close()
    assert set(fates) == {"made"}
    assert await counted(old) == ONCE


async def test_a_row_the_database_refuses_leaves_nothing_behind(old: str, database: Database) -> None:
    connection = await asyncpg.connect(old)
    await connection.execute("ALTER TABLE tree_nodes ADD CONSTRAINT no_seven CHECK (title <> 'Node 7')")
    await connection.close()
    taken = await take_all(old, taking(database))
    assert {one.fate for one in taken} == {"refused"}
    assert await counted(old) == dict.fromkeys(ONCE, 0)


async def test_a_table_that_is_not_there_is_named(old: str) -> None:
    with pytest.raises(NotFound, match=r'no table old\.im"pact'):
        async with table_of(old, "old", 'im"pact'):
            pass


async def test_a_killed_run_is_taken_up_where_it_stopped(old: str, tmp_path: Path) -> None:
    """It is killed in the middle of its fourth row, for which it waits."""
    arguments = ("import-legacy", "--schema", "old", "--tenant", "acme")
    other, looking = await asyncpg.connect(old), await asyncpg.connect(old)
    await other.execute("INSERT INTO tenants VALUES ('acme')")
    held = other.transaction()
    await held.start()
    await other.execute("INSERT INTO legacy_rows VALUES ('acme', 'legacy', '4', '')")
    async with treesync(*arguments, directory=tmp_path, DATABASE_URL=old, LEGACY_DATABASE_URL=old) as first:
        async with asyncio.timeout(30):
            while True:
                if await looking.fetchval(WAITING):
                    break
                await asyncio.sleep(POLL_SECONDS)
        await first.stop(signal.SIGKILL)
    await held.rollback()
    assert (await counted(old))["rows"] == 3
    async with treesync(*arguments, directory=tmp_path, DATABASE_URL=old, LEGACY_DATABASE_URL=old) as second:
        assert await second.ended() == 0, second.said()
    assert f"{ROWS - 3:>8} made into trees\n       3 taken before" in second.said()
    assert await counted(old) == ONCE
    await other.close()
    await looking.close()


# ---- the command, once for one database


@pytest.fixture(scope="module")
def dsn(postgres_servers: PostgresServers) -> str:
    async def made() -> str:
        return await (await postgres_servers.get("18")).fresh()

    return str(in_thread(made()))


class Ran:
    """The command, run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str, command: str = "import-legacy") -> None:
        self.status: Any = 0
        try:
            main([command, *arguments])
        except SystemExit as ended:
            self.status = ended.code
        told = capsys.readouterr()
        self.out, self.errors = told.out, told.err


@pytest.fixture
def dumped(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.delenv("LEGACY_DATABASE_URL", raising=False)
    path = tmp_path / "dump.jsonl"
    rows = [old_row(1), {"id": 2, "user_id": "u2", "name": "bad", "nodes": [{"id": "a"}, 7]}, old_row(3)]
    path.write_text("\ufeff" + "\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_the_command_tells_what_it_mended_and_refused_and_ends_with_1(
    dumped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = Ran(capsys, str(dumped), "--tenant", "told", "--dry-run")
    assert dry.status == 1
    assert "line 3, row 2: REFUSED: nodes[1]: 7 is no node" in dry.out
    assert "3 rows (a dry run: nothing was changed)\n       2 would be made into trees\n       1 refused" in dry.out
    assert "1 rows were refused" in dry.errors
    real = Ran(capsys, str(dumped), "--tenant", "told", "--json")
    assert real.status == 1
    lines = [json.loads(line) for line in real.out.splitlines()]
    assert [line.get("fate") for line in lines] == ["made", "refused", "made", None]
    assert lines[-1]["rows"] == {"made": 2, "refused": 1}
    assert sum(lines[-1]["rules"].values()) == sum(len(line["notes"]) for line in lines[:-1] if line["fate"] == "made")
    again = Ran(capsys, str(dumped), "--tenant", "told")
    assert "       2 taken before\n       1 refused" in again.out


def test_of_two_rows_with_one_id_the_second_is_refused(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [old_row(1), old_row(1), {**old_row(1), "name": "other"}]
    dumped.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    for arguments in (["--dry-run"], []):
        ran = Ran(capsys, str(dumped), "--tenant", "twice", *arguments)
        assert "line 3, row 1: REFUSED: another row with this id came before it" in ran.out
        assert ("       1 would be made" if arguments else "       1 made") in ran.out
        assert "       1 taken before\n       1 refused" in ran.out


def test_nothing_in_a_row_reaches_the_terminal_as_an_order(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": "a\x1b[31mred", "user_id": "u", "name": "Ü", "nodes": {"b\x1b[2J": 7}}
    dumped.write_text(json.dumps(row), encoding="utf-8")
    ran = Ran(capsys, str(dumped), "--tenant", "plain")
    assert "REFUSED" in ran.out
    assert "\x1b" not in ran.out + ran.errors


def test_a_row_of_twenty_thousand_nodes_becomes_a_tree(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": 1, "user_id": "u", "name": "large", "nodes": chain(20_000)}
    dumped.write_text(json.dumps(row), encoding="utf-8")
    ran = Ran(capsys, str(dumped), "--tenant", "large")
    assert (ran.status, "   20000 nodes and 0 connections" in ran.out) == (0, True), ran.errors


def test_owners_are_mapped_and_nobody_is_guessed(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owners = dumped.with_name("owners.csv")
    owners.write_text("user_id,tenant,user\nu1,mapped,ada\n", encoding="utf-8")
    ran = Ran(capsys, str(dumped), "--owners", str(owners))
    assert "line 5, row 3: REFUSED: user_id: 'u3' is not in the file of owners" in ran.out
    assert "       1 made into trees" in ran.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["dump.jsonl"], "say whose the trees become"),
        (["--tenant", "a"], "name a dump, or set LEGACY_DATABASE_URL"),
        (["none.jsonl", "--tenant", "a"], "none.jsonl: No such file"),
        (["dump.jsonl", "--tenant", "a\tb"], "tenant: an id has 1 to 64 printable characters"),
        (["dump.jsonl", "--tenant", "a", "--source", ""], "--source is a name"),
        (["dump.jsonl", "--owners", "none.csv"], "none.csv: No such file"),
        (["dump.jsonl", "--owners", "twice.csv"], "twice.csv: line 3: 'u1' is named twice"),
        (["dump.jsonl", "--owners", "columns.csv"], "columns.csv: line 1: the columns are user_id, tenant, user"),
        (["list.json", "--tenant", "a"], "line 1: a list; write a row in each line"),
        (["utf16.jsonl", "--tenant", "a"], "line 1: the file is UTF-16"),
    ],
)
def test_what_cannot_be_begun_is_said_in_a_line(
    arguments: list[str], why: str, dumped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped.with_name("twice.csv").write_text("user_id,tenant,user\nu1,a,b\nu1,a,c\n", encoding="utf-8")
    dumped.with_name("columns.csv").write_text("user,tenant\n", encoding="utf-8")
    dumped.with_name("list.json").write_text("[\n{}]", encoding="utf-8")
    dumped.with_name("utf16.jsonl").write_text("{}", encoding="utf-16")
    ran = Ran(capsys, *arguments)
    assert ran.status == 1
    assert why in ran.errors
    assert "Traceback" not in ran.errors


def test_the_rows_are_what_the_check_asks_for(dumped: Path, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    Ran(capsys, str(dumped), "--tenant", "checked")
    assert Ran(capsys, command="check").out == "everything is as it should be\n"
    nobody = Ran(capsys, "--tenant", "nosuch", command="check")
    assert (nobody.status, nobody.out) == (1, "")
    assert "there is no tenant 'nosuch'" in nobody.errors
    in_thread(spoiled(dsn))
    told = Ran(capsys, "--tenant", "checked", command="check")
    assert (told.status, told.out.count("node-count: ")) == (1, 2)
    assert "2 findings; --repair mends them" in told.errors
    mended = Ran(capsys, "--repair", command="check")
    assert (mended.status, mended.out.endswith("(mended)\nmended\n")) == (0, True)
    assert Ran(capsys, command="check").status == 0


async def spoiled(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE impact_trees SET node_count = 99 WHERE tenant_id = 'checked'")
    await connection.close()


async def test_a_line_too_long_for_a_row_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.legacy_sources._LINE_BYTES", 10)
    path = tmp_path / "dump.jsonl"
    path.write_text('{"a": 1}\n{"a": 1234567890}\n{"b": 2}\n', encoding="utf-8")
    async with dump(path) as rows:
        found = [row async for row in rows.rows]
    assert [row.content for row in found] == [b'{"a": 1}\n', None, b'{"b": 2}\n']
    assert sum(row.step for row in found) == rows.total
