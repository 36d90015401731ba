"""A tree's past on real PostgreSQL: versions, restores and reverts, thinning, and that indexes are used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import msgspec
import pytest

from server.scheduler import Scheduler
from storage import op_log, versions
from storage.bus_local import LocalBus
from storage.core_jobs import core_jobs
from storage.database import Database
from storage.directory import PostgresDirectory
from storage.job_store import PostgresJobStore
from storage.postgres import PostgresStore
from sync.apply import Stamp, apply
from sync.codec import Decoded, decode_state
from sync.creation import first_batch
from sync.history import History, tree_of_state
from sync.hub import Hub
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.moments import Moment
from sync.nodes import Details
from sync.ops import ImportedNode
from sync.past import Restoring, Reverting
from sync.ports import PAGE_BYTES, PAGE_ROWS
from sync.protocol import Edit
from sync.restoring import same_content
from sync.versions import MOST_COUNTED, TreeVersion
from tests.clocks import ManualClock, RealClock
from tests.trees import arbitrary

_tenants = count(1)
EMPTY = (
    b'{"name":"","description":"","discovery_phase":"","is_template":false,"canvas_state":{},'
    b'"nodes":[],"connections":[]}'
)
AGE = "UPDATE tree_versions SET created_at = $3 WHERE tenant_id = $1 AND version_number = $2"


class Shared:
    """A hub over PostgreSQL, and a tree that its tenant may edit."""

    def __init__(self, database: Database, hub: Hub, key: TreeKey) -> None:
        self.database = database
        self.store = PostgresStore(database)
        self.hub = hub
        self.key = key

    def identity(self, user: str) -> Identity:
        return Identity(tenant=self.key.tenant, user=user, expires_at=4e9)

    @property
    def room(self) -> Any:
        return self.hub.places()[0].room

    async def edit(self, user: str, n: int, op: dict[str, Any]) -> None:
        message = msgspec.convert({"mode": "force", "ops": [{"n": n, "base": self.room.seq, **op}]}, Edit)
        await self.hub.submit(self.identity(user), self.key.tree, f"{user}-1", Decoded(message))

    async def restore(self, request: str, to: Moment, **more: Any) -> Any:
        author, wanted = Author(user="ada", client=""), Restoring(request=request, to=to, **more)
        return await self.hub.past.restore(author, self.identity("ada"), self.key.tree, wanted)

    async def revert(self, request: str, **which: Any) -> Any:
        author, wanted = Author(user="ada", client=""), Reverting(request=request, **which)
        return await self.hub.past.revert(author, self.identity("ada"), self.key.tree, wanted)

    async def then(self, seq: int) -> Any:
        return tree_of_state((await History(self.store).at(self.key, self.room.epoch, seq))[0])


@pytest.fixture
async def shared(postgres_database: Database) -> AsyncIterator[Shared]:
    tenant = f"history-{next(_tenants)}"
    ada = Identity(tenant=tenant, user="ada", expires_at=4e9)
    made_by = Author(user="ada", client="create:1")
    nodes = [
        ImportedNode(id="n1", type="metric", title="N1"),
        ImportedNode(id="n2", parent="n1", type="metric", title="N2"),
    ]
    directory = PostgresDirectory(postgres_database)
    for user in ("ada", "bo"):
        await directory.admit(Identity(tenant=tenant, user=user, expires_at=4e9))
    first = first_batch(TreeKey(tenant, 0), "e1", "m0", made_by, Details(name="Strategy"), nodes, [])
    key = await directory.create(ada, first, "tenant_edit", made_by)
    store = PostgresStore(postgres_database)
    hub = Hub(store, LocalBus(), RealClock(), instance="i-1", limits=Limits(), log=lambda *_, **__: None)
    await hub.start()
    await hub.role(ada, key.tree)
    yield Shared(postgres_database, hub, key)
    await hub.close()


async def written(shared: Shared, seed: int, most: int = 40) -> None:
    chance = Random(seed)
    used = {"ada": 0, "bo": 0}
    for _ in range(most):
        user = chance.choice(("ada", "bo"))
        used[user] += 1
        op = arbitrary(shared.room.tree, chance.randrange(15), *(chance.randrange(9) for _ in range(3)))
        await shared.edit(user, used[user], op)
        if chance.randrange(10) == 0:
            version = TreeVersion(number=0, seq=shared.room.seq, epoch="e1", user=user, name=f"at {shared.room.seq}")
            if await shared.store.version_at(shared.key, "e1", shared.room.seq) is None:
                await shared.hub.keeper.name(shared.key, version, shared.room.state())


async def test_every_version_and_the_ops_after_it_are_the_tree(shared: Shared) -> None:
    """[HI6] As it was read from the rows of the tree itself."""
    await written(shared, 1)
    loaded = shared.room.tree.digest
    kept = await shared.store.versions(shared.key, limit=99)
    assert kept
    for version in kept:
        whole = await shared.store.version_before(shared.key, "e1", version.seq)
        assert whole is not None
        assert whole.number == version.number
        tree = tree_of_state(decode_state(whole.state))
        for row in await shared.store.log(shared.key, whole.seq, shared.room.seq):
            apply(tree, row.effect, Stamp(row.seq, row.author.user, row.author.client))
        assert tree.digest == loaded


async def test_a_restore_lands_once_and_is_undone(shared: Shared) -> None:
    """[HI12] [HI16] [HI21]"""
    await written(shared, 2)
    before = shared.room.seq
    done = await shared.restore("r1", Moment(seq=before // 2))
    assert same_content(shared.room.tree, await shared.then(before // 2))
    assert (await shared.restore("r1", Moment(seq=before // 2))).repeated
    assert shared.room.seq == done.seq
    await shared.revert("u1", undo="restore:r1", user="ada")
    assert same_content(shared.room.tree, await shared.then(before))
    stored = await shared.store.load(shared.key)
    live = {row.node.id: row.node.title for row in stored.nodes if row.deleted is None}
    assert live == {node.id: node.title for node in shared.room.state().nodes}


async def test_a_person_is_taken_back(shared: Shared) -> None:
    """[HI17]"""
    await shared.edit("bo", 1, {"op": "update", "node": "n1", "set": {"title": "Bo's", "description": "Bo's"}})
    await shared.edit("ada", 1, {"op": "update", "node": "n1", "set": {"description": "Ada's"}})
    await shared.edit("bo", 2, {"op": "delete", "node": "n2"})
    assert (await shared.revert("v1", user="bo")).count == 2
    state = shared.room.state()
    assert {node.id: (node.title, node.description) for node in state.nodes} == {
        "n1": ("N1", "Ada's"),
        "n2": ("N2", ""),
    }


async def test_a_time_is_a_moment(shared: Shared) -> None:
    """[HI6]"""
    await shared.edit("ada", 1, {"op": "update", "node": "n1", "set": {"title": "Later"}})
    row = (await shared.store.log(shared.key, shared.room.seq - 1, shared.room.seq))[0]
    before = (datetime.fromisoformat(row.at) - timedelta(microseconds=1)).isoformat()
    assert await shared.hub.moments.seq_of(shared.room, Moment(at=before)) == shared.room.seq - 1
    assert await shared.hub.moments.seq_of(shared.room, Moment(at=row.at)) == shared.room.seq


# ---- thinning


async def test_versions_are_thinned_by_the_hour_and_by_the_day(shared: Shared) -> None:
    """[HI3]"""
    now = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
    ages = {1: 95, 2: 94.99, 3: 94.98, 4: 5, 5: 4.999, 6: 4.998, 7: 0.5, 8: 0.499, 9: 0.498}
    day = now.replace(hour=12)
    moments = {number: (day if age > 40 else now) - timedelta(days=age) for number, age in ages.items()}
    named = {2}
    for number in ages:
        kind: Any = "named" if number in named else "automatic"
        version = TreeVersion(number=0, seq=number, epoch="e1", state=EMPTY, kind=kind)
        assert await shared.store.keep_version(shared.key, version)
    async with shared.database.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE NONE")
        await connection.execute("SELECT set_config('app.tenant', $1, true)", shared.key.tenant)
        for number, moment in moments.items():
            await connection.execute(AGE, shared.key.tenant, number, moment)
    jobs = Scheduler(core_jobs(shared.database), PostgresJobStore(shared.database), ManualClock(now.timestamp()), "i-1")
    foreseen = await jobs.run_once("thin-versions", dry_run=True)
    assert await jobs.run_once("thin-versions") == foreseen
    listed = [version.number for version in await shared.store.versions(shared.key, limit=99)]
    assert listed == [9, 8, 7, 6, 3, 2]
    line = await shared.store.version(shared.key, 1)
    assert line is not None
    assert line.thinned
    assert await shared.store.version_before(shared.key, "e1", 1) is None
    assert (await jobs.run_once("thin-versions", dry_run=True))["versions"] == 0
    later = await shared.store.keep_version(shared.key, TreeVersion(number=0, seq=10, epoch="e1", state=EMPTY))
    assert later is not None
    assert later.number == 10


# ---- indexes

FILL = (
    """
INSERT INTO tree_ops (tenant_id, tree_id, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode)
SELECT $1, $2 + t, s, s, 'u' || s % 5, 'c', s, 'm', now() - make_interval(secs => 200 - s),
    json_build_object('op', 'update', 'node', 'n' || s % 20, 'set', json_build_object('title', s::text)), '{}', 'live'
FROM generate_series(1, 300) AS t, generate_series(1, 200) AS s
""",
    """
INSERT INTO tree_versions (tenant_id, tree_id, version_number, epoch, seq, tree_snapshot)
SELECT $1, $2 + t, v, 'e1', v * 5, '{}' FROM generate_series(1, 300) AS t, generate_series(1, 40) AS v
""",
    """
INSERT INTO tree_heads (tenant_id, tree_id, epoch, seq) SELECT $1, $2 + t, 'e1', 200 FROM generate_series(1, 300) AS t
""",
)
TREE = """
INSERT INTO impact_trees (tenant_id, id, user_id, name)
SELECT $1, $2 + t, 'ada', 'T' FROM generate_series(1, 300) AS t
"""


async def test_each_question_about_the_past_uses_an_index(postgres_database: Database, shared: Shared) -> None:
    """[HI4] [HI6] [HI10] As the server's own role, behind the policies, among other trees of the tenant."""
    tenant, first = shared.key.tenant, 10_000_000 + shared.key.tree * 1_000
    questions: dict[str, tuple[str, list[Any], set[str]]] = {
        "list": (versions.PAGE, [50, 2**31 - 1], {"tree_versions_listed", "tree_versions_pkey"}),
        "before": (versions.BEFORE, ["e1", 77], {"tree_versions_whole", "tree_versions_moment"}),
        "at": (versions.AT, ["e1", 75], {"tree_versions_moment", "tree_versions_whole"}),
        "time": (versions.SEQ_AT, [datetime.now(UTC)], {"tree_ops_pkey"}),
        "person": (versions.SPAN_OF_USER, ["u3", ""], {"tree_ops_once", "tree_ops_pkey"}),
        "node": (op_log.OF_NODE, [200, 1, "n3", 50, PAGE_BYTES], {"tree_ops_pkey"}),
        "page": (op_log.PAGE, [10, 60, PAGE_ROWS, PAGE_BYTES], {"tree_ops_pkey"}),
        "edited": (versions.EDITED, ["e1", 77, MOST_COUNTED], {"tree_ops_pkey"}),
        "named": (versions.NAMED, [], {"tree_versions_pkey", "tree_versions_listed", "tree_versions_moment"}),
    }
    async with postgres_database.transaction(tenant) as connection:
        for statement in (TREE, *FILL):
            await connection.execute(statement, tenant, first)
        for name, (statement, more, indexes) in questions.items():
            plan = await connection.fetch(f"EXPLAIN {statement}", tenant, first + 150, *more)
            text = "\n".join(row[0] for row in plan)
            assert any(index in text for index in indexes), f"{name}\n{text}"
            assert "Seq Scan" not in text, f"{name}\n{text}"
