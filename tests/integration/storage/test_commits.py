"""The commit of many trees in one statement, beyond what the contract suite shows: races, order, and what it leaves."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import msgspec
import pytest

from storage.database import Database
from storage.postgres import PostgresStore
from sync.errors import Unavailable, Unstorable
from sync.identity import TreeKey
from sync.ports import Batch, NodeRow
from tests.batches import Writer, author, node
from tests.integration.storage.filled import new_tenant, new_tree
from tests.postgres_servers import PostgresServer, opened
from tests.waiting import until

SETTING = "SELECT current_setting('app.tenant', true) AS tenant"
# longer than a row of an index may be, also compressed
INCOMPRESSIBLE = "".join(sha256(bytes([number])).hexdigest() for number in range(120))
COUNTED = "SELECT node_count, updated_at, updated_hour FROM impact_trees WHERE tenant_id = $1 AND id = $2"
ACTIVITIES = """
SELECT activity_type, node_id, activity_data->>'seq' AS seq, activity_data->>'mode' AS mode,
    activity_data->'fields' AS fields, session_id, ip_address, user_agent
FROM user_activities WHERE tenant_id = $1 AND tree_id = $2 ORDER BY id
"""


async def rival(store: PostgresStore, key: TreeKey, user: str, edits: int) -> list[int]:
    """Edits one tree until all have landed, reading the head again after each loss; the seqs they got."""
    landed: list[int] = []
    writer = Writer(key, (await store.load(key)).head, author(user, f"client-of-{user}"))
    while len(landed) < edits:
        writer.last_n = len(landed)
        writer.update("left", title=f"{user} {len(landed)}")
        batch = writer.cut()
        [receipt] = await store.commit([batch])
        if receipt.committed:
            landed.append(batch.seq + 1)
            writer.settle(batch, receipt)
        else:
            writer.head = (await store.missing(key, 0)).head
    return landed


async def test_p3_instances_that_race_leave_a_log_without_gaps(postgres_server: PostgresServer) -> None:
    dsn = postgres_server.shared
    async with opened(dsn) as one, opened(dsn) as other:
        key = (await new_tree(one)).key
        seqs = await asyncio.gather(
            rival(PostgresStore(one), key, "ada", 25), rival(PostgresStore(other), key, "bo", 25)
        )
        assert sorted(seqs[0] + seqs[1]) == list(range(2, 52))
        log = await PostgresStore(one).log(key, 0, 99)
    assert [op.seq for op in log] == list(range(1, 52))
    assert sorted((op.author.user, op.n) for op in log[1:]) == sorted(
        (user, n) for user in ("ada", "bo") for n in range(1, 26)
    )
    commits = [op.commit for op in log]
    assert commits == sorted(set(commits))


async def test_many_trees_of_many_tenants_in_any_order(
    postgres_database: Database, postgres_store: PostgresStore
) -> None:
    writers = [await new_tree(postgres_database, tenant) for tenant in [new_tenant() for _ in range(3)] * 4]
    batches = []
    for place, writer in enumerate(writers):
        for turn in range(place % 3):
            writer.update("left", title=f"{place}.{turn}")
        if place % 2:
            writer.insert(node(f"n{place}", "root"))
            writer.answer("unchanged")
        batches.append(writer.cut())
    batches[5] = msgspec.structs.replace(batches[5], commit=9)
    receipts = await postgres_store.commit(batches[::-1])
    assert [receipt.committed for receipt in receipts[::-1]] == [place != 5 for place in range(12)]
    for place, (writer, batch) in enumerate(zip(writers, batches, strict=True)):
        if place != 5:
            loaded = await postgres_store.load(writer.key)
            assert (loaded.head.commit, loaded.head.seq) == (2, 1 + len(batch.ops))
            assert {row.node.id: row for row in loaded.nodes}.items() >= {
                row.node.id: row for row in batch.nodes
            }.items()


async def test_the_tenant_is_put_back(postgres_database: Database, postgres_store: PostgresStore) -> None:
    writer = await new_tree(postgres_database)
    writer.update("left", title="x")
    await postgres_store.commit([writer.cut()])
    answers = [await postgres_database.run_in_lane(SETTING, []) for _ in range(4)]
    assert {row["tenant"] for row in answers} <= {"", None}
    async with postgres_store.exclusive(writer.key) as turn:
        writer.head = (await turn.missing(1)).head
        writer.update("left", title="y")
        assert (await turn.commit(writer.cut())).committed
        assert [op.seq for op in (await turn.missing(2)).ops] == [3]


async def test_two_siblings_swap_their_keys_in_one_commit(
    postgres_database: Database, postgres_store: PostgresStore
) -> None:
    writer = await new_tree(postgres_database)
    left, right = writer.nodes["left"], writer.nodes["right"]
    batch = writer.cut()
    batch.nodes = [with_order(left, right.node.order), with_order(right, left.node.order)]
    assert (await postgres_store.commit([batch]))[0].committed
    rows = {row.node.id: row.node.order for row in (await postgres_store.load(writer.key)).nodes}
    assert (rows["left"], rows["right"]) == (right.node.order, left.node.order)


def with_order(row: NodeRow, order: str) -> NodeRow:
    return msgspec.structs.replace(row, node=msgspec.structs.replace(row.node, order=order))


async def commit(store: PostgresStore, batch: Batch, way: str) -> None:
    if way == "many":
        await store.commit([batch])
        return
    async with store.exclusive(batch.key) as turn:
        await (turn.rehearse if way == "rehearsed" else turn.commit)(batch)


@pytest.mark.parametrize("way", ["many", "alone", "rehearsed"])
async def test_p5_the_database_keeps_a_tree_a_tree(
    postgres_database: Database, postgres_store: PostgresStore, way: str
) -> None:
    writer = await new_tree(postgres_database)
    for broken in (
        node("n1", "nobody"),
        node("n1", "root", order=writer.nodes["left"].node.order),
        node(INCOMPRESSIBLE),
    ):
        writer.last_n = 0
        writer.insert(broken)
        batch = writer.cut()
        with pytest.raises(Unstorable):
            await commit(postgres_store, batch, way)
    assert (await postgres_store.load(writer.key)).head == writer.head


async def test_the_tree_keeps_count_and_time(postgres_database: Database, postgres_store: PostgresStore) -> None:
    writer = await new_tree(postgres_database)
    writer.insert(node("n1", "root"))
    [receipt] = await postgres_store.commit([batch := writer.cut()])
    writer.settle(batch, receipt)
    async with postgres_database.transaction(writer.key.tenant) as connection:
        row = await connection.fetchrow(COUNTED, *writer.key)
    assert row is not None
    assert row["node_count"] == 4
    assert row["updated_at"].isoformat().replace("+00:00", "Z") == receipt.at
    assert row["updated_hour"] == row["updated_at"].replace(minute=0, second=0, microsecond=0)
    writer.answer("unchanged")
    await postgres_store.commit([writer.cut()])
    async with postgres_database.transaction(writer.key.tenant) as connection:
        assert await connection.fetchrow(COUNTED, *writer.key) == row


async def test_activity_rows_tell_what_and_where_from(
    postgres_database: Database, postgres_store: PostgresStore
) -> None:
    writer = await new_tree(postgres_database)
    writer.update("left", title="x", description="y")
    writer.delete("right")
    await postgres_store.commit([writer.cut()])
    async with postgres_database.transaction(writer.key.tenant) as connection:
        rows = [tuple(row) for row in await connection.fetch(ACTIVITIES, *writer.key)]
    assert rows[-2:] == [
        ("node_edited", "left", "2", "live", '["title", "description"]', "v1", "192.0.2.7", "test/1.0"),
        ("node_deleted", "right", "3", "live", "null", "v1", "192.0.2.7", "test/1.0"),
    ]


async def test_floats_survive_jsonb(postgres_database: Database, postgres_store: PostgresStore) -> None:
    writer = await new_tree(postgres_database)
    numbers = {"huge": 1e300, "beyond": 1e22, "edge": float(2**53), "whole": 2**53 - 1, "zero": 0.0, "small": 1e-300}
    writer.insert(msgspec.structs.replace(node("n1", "root"), template_data=numbers))
    await postgres_store.commit([writer.cut()])
    rows = {row.node.id: row.node for row in (await postgres_store.load(writer.key)).nodes}
    kept = rows["n1"].template_data
    assert kept == numbers
    assert {name: type(value) for name, value in kept.items() if name in ("huge", "beyond", "edge", "whole")} == {
        "huge": float,
        "beyond": float,
        "edge": float,
        "whole": int,
    }


async def test_p1_a_database_that_falls_acknowledges_nothing_falsely_and_is_used_again(
    postgres_server: PostgresServer,
) -> None:
    async with opened(await postgres_server.fresh()) as database:
        store = PostgresStore(database)
        writers = [await new_tree(database) for _ in range(4)]
        acknowledged: dict[TreeKey, int] = {}
        fallen = asyncio.Event()

        async def edit(writer: Writer) -> None:
            while True:
                writer.update("left", title=f"n {writer.last_n}")
                batch = writer.cut()
                try:
                    [receipt] = await store.commit([batch])
                except Unavailable:
                    fallen.set()
                    return
                writer.settle(batch, receipt)
                acknowledged[writer.key] = writer.last_n

        editing = [asyncio.create_task(edit(writer), name=f"edit {writer.key}") for writer in writers]
        await until(lambda: len(acknowledged) == len(writers), "every tree has an acknowledged edit")
        await postgres_server.embedded.stop(immediately=True)
        await asyncio.wait_for(asyncio.gather(*editing), 10)
        assert fallen.is_set()
        with pytest.raises(Unavailable):
            await store.load(writers[0].key)
        with pytest.raises(Unavailable):
            async with store.exclusive(writers[0].key):
                pass
        await postgres_server.embedded.start()
        for writer in writers:
            log = await store.log(writer.key, 1, 10**6)
            assert [op.n for op in log] == list(range(1, len(log) + 1))
            # the one in flight may have happened or not
            assert acknowledged[writer.key] <= len(log) <= acknowledged[writer.key] + 1
            writer.head = (await store.missing(writer.key, 0)).head
            writer.last_n = len(log)
            writer.update("left", title="after")
            assert (await store.commit([writer.cut()]))[0].committed
