"""Search and lists on PostgreSQL: by which indexes they are answered, what is kept level and when, who waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from storage import search, search_index, search_pages, search_ranks
from storage.database import Database
from storage.directory import PostgresDirectory
from storage.hierarchy import DOWN, UP
from storage.legacy import LegacyRow, PostgresLegacy
from storage.listing import statement_for
from storage.postgres import PostgresStore
from storage.search import PostgresSearch
from storage.search_jobs import search_jobs
from storage.structures import PostgresStructures
from storage.templates import PostgresTemplates
from sync.errors import Invalid
from sync.identity import Identity
from sync.listing import LARGE_NODES, TreeFilter
from sync.node_templates import STANDARD
from sync.search import Hits, SearchFilter, query
from tests.batches import Writer, author, first_batch, node
from tests.integration.storage.filled import identity, new_tenant, new_tree
from tests.postgres_servers import PostgresServer, opened

MANY = """
INSERT INTO tenants (tenant_id, searched_at) VALUES ('many', now());
INSERT INTO users (tenant_id, user_id) SELECT 'many', 'u' || n FROM generate_series(0, 199) AS n;
INSERT INTO impact_trees (tenant_id, id, user_id, name, updated_at, updated_hour, is_template, node_count, visibility,
    completion_status)
SELECT 'many', n, 'u' || n % 200, 'T', moment, date_trunc('hour', moment, 'UTC'), n % 50 = 0,
    CASE WHEN n % 100 = 1 THEN 900 ELSE 15 END, CASE WHEN n % 10 = 0 THEN 'tenant_view' ELSE 'private' END,
    CASE WHEN n % 40 = 1 THEN '{"total_nodes": 2, "statuses": {"complete": 2}}' ELSE '{}' END::jsonb
FROM generate_series(1, 8000) AS n, LATERAL (SELECT now() - n * interval '10 minutes' AS moment) AS m;
INSERT INTO tree_heads (tenant_id, tree_id, epoch) SELECT 'many', n, 'e1' FROM generate_series(1, 8000) AS n;
INSERT INTO tree_nodes (tenant_id, tree_id, id, parent_id, order_key, node_type, title, seq, marks, created_at,
    created_by, updated_at, updated_by)
SELECT 'many', n, 'n' || i, CASE WHEN i > 0 THEN 'n' || i / 2 END, 'a' || i, 'metric', 'T', 1, '{}', now(), 'u',
    now(), 'u'
FROM generate_series(1, 8000) AS n, generate_series(0, 3) AS i;
INSERT INTO search_trees (tenant_id, tree_id, epoch, seq, made_with)
SELECT 'many', n, 'e1', 0, '1.0' FROM generate_series(1, 8000) AS n;
INSERT INTO search_nodes (tenant_id, tree_id, node_id, seq, node_type, status, terms)
SELECT 'many', n, 'n' || i, 1, 'metric', 'complete', '7t'
FROM generate_series(1, 8000) AS n, generate_series(0, 3) AS i;
INSERT INTO search_terms (tenant_id, tree_id, term, weight, nodes)
SELECT 'many', n, 'term' || t, 7, '{7n1}' FROM generate_series(1, 8000) AS n, generate_series(n % 20, n % 20 + 4) AS t;
ANALYZE;
"""
WORDS = "SELECT term, nodes FROM search_terms WHERE tenant_id = $1 AND tree_id = $2 ORDER BY term"
STAMP = "SELECT seq FROM search_trees WHERE tenant_id = $1 AND tree_id = $2"
LEVEL = "SELECT searched_at FROM tenants WHERE tenant_id = $1"
FORGET = "DELETE FROM search_trees WHERE tenant_id = $1 AND tree_id = $2"
SPOIL = "UPDATE search_nodes SET terms = 'spoilt' WHERE tenant_id = $1 AND tree_id = $2"
HOLD = "SELECT 1 FROM search_trees WHERE tenant_id = $1 AND tree_id = $2 FOR UPDATE"
ROWS = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables WHERE relname = 'search_terms'"
ADMIN, MEMBER = identity("many", "u3"), Identity(tenant="many", user="u3", role="admin", expires_at=4e9)


def lists() -> dict[str, tuple[Any, ...]]:
    """What lists are asked for, with the index each must use."""
    moment = datetime.now(UTC)
    place = (moment, 2**53, 50)
    wanted = {
        "impact_trees_of_owner": (ADMIN, TreeFilter()),
        "impact_trees_shared": (ADMIN, TreeFilter(phase="strategy")),
        "impact_trees_of_tenant": (MEMBER, TreeFilter(updated_before=moment - timedelta(days=9))),
        "impact_trees_templates": (MEMBER, TreeFilter(is_template=True)),
        "impact_trees_large": (MEMBER, TreeFilter(least_nodes=LARGE_NODES)),
        "impact_trees_of_completion": (MEMBER, TreeFilter(status="complete")),
        "search_nodes_of_type": (MEMBER, TreeFilter(type="research")),
        "impact_trees_pkey": (MEMBER, TreeFilter(numbers=[7, 8, 9])),
    }
    found = {}
    for index, (who, only) in wanted.items():
        statement, arguments = statement_for(who, only)
        found[index] = (statement, "many", "u3", *place, *arguments)
    return found


def questions() -> list[tuple[str, tuple[Any, ...]]]:
    """What a search asks for, with the index each must use."""
    low, high = ["term3"], ["term3\U0010ffff"]
    stamp = "1.0"
    return [
        ("impact_trees_of_owner", (search.FEW, "many", "u3", 1_001)),
        ("search_terms_of_term", (search.COUNTS, "many", low, high, 1_001)),
        ("search_terms_of_term", (search.TERMS_FROM, "many", "term3", high[0], 100)),
        ("search_terms_of_term", (search.LED, "many", "u3", False, low, "term3", 1_000, low, high, 1, 101)),
        ("search_terms_pkey", (search.LED, "many", "u3", False, low, "term3", 1_000, low, high, 1, 101)),
        ("search_terms_pkey", (search.AMONG, "many", [1, 2, 3], low, high, 1, 101)),
        ("search_terms_pkey", (search_ranks.RANKS, "many", [1, 2, 3], low, high, 9_999, -9, -2, "n", 51)),
        ("impact_trees_of_tenant", (search.BEHIND_RECENT, "many", "u3", False, stamp, datetime.now(UTC), 200)),
        ("search_trees_unknown", (search.BEHIND_UNKNOWN, "many", "u3", False, stamp, 200)),
        ("search_trees_pkey", (search.BEHIND_ONE, "many", "u3", False, stamp, 7)),
        ("search_nodes_pkey", (search_pages.OF_KIND, "many", [1, 2], ["n1", "n2"], "metric", None)),
        ("tree_nodes_pkey", (search_pages.NODES, "many", [1, 2], ["n1", "n2"])),
        ("tree_nodes_pkey", (search_pages.PATHS, "many", [1, 2], ["n1", "n2"], 100)),
        ("tree_nodes_pkey", (search_index.CHANGED, "many", [1, 2], 100, 9_999)),
        ("search_nodes_pkey", (search_index.GONE, "many", [1, 2])),
        ("search_terms_pkey", (search_index.TERMS, "many", [1, 2], ["term1", "term2"])),
        ("tree_nodes_pkey", (UP, "many", 7, "n3")),
        ("tree_nodes_pkey", (DOWN, "many", 7, None, 9, 0, "root", 1_000, "root")),
    ]


async def test_b12_each_question_is_answered_by_its_index(postgres_server: PostgresServer) -> None:
    """[SE6] Under the policies, in a tenant of 8,000 trees; whatever the planner knows of what is asked."""
    dsn = await postgres_server.fresh()
    owner = await asyncpg.connect(dsn)
    await owner.execute(MANY)
    await owner.close()
    wanted = [*questions(), *lists().items()]
    async with opened(dsn) as database:
        for mode in ("force_custom_plan", "force_generic_plan"):
            async with database.transaction("many") as connection:
                await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
                for index, (statement, *arguments) in wanted:
                    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
                    assert index in plan, (index, mode, plan)
                    assert "Seq Scan on" not in plan.replace("Seq Scan on tree_members", ""), (mode, plan)


async def words(database: Database, writer: Writer) -> dict[str, list[str]]:
    async with database.transaction(writer.key.tenant) as connection:
        return {row["term"]: row["nodes"] for row in await connection.fetch(WORDS, *writer.key)}


async def land(database: Database, writer: Writer) -> None:
    batch = writer.cut()
    [receipt] = await PostgresStore(database).commit([batch])
    writer.settle(batch, receipt)


async def found(database: Database, tenant: str, asked: str) -> tuple[list[str | None], int]:
    page = await PostgresSearch(database).search(
        identity(tenant), query(asked), only=SearchFilter(), limit=20, after=None
    )
    return [hit.node for hit in page.hits], page.behind


async def test_se7_an_edit_of_a_word_writes_what_that_changes(postgres_database: Database) -> None:
    """[SE7]"""
    writer = await new_tree(postgres_database)
    for number in range(30):
        writer.insert(node(f"n{number}", "root", title=f"Common words and number{number}"))
    await land(postgres_database, writer)
    tenant = writer.key.tenant
    await PostgresSearch(postgres_database).refresh(tenant, everything=False)
    before = await words(postgres_database, writer)
    assert before["number7"] == ["7n7"]
    writer.update("n7", title="Common words and zebra")
    await land(postgres_database, writer)
    templates = await PostgresTemplates(postgres_database).node_templates(tenant)
    async with postgres_database.transaction(tenant) as connection:
        earlier = await connection.fetchval(ROWS)
        await search_index._one_turn(connection, tenant, templates, [writer.key.tree])
        assert await connection.fetchval(ROWS) - earlier == 2, "a word less, a word more"
    after = await words(postgres_database, writer)
    assert after == {term: nodes for term, nodes in before.items() if term != "number7"} | {"zebra": ["7n7"]}


async def test_se7_what_is_taken_in_turns_or_by_other_rules_comes_to_the_same(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[SE7] A large tree takes several transactions; other templates make other statuses."""
    writer = await new_tree(postgres_database)
    for number in range(7):
        writer.insert(node(f"n{number}", "root", title=f"Otter {number}"))
    await land(postgres_database, writer)
    tenant, kept = writer.key.tenant, PostgresSearch(postgres_database)
    assert await kept.refresh(tenant, everything=True) == 1
    whole = await words(postgres_database, writer)
    monkeypatch.setattr(search_index, "TOGETHER_NODES", 3)
    await PostgresTemplates(postgres_database).set_node_templates(tenant, "ada", STANDARD)
    assert await kept.refresh(tenant, everything=False) == 1, "whenever it was edited"
    again = await words(postgres_database, writer)
    assert {term: sorted(nodes) for term, nodes in again.items()} == {
        term: sorted(nodes) for term, nodes in whole.items()
    }
    assert await kept.refresh(tenant, everything=True) == 0
    monkeypatch.setattr(search_index, "TOGETHER_NODES", 2_000)
    monkeypatch.setattr(search_index, "TOGETHER_OCTETS", 1)
    await PostgresTemplates(postgres_database).set_node_templates(tenant, "ada", STANDARD)
    templates = await PostgresTemplates(postgres_database).node_templates(tenant)
    async with postgres_database.transaction(tenant) as connection:
        tree = writer.key.tree
        assert await search_index._one_turn(connection, tenant, templates, [tree]) == ({tree}, True)
    assert await kept.refresh(tenant, everything=False) == 1, "what is not done to the end is gone on with"
    async with postgres_database.transaction(tenant) as connection:
        assert await connection.fetchval(STAMP, *writer.key) == writer.head.seq


async def test_se7_nobody_waits_and_what_is_not_level_is_counted(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[SE7] Whoever brings a tree level holds up neither its commits nor, for long, who searches."""
    writer = await new_tree(postgres_database)
    tenant = writer.key.tenant
    assert await found(postgres_database, tenant, "zebra") == ([], 0)
    async with postgres_database.transaction(tenant) as holder:
        await holder.execute(HOLD, *writer.key)
        writer.insert(node("n1", "root", title="Zebra"))
        async with asyncio.timeout(20):
            await land(postgres_database, writer)
            assert await found(postgres_database, tenant, "zebra") == ([], 1)
            await PostgresSearch(postgres_database).refresh(tenant, everything=False)
            assert await holder.fetchval(LEVEL, tenant) is None, "nobody has said yet that all is level"
    assert await found(postgres_database, tenant, "zebra") == (["n1"], 0)
    writer.insert(node("n2", "root", title="Zebra"))
    await land(postgres_database, writer)
    monkeypatch.setattr(search, "BEHIND_WORK", 0)
    assert await found(postgres_database, tenant, "zebra") == (["n1"], 1), "too much to be done on the way"
    writer.delete("n1")
    await land(postgres_database, writer)
    assert await found(postgres_database, tenant, "zebra") == ([], 1), "what is gone is not shown all the same"


async def test_se7_the_jobs_bring_every_tenant_level(postgres_database: Database) -> None:
    """[SE7] And say up to when, so that a question looks at what came after alone."""
    writers = [await new_tree(postgres_database, new_tenant()) for _ in range(2)]
    recent, everything = search_jobs(postgres_database, PostgresSearch(postgres_database))
    assert (await recent.work(datetime.now(UTC), True))["trees"] == 0
    assert (await recent.work(datetime.now(UTC), False))["trees"] >= 2
    for writer in writers:
        async with postgres_database.transaction(writer.key.tenant) as connection:
            assert await connection.fetchval(STAMP, *writer.key) == writer.head.seq
            level = await connection.fetchval(LEVEL, writer.key.tenant)
            assert level < await connection.fetchval("SELECT now() - interval '59 seconds'")
    assert (await everything.work(datetime.now(UTC), False))["trees"] == 0


async def test_se7_of_many_who_ask_at_once_one_brings_level_what_all_find(postgres_database: Database) -> None:
    """[SE7]"""
    writer = await new_tree(postgres_database)
    writer.insert(node("n1", "root", title="Zebra"))
    await land(postgres_database, writer)
    kept, who = PostgresSearch(postgres_database), identity(writer.key.tenant)
    pages = await asyncio.gather(
        *(kept.search(who, query("zebra"), only=SearchFilter(), limit=9, after=None) for _ in range(12))
    )
    assert {(len(page.hits), page.behind) for page in pages} == {(1, 0)}


async def test_se7_a_tree_that_cannot_be_looked_at_keeps_no_other_from_being_found(postgres_database: Database) -> None:
    """[SE7] Not those of its tenant, nor the tenants behind it; and it is tried again until it can."""
    told: list[dict[str, Any]] = []
    kept = PostgresSearch(postgres_database, lambda event, **more: told.append({"event": event, **more}))
    tenant = new_tenant()
    spoilt, other = [await new_tree(postgres_database, tenant) for _ in range(2)]
    behind = await new_tree(postgres_database, f"{tenant}-z")
    recent, _ = search_jobs(postgres_database, kept)
    await recent.work(datetime.now(UTC), False)
    async with postgres_database.transaction(tenant) as connection:
        await connection.execute(SPOIL, *spoilt.key)
    for writer in (spoilt, other, behind):
        writer.rename("Zebra")
        await land(postgres_database, writer)
    for _ in range(2):
        await recent.work(datetime.now(UTC), False)
        assert told.pop() == {
            "event": "search.refused",
            "tenant": tenant,
            "tree": spoilt.key.tree,
            "error": "ValueError",
        }
        assert not told
    for writer in (other, behind):
        async with postgres_database.transaction(writer.key.tenant) as connection:
            assert await connection.fetchval(STAMP, *writer.key) == writer.head.seq
    assert await found(postgres_database, tenant, "zebra") == ([None], 1)
    async with postgres_database.transaction(tenant) as connection:
        await connection.execute(FORGET, *spoilt.key)
    await recent.work(datetime.now(UTC), False)
    assert await found(postgres_database, tenant, "zebra") == ([None, None], 0)


async def test_se7_a_row_taken_from_an_old_table_is_found_whenever_it_was_edited(postgres_database: Database) -> None:
    """[SE7]"""
    tenant = new_tenant()
    await new_tree(postgres_database, tenant)
    await PostgresSearch(postgres_database).refresh(tenant, everything=False)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    row = LegacyRow(source="old.trees", row="1", content="c", created_at=long_ago, updated_at=long_ago)
    first = first_batch(tenant, name="Zebra")
    await PostgresLegacy(postgres_database).take(identity(tenant), row, first, "private", author())
    assert await found(postgres_database, tenant, "zebra") == ([None], 0)


async def test_se7_words_that_are_dropped_are_taken_anew(postgres_database: Database) -> None:
    """[SE7] With its row of search_trees nothing of a tree's words is left, and nothing is lost."""
    writer = await new_tree(postgres_database)
    kept = PostgresSearch(postgres_database)
    await kept.refresh(writer.key.tenant, everything=True)
    assert await words(postgres_database, writer)
    before = await words(postgres_database, writer)
    async with postgres_database.transaction(writer.key.tenant) as connection:
        await connection.execute(FORGET, *writer.key)
        for table in ("search_trees", "search_nodes", "search_terms"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608
    await kept.refresh(writer.key.tenant, everything=True)
    assert await words(postgres_database, writer) == before


async def test_se6_of_words_in_very_many_nodes_the_best_trees_are_looked_at(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[SE6] And what is asked of the database beside it is a page, however many nodes have the words."""
    tenant, kept = new_tenant(), PostgresSearch(postgres_database)
    writers = [await new_tree(postgres_database, tenant) for _ in range(2)]
    for writer in writers:
        for number in range(20):
            writer.insert(node(f"n{number}", "root", title="Otter pair"))
        await land(postgres_database, writer)
    writers[0].update("n3", title="Otters")
    writers[0].update("n4", title="Otter")
    await land(postgres_database, writers[0])
    await kept.refresh(tenant, everything=True)

    async def page(asked: str) -> Hits:
        return await kept.search(identity(tenant), query(asked), only=SearchFilter(), limit=50, after=None)

    best = await page("otter pair")
    assert (len(best.hits), best.complete) == (38, True)
    monkeypatch.setattr(search_ranks, "MOST_POSTINGS", 78)
    assert (await page("otter pair")).complete, "20 + 20 and 20 + 18 of them are read"
    monkeypatch.setattr(search_ranks, "MOST_POSTINGS", 40)
    cut = await page("otter pair")
    assert (cut.hits, cut.complete, cut.next) == (best.hits[:20], False, None)
    async with postgres_database.transaction(tenant) as connection:
        few = await search_ranks.ranked(connection, tenant, query("otter"), [writers[0].key.tree], None, 3)
    assert (len(few.ranks), few.complete) == (3, True)


async def test_lists_by_type_and_status_are_as_the_tree_was_looked_at_last(postgres_database: Database) -> None:
    """[SE11]"""
    writer = await new_tree(postgres_database)
    tenant, directory = writer.key.tenant, PostgresDirectory(postgres_database)
    for node_id in list(writer.nodes):
        writer.update(node_id, template_data={"completion_status": "done"})
    await land(postgres_database, writer)

    async def listed(**only: Any) -> int:
        return len(await directory.trees(identity(tenant), limit=9, only=TreeFilter(**only)))

    assert (await listed(status="complete"), await listed(type="opportunity")) == (0, 0)
    await PostgresStructures(postgres_database).refresh(tenant, since=None)
    await PostgresSearch(postgres_database).refresh(tenant, everything=True)
    assert (await listed(status="complete"), await listed(status="in_progress")) == (1, 0)
    assert (await listed(type="opportunity"), await listed(type="research")) == (1, 0)
    past = datetime.now(UTC) - timedelta(days=1)
    assert (await listed(updated_before=past), await listed(updated_since=past)) == (0, 1)
    assert (await listed(numbers=[writer.key.tree]), await listed(numbers=[])) == (1, 0)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
async def test_a_place_in_a_list_is_a_time_that_can_be(postgres_database: Database, moment: str) -> None:
    """[SE11]"""
    with pytest.raises(Invalid, match="before"):
        await PostgresDirectory(postgres_database).trees(identity(new_tenant()), limit=9, before=f"{moment}|1")
