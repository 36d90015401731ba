"""Every implementation of `sync.structures.Structures` and `sync.templates.Templates`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest

import storage.structures
import sync.structures
from storage.directory import PostgresDirectory
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from storage.memory_structures import MemoryStructures
from storage.memory_templates import MemoryTemplates
from storage.postgres import PostgresStore
from storage.structures import PostgresStructures
from storage.templates import PostgresTemplates
from sync.errors import NotFound
from sync.identity import TreeKey
from sync.node_templates import STANDARD
from sync.nodes import Connection, NodeType
from sync.protocol import ActivityEvent
from sync.structure import Structure
from sync.structures import Processed, Structures
from sync.templates import Field, Template, Templates
from tests.batches import author, node
from tests.clocks import ManualClock
from tests.contract.conftest import NOWHERE, Bench, raised
from tests.postgres_servers import PostgresServers, opened

OWN: dict[NodeType, Template] = {
    "objective": Template(meaning="Ours", fields=[Field(name="budget", label="Budget", kind="number")])
}


class Kit(NamedTuple):
    bench: Bench
    structures: Structures
    templates: Templates

    async def document(self, key: TreeKey) -> Structure:
        return msgspec.json.decode(await self.structures.structure(key), type=Structure)


@pytest.fixture(params=["memory", "18"])
async def kit(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Kit]:
    async def nothing(_: Any) -> Any:
        """Not looked at here."""

    if request.param == "memory":
        clock = ManualClock()
        memory, templates = MemoryDatabase(clock), MemoryTemplates()
        bench = Bench(MemoryStore(memory), MemoryDirectory(memory), nothing, clock.advance)
        yield Kit(bench, MemoryStructures(memory, templates), templates)
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        bench = Bench(PostgresStore(database), PostgresDirectory(database), nothing, nothing)
        yield Kit(bench, PostgresStructures(database), PostgresTemplates(database))


async def test_pg2_templates_are_a_tenants_own(kit: Kit) -> None:
    """[PG1, PG2]"""
    await kit.bench.directory.admit(kit.bench.identity())
    first = await kit.templates.node_templates(kit.bench.tenant)
    assert (first.version, first.templates) == (0, STANDARD)
    changed = await kit.templates.set_node_templates(kit.bench.tenant, "ada", OWN)
    assert (changed.version, changed.templates) == (1, STANDARD | OWN)
    assert await kit.templates.node_templates(kit.bench.tenant) == changed
    assert (await kit.templates.node_templates("somebody-else")).templates == STANDARD
    back = await kit.templates.set_node_templates(kit.bench.tenant, "ada", {})
    assert (back.version, back.templates) == (2, STANDARD)


async def test_st1_a_structure_shows_the_tree_as_it_is_now(kit: Kit) -> None:
    """[ST1, ST2]"""
    writer = await kit.bench.create()
    before = await kit.document(writer.key)
    assert (before.tree_id, before.user_id, before.metadata.total_nodes) == (writer.key.tree, "ada", 3)
    assert before.hierarchy.root_nodes == ["root"]
    assert before.connections.degrees["left"].outgoing == 1
    writer.insert(node("deep", "left"))
    writer.delete("right")
    await kit.bench.land(writer)
    now = await kit.document(writer.key)
    assert now.seq == writer.head.seq > before.seq
    assert set(now.nodes) == {"root", "left", "deep"}
    assert now.hierarchy.node_relationships["deep"].path == "root.root.left"
    assert [moment.seq for moment in now.ai_metadata.evolution] == [now.seq], "one moment a day"
    assert now.connections.dangling == ["link"], "its end is in the trash, and this batch left it"


async def test_st1_other_templates_make_another_structure(kit: Kit) -> None:
    """[ST1]"""
    writer = await kit.bench.create()
    before = await kit.document(writer.key)
    await kit.templates.set_node_templates(kit.bench.tenant, "ada", {"opportunity": OWN["objective"]})
    now = await kit.document(writer.key)
    assert (before.ai_metadata.templates_version, now.ai_metadata.templates_version) == (0, 1)
    assert "budget" in now.nodes["root"].template_data


async def test_a_tree_that_is_not_there_has_no_structure(kit: Kit) -> None:
    writer = await kit.bench.create()
    assert await raised(kit.structures.structure(TreeKey("somebody-else", writer.key.tree))) is NotFound
    assert await raised(kit.structures.structure(TreeKey(kit.bench.tenant, NOWHERE))) is NotFound
    await kit.bench.directory.trash_tree(writer.key)
    assert await raised(kit.structures.structure(writer.key)) is NotFound


async def test_a_refresh_takes_what_is_behind(kit: Kit) -> None:
    """[ST1]"""
    writers = [await kit.bench.create() for _ in range(3)]
    assert await kit.structures.refresh(kit.bench.tenant, since=None) == 3
    assert await kit.structures.refresh(kit.bench.tenant, since=None) == 0
    writers[1].update("root", title="Other")
    await kit.bench.land(writers[1])
    ago = datetime.fromtimestamp(1, UTC)
    assert await kit.structures.refresh(kit.bench.tenant, since=ago) == 1
    assert await kit.structures.refresh(kit.bench.tenant, since=datetime.now(UTC) + timedelta(days=400)) == 0


async def test_metrics_count_what_each_did(kit: Kit) -> None:
    writer = await kit.bench.create()
    await kit.structures.structure(writer.key)
    writer.insert(node("n1", "root"))
    writer.connect(Connection(id="c9", source="root", target="n1"))
    await kit.bench.land(writer)
    event = ActivityEvent(id="e1", kind="node_viewed", node="root", duration_ms=700)
    await kit.bench.store.log_activity(writer.key, author("bo"), [event])
    assert await kit.structures.refresh(kit.bench.tenant, since=None) == 1
    document = await kit.document(writer.key)
    assert document.ai_metadata.total_connections == 2


async def test_st4_no_two_workers_have_one_tree(kit: Kit) -> None:
    """[ST4]"""
    keys = {(await kit.bench.create()).key.tree for _ in range(12)}
    tenant = kit.bench.tenant
    claims = await asyncio.gather(*(kit.structures.claim(tenant, f"w{n}", limit=5, before=None) for n in range(4)))
    claimed = [msgspec.json.decode(one, type=Structure).tree_id for claim in claims for one in claim.structures]
    assert sorted(claimed) == sorted(set(claimed))
    rest = await kit.structures.claim(tenant, "w9", limit=50, before=None)
    claimed += [msgspec.json.decode(one, type=Structure).tree_id for one in rest.structures]
    assert sorted(claimed) == sorted(keys)
    empty = await kit.structures.claim(tenant, "w10", limit=5, before=None)
    assert (empty.structures, empty.until) == ([], "")


async def test_st5_what_was_processed_says_so(kit: Kit) -> None:
    """[ST5]"""
    key = (await kit.bench.create()).key
    other = (await kit.bench.create()).key
    tenant = kit.bench.tenant
    await kit.structures.claim(tenant, "w1", limit=1, before=None)
    done = [Processed(tree=one.tree, insights={"summary": "good"}) for one in (key, other)]
    assert await kit.structures.complete(tenant, "w2", done) == []
    finished = await kit.structures.complete(tenant, "w1", done)
    assert len(finished) == 1, "only what this claim had"
    assert await kit.structures.complete(tenant, "w1", done) == []
    document = await kit.document(TreeKey(tenant, finished[0]))
    assert document.ai_metadata.latest_insights == {"summary": "good"}
    await kit.bench.pass_time(1.0)
    later = datetime.now(UTC) + timedelta(days=400)
    again = await kit.structures.claim(tenant, "w3", limit=9, before=later)
    order = [msgspec.json.decode(one, type=Structure).tree_id for one in again.structures]
    assert sorted(order) == sorted([key.tree, other.tree])
    nobody = await kit.structures.claim(tenant, "w4", limit=9, before=later)
    assert nobody.structures == []


async def test_st6_pages_hold_every_tree_once(kit: Kit) -> None:
    """[ST6]"""
    trees = sorted([(await kit.bench.create()).key.tree for _ in range(5)])
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await kit.structures.page(kit.bench.tenant, after=after, limit=2)
        found += [msgspec.json.decode(document, type=Structure).tree_id for document in page.documents]
        after = page.next
    assert found == trees


async def test_st8_a_batch_and_a_page_hold_no_more_than_is_read_at_once(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[ST8] Trees of three nodes each; one alone, however large it is."""
    monkeypatch.setattr(sync.structures, "TOGETHER_NODES", 4)
    monkeypatch.setattr(storage.structures, "TOGETHER_NODES", 4)
    tenant, trees = kit.bench.tenant, sorted([(await kit.bench.create()).key.tree for _ in range(5)])
    pages: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await kit.structures.page(tenant, after=after, limit=9)
        pages.append(len(page.documents))
        after = page.next
    assert pages == [2, 2, 1]
    taken = [await kit.structures.claim(tenant, f"w{one}", limit=9, before=None) for one in range(3)]
    assert [len(claim.structures) for claim in taken] == [2, 2, 1]
    done = [Processed(tree=tree, insights={}) for tree in trees]
    assert [len(await kit.structures.complete(tenant, f"w{one}", done)) for one in range(3)] == [2, 2, 1]
    await kit.bench.pass_time(1.0)
    new = (await kit.bench.create()).key.tree
    both = await kit.structures.claim(tenant, "w9", limit=9, before=datetime.now(UTC) + timedelta(days=400))
    found = [msgspec.json.decode(one, type=Structure).tree_id for one in both.structures]
    assert (len(found), new in found) == (2, True), "what is left of the bound goes to those processed before"


async def test_it_is_counted_how_often_what_is_kept_is_level(kit: Kit) -> None:
    writer = await kit.bench.create()
    for _ in range(3):
        await kit.structures.structure(writer.key)
    writer.update("root", title="Other")
    await kit.bench.land(writer)
    await kit.structures.structure(writer.key)
    assert (kit.structures.asked, kit.structures.hits) == (4, 2)


async def test_st7_trees_that_speak_of_a_term_are_found_by_who_may_see_them(kit: Kit) -> None:
    """[ST7]"""
    mine = await kit.bench.create()
    shared = await kit.bench.create(visibility="tenant_view")
    for writer in (mine, shared):
        writer.insert(node("n1", "root", title="Less churn among subscribers"))
        await kit.bench.land(writer)
    await kit.structures.refresh(kit.bench.tenant, since=None)

    async def seen(user: str, term: str = "churn", *, admin: bool = False, after: int = 0) -> list[int]:
        identity = kit.bench.identity(user, admin=admin)
        return [one.tree for one in await kit.structures.with_term(identity, term, after=after, limit=9)]

    both = sorted([mine.key.tree, shared.key.tree])
    assert await seen("ada") == both
    assert await seen("ada", after=both[0]) == both[1:]
    assert await seen("bo") == [shared.key.tree]
    await kit.bench.directory.set_member(mine.key, "bo", "viewer")
    assert await seen("bo") == both
    assert await seen("chef", admin=True) == both
    assert await seen("ada", "no such term") == []
    [use, *_] = await kit.structures.with_term(kit.bench.identity(), "churn", after=0, limit=1)
    assert (use.node_count, use.nodes) == (1, ["n1"])
    mine.update("n1", title="Else")
    await kit.bench.land(mine)
    await kit.structures.refresh(kit.bench.tenant, since=None)
    assert await seen("ada") == [shared.key.tree]
