"""B8: the AI structure of 10,000 trees of 15 nodes, read, built and stored; and what each of few trees costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import asyncpg
import msgspec

from benchmarks.machine import postgres
from benchmarks.results import Figure, Measured
from storage.database import Database, DatabaseSettings
from storage.directory import PostgresDirectory
from storage.migrate import migrate
from storage.structures import PostgresStructures
from sync.creation import first_batch
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.nodes import NODE_TYPES, Details
from sync.ops import ImportedNode
from sync.structure import Structure

TREES, NODES = 10_000, 15
_DRAWN = 100  # trees with words of their own; the others are copies of these, row by row
_SMALL = 1_000
_SEED = 8

_TEXT = """
new customers cook three boxes in their first month and stay churn of subscribers falls onboarding takes one day we
believe that a reminder on Sunday helps families to plan measured by weekly active users and revenue per household the
warehouse packs faster delivery cost goes down interview with twelve people about waste
"""
_WORDS = _TEXT.split()

_COPY = """
INSERT INTO impact_trees (tenant_id, id, user_id, name, description, node_count, updated_at, updated_hour)
SELECT tenant_id, id + $1::bigint * $2::bigint, user_id, name, description, node_count, updated_at, updated_hour
FROM impact_trees WHERE tenant_id = 'bench' AND id <= $2::bigint;
"""
_COPIES = (
    _COPY,
    """
INSERT INTO tree_heads (tenant_id, tree_id, epoch, commit, seq, mark)
SELECT tenant_id, tree_id + $1::bigint * $2::bigint, epoch, commit, seq, mark
FROM tree_heads WHERE tenant_id = 'bench' AND tree_id <= $2::bigint
""",
    """
INSERT INTO tree_nodes (tenant_id, tree_id, id, parent_id, order_key, node_type, title, description, template_data, seq,
    marks, created_at, created_by, updated_at, updated_by)
SELECT tenant_id, tree_id + $1::bigint * $2::bigint, id, parent_id, order_key, node_type, title, description,
    template_data, seq, marks, created_at, created_by, updated_at, updated_by
FROM tree_nodes WHERE tenant_id = 'bench' AND tree_id <= $2::bigint
""",
    """
INSERT INTO tree_ops (tenant_id, tree_id, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode)
SELECT tenant_id, tree_id + $1::bigint * $2::bigint, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode
FROM tree_ops WHERE tenant_id = 'bench' AND tree_id <= $2::bigint
""",
)
_FORGET = "UPDATE impact_trees SET projected_epoch = NULL, projected_seq = NULL WHERE tenant_id = 'bench' AND id > $1"
_STORED = "SELECT count(*) FROM impact_trees WHERE tenant_id = 'bench' AND nodes_data IS NOT NULL"


def drawn(chance: Random) -> list[ImportedNode]:
    """A tree of 15 nodes whose forms are mostly filled, with 30 words a node."""
    nodes: list[ImportedNode] = []
    for number in range(NODES):
        parent = {} if not nodes else {"parent": nodes[chance.randrange(max(0, number - 6), number)].id}
        texts = [" ".join(chance.choices(_WORDS, k=count)) for count in (6, 12, 12)]
        data = {
            "core_why": texts[1],
            "hypothesis": texts[2],
            "completion_status": chance.choice(["done", "wip", "todo"]),
        }
        raw = {"id": f"n{number}", "type": chance.choice(NODE_TYPES), "title": texts[0], "template_data": data}
        nodes.append(msgspec.convert(raw | parent, ImportedNode))
    return nodes


async def _furnish(dsn: str, database: Database) -> None:
    chance, directory = Random(_SEED), PostgresDirectory(database)
    author, who = Author(user="ada", client="create:1"), Identity(tenant="bench", user="ada", expires_at=4e9)
    for _ in range(_DRAWN):
        key, details = TreeKey("bench", 0), Details(name="Less churn by June")
        first = first_batch(key, "e1", "m1", author, details, drawn(chance), [], Limits())
        await directory.create(who, first, "private", author)
    owner = await asyncpg.connect(dsn)
    for copy in range(1, TREES // _DRAWN):
        for statement in _COPIES:
            await owner.execute(statement, copy, _DRAWN)
    await owner.execute("ANALYZE")
    await owner.close()


async def _measured(dsn: str, cpu_seconds: Callable[[], float]) -> tuple[float, float, float]:
    """Seconds of all, CPU seconds of ours and PostgreSQL's together, and what one of 1,000 costs against one of all."""
    database = Database(DatabaseSettings(dsn=dsn, pool_min=1))
    await database.open()
    try:
        await _furnish(dsn, database)
        structures = PostgresStructures(database)
        cpu, began = cpu_seconds() + time.process_time(), time.perf_counter()
        done = await structures.refresh("bench", since=None)
        took, cpu = time.perf_counter() - began, cpu_seconds() + time.process_time() - cpu
        assert done == TREES, done
        async with database.transaction("bench") as connection:
            assert await connection.fetchval(_STORED) == TREES
            await connection.execute(_FORGET, TREES - _SMALL)
        msgspec.json.decode(await structures.structure(TreeKey("bench", 1)), type=Structure)
        small = cpu_seconds() + time.process_time()
        assert await structures.refresh("bench", since=None) == _SMALL
        small = cpu_seconds() + time.process_time() - small
    finally:
        await database.close()
    return took, cpu, (small / _SMALL) / (cpu / TREES)


def b8(rounds: int, seconds: float) -> Measured:
    """`seconds` is not asked: the number of trees is the measure."""
    took, cpu, linear = [], [], []
    for _ in range(rounds):
        with postgres() as database:
            asyncio.run(migrate(database.dsn))
            one = asyncio.run(_measured(database.dsn, database.cpu_seconds))
            took.append(one[0])
            cpu.append(one[1])
            linear.append(one[2])
    what = f"B8 AI structure of {TREES:,} trees of {NODES} nodes"
    return Measured(
        [
            Figure(what=f"{what}, CPU of server and database", values=cpu, unit=" s", limit=30),
            Figure(what=f"{what}, from first to last", values=took, unit=" s"),
            Figure(what=f"B8 per tree, {_SMALL:,} trees", values=linear, unit=f" × {TREES:,}", digits=2, limit=1.1),
        ]
    )


if __name__ == "__main__":
    for figure in b8(1, 0).figures:
        print(figure.row)
