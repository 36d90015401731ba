"""What a job pays for the context of a prompt: made of the structure that is kept, or of the tree's rows each time.

SPECS asks for half the time. The context is the plan (`sync.plan`) as JSON, the same from both. Beside it its size,
against that of the same trees as they are read by HTTP: tokens go with bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random

import msgspec

from benchmarks.machine import postgres
from benchmarks.results import Figure, Measured
from benchmarks.structures import drawn
from storage.database import Database, DatabaseSettings
from storage.directory import PostgresDirectory
from storage.migrate import migrate
from storage.postgres import PostgresStore
from storage.structure_rows import read_of, read_records
from storage.structures import PostgresStructures
from sync.codec import JSON
from sync.creation import first_batch
from sync.growing import bare_tree, growing
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.node_templates import standard_templates
from sync.nodes import Details
from sync.plan import plan_of
from sync.structure import Structure
from sync.structuring import structure_of

TREES, PAGE = 200, 50  # trees of 15 nodes; as many as an export reads at once
_SEED = 50
_TEMPLATES = standard_templates()

Contexts = dict[int, bytes]


async def _furnish(database: Database) -> list[int]:
    chance, directory = Random(_SEED), PostgresDirectory(database)
    author, who = Author(user="ada", client="create:1"), Identity(tenant="bench", user="ada", expires_at=4e9)
    made = []
    for _ in range(TREES):
        key, details = TreeKey("bench", 0), Details(name="Less churn by June")
        first = first_batch(key, "e1", "m1", author, details, drawn(chance), [], Limits())
        made.append((await directory.create(who, first, "private", author)).tree)
    return made


def _context(structure: Structure) -> bytes:
    return JSON.encode_value(plan_of(structure, _TEMPLATES))


async def of_structures(structures: PostgresStructures) -> Contexts:
    """Read what is kept, page by page."""
    decoder, found, after = msgspec.json.Decoder(Structure), Contexts(), 0
    while True:
        page = await structures.page("bench", after=after, limit=PAGE)
        for document in page.documents:
            structure = decoder.decode(document)
            found[structure.tree_id] = _context(structure)
        if page.next is None:
            return found
        after = page.next


async def of_rows(database: Database, trees: list[int]) -> Contexts:
    """Read the rows, as many trees at once, and make what is needed of them."""
    found: Contexts = {}
    for first in range(0, len(trees), PAGE):
        async with database.transaction("bench", isolation="repeatable_read", readonly=True) as connection:
            records = await read_records(connection, "bench", trees[first : first + PAGE])
        for read in map(read_of, records):
            found[read.subject.tree] = _context(structure_of(read.subject, _TEMPLATES))
    return found


async def _state_bytes(database: Database, trees: list[int]) -> int:
    """The trees as HTTP gives them, nodes and connections as they are."""
    store, size = PostgresStore(database), 0
    for number in trees:
        loaded = await store.load(TreeKey("bench", number))
        tree = bare_tree(loaded)
        for _ in growing(tree, loaded):
            pass
        size += len(JSON.encode_value(tree.state()))
    return size


async def _measured(dsn: str, cpu_seconds: Callable[[], float], rounds: int) -> tuple[list[float], float]:
    """Per round the CPU of ours and PostgreSQL's together, structures over rows; and bytes of contexts over states."""

    async def cpu(work: Callable[[], Awaitable[Contexts]]) -> tuple[float, Contexts]:
        began = cpu_seconds() + time.process_time()
        made = await work()
        return cpu_seconds() + time.process_time() - began, made

    database = Database(DatabaseSettings(dsn=dsn, pool_min=1))
    await database.open()
    try:
        trees, structures = await _furnish(database), PostgresStructures(database)
        await structures.refresh("bench", since=None)
        ratios = []
        for _ in range(rounds + 1):  # the first prepares statements and fills caches
            kept, of_kept = await cpu(lambda: of_structures(structures))
            anew, of_anew = await cpu(lambda: of_rows(database, trees))
            assert of_kept == of_anew, "the same context, whichever way it is made"
            ratios.append(kept / anew)
        return ratios[1:], sum(map(len, of_kept.values())) / await _state_bytes(database, trees)
    finally:
        await database.close()


def measure(rounds: int, seconds: float) -> Measured:
    """`seconds` is not asked: the number of trees is the measure."""
    with postgres() as database:
        asyncio.run(migrate(database.dsn))
        ratios, size = asyncio.run(_measured(database.dsn, database.cpu_seconds, rounds))
    what = f"Contexts of {TREES} trees from their structures"
    return Measured(
        [
            Figure(what=f"{what}, CPU", values=ratios, unit=" × from rows", digits=2, limit=0.5),
            Figure(what=f"{what}, bytes", values=[size], unit=" × the trees by HTTP", digits=2),
        ]
    )


if __name__ == "__main__":
    for figure in measure(5, 0).figures:
        print(figure.row)
