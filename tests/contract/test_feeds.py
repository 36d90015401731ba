"""Every implementation of `sync.feeds.FeedReader` and `sync.personal_metrics.MetricsReader`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import pytest

from storage.analytics import PostgresAnalytics
from storage.directory import PostgresDirectory
from storage.feeds import PostgresFeeds
from storage.memory import MemoryDatabase
from storage.memory_analytics import MemoryAnalytics
from storage.memory_feeds import MemoryFeeds
from storage.memory_personal_metrics import MemoryMetrics
from storage.memory_structures import MemoryStructures
from storage.memory_templates import MemoryTemplates
from storage.personal_metrics import PostgresMetrics
from storage.postgres import PostgresStore
from sync.analytics import Analytics
from sync.errors import Invalid
from sync.feed_rows import Place
from sync.feeds import Entry, FeedReader, Wanted, page
from sync.identity import Identity, TreeKey
from sync.nodes import Connection
from sync.personal_metrics import Counts, MetricsReader
from sync.protocol import ActivityEvent
from tests.batches import Writer, author, first_batch, node
from tests.clocks import ManualClock
from tests.contract.conftest import Bench, memory_bench, postgres_bench, raised
from tests.postgres_servers import PostgresServers, opened

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
LAST = datetime(2100, 1, 1, tzinfo=UTC)


class Kit(NamedTuple):
    bench: Bench
    feeds: FeedReader
    metrics: MetricsReader
    analytics: Analytics

    async def told(self, wanted: Wanted, reader: Identity | None = None, limit: int = 50) -> list[Entry]:
        """The whole feed, page by page."""
        entries: list[Entry] = []
        before: str | None = None
        while True:
            found = await page(self.feeds, reader or self.bench.identity(), wanted, before=before, limit=limit)
            entries += found.entries
            before = found.next
            if before is None:
                return entries

    def of(self, key: TreeKey, **narrowed: object) -> Wanted:
        return msgspec.structs.replace(Wanted(tenant=key.tenant, tree=key.tree), **narrowed)

    def by(self, user: str) -> Wanted:
        return Wanted(tenant=self.bench.tenant, user=user)


@pytest.fixture(params=["memory", "15", "18"])
async def kit(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Kit]:
    if request.param == "memory":
        clock = ManualClock()
        memory = MemoryDatabase(clock)
        bench = memory_bench(memory, clock)
        analytics = MemoryAnalytics(memory, MemoryStructures(memory, MemoryTemplates()))
        yield Kit(bench, MemoryFeeds(memory), MemoryMetrics(memory), analytics)
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        bench = postgres_bench(database, PostgresStore(database), PostgresDirectory(database))
        yield Kit(bench, PostgresFeeds(database), PostgresMetrics(database), PostgresAnalytics(database))


async def type_on(kit: Kit, writer: Writer, node_id: str, times: int) -> None:
    for number in range(times):
        writer.update(node_id, title=f"{node_id} {number}")
        await kit.bench.land(writer)
        await kit.bench.pass_time(1.0)


async def test_what_one_types_in_one_go_is_one_entry(kit: Kit) -> None:
    """[AC6, AC7] Others may do something meanwhile."""
    writer = await kit.bench.create()
    other = msgspec.structs.replace(author("bo", "c2"), visit="v2")
    for _ in range(3):
        await type_on(kit, writer, "left", 2)
        mine, writer.by = writer.by, other
        writer.last_n, kept = writer.last_n + 100, writer.last_n
        writer.update("right", description=f"at {writer.head.seq}")
        await kit.bench.land(writer)
        writer.by, writer.last_n = mine, kept + 1
    entries = await kit.told(kit.of(writer.key))
    assert [(one.kind, one.user, one.node, one.count) for one in entries] == [
        ("node_edited", "bo", "right", 3),
        ("node_edited", "ada", "left", 6),
        ("tree_created", "ada", None, 1),
    ]
    typed = entries[1]
    assert (typed.fields, typed.name, typed.title) == (["title"], "Ada", "left 1")
    assert (typed.seq - typed.first_seq, typed.at > typed.began) == (7, True)
    assert typed.duration_ms == round((moment(typed.at) - moment(typed.began)) / timedelta(milliseconds=1))
    assert typed.sentence == "Ada changed the title of “left 1”."


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_an_entry_keeps_its_id_while_it_grows(kit: Kit) -> None:
    """[AC6]"""
    writer = await kit.bench.create()
    await type_on(kit, writer, "left", 2)
    [before, *_] = await kit.told(kit.of(writer.key))
    await type_on(kit, writer, "left", 2)
    [after, *_] = await kit.told(kit.of(writer.key))
    assert (after.id, after.count, before.count) == (before.id, 4, 2)
    assert after.at > before.at


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_tell_every_row_once_whatever_comes_meanwhile(kit: Kit, limit: int) -> None:
    """[AC8]"""
    writer = await kit.bench.create()
    for number in range(4):
        writer.insert(node(f"n{number}", "root"))
        writer.update("left", title=f"t{number}")  # of the same commit, and so of the same time
        await kit.bench.land(writer)
        await kit.bench.pass_time(1.0)
    there = writer.head.seq
    seqs: list[tuple[int, int]] = []
    before: str | None = None
    while True:
        found = await page(kit.feeds, kit.bench.identity(), kit.of(writer.key), before=before, limit=limit)
        assert len(found.entries) <= limit
        seqs += [(one.count, one.seq) for one in found.entries if 0 < one.seq <= there]
        before = found.next
        if before is None:
            break
        writer.update("right", title=f"meanwhile {len(seqs)}")
        await kit.bench.land(writer)
        await kit.bench.pass_time(1.0)
    assert sum(count for count, _ in seqs) == 8, "what made the tree is told by its `tree_created`"


async def test_what_was_reported_is_in_ones_own_feed_alone(kit: Kit) -> None:
    """[AC1, AC9] Whatever it calls itself."""
    writer = await kit.bench.create()
    said = [
        ActivityEvent(id=f"e{n}", kind="node_viewed", node="left", duration_ms=500, data={"seq": 1}) for n in (1, 2)
    ]
    await kit.bench.store.log_activity(writer.key, author("ada"), said)
    assert [one.kind for one in await kit.told(kit.of(writer.key))] == ["tree_created"]
    assert [one.kind for one in await kit.told(kit.of(writer.key, node="left"))] == []
    viewed, made = await kit.told(kit.by("ada"))
    assert (viewed.kind, viewed.count, viewed.duration_ms, viewed.seq) == ("node_viewed", 2, 1000, 0)
    assert viewed.sentence.startswith("Ada looked at “Title of left")
    assert made.kind == "tree_created"
    assert await kit.told(kit.by("bo")) == []


async def test_of_a_tree_that_one_sees_no_more_only_the_kind_is_told(kit: Kit) -> None:
    """[AC9]"""
    writer = await kit.bench.create(name="Secret plan")
    await kit.bench.directory.set_member(writer.key, "bo", "editor", author("ada"))
    theirs = await kit.bench.writer(writer.key, "bo", "c2")
    theirs.update("left", title="Secret title")
    await kit.bench.land(theirs)
    bo = kit.bench.identity("bo")
    [entry] = await kit.told(kit.by("bo"), bo)
    assert (entry.tree_name, entry.title, entry.fields) == ("Secret plan", "Secret title", ["title"])
    await kit.bench.directory.set_member(writer.key, "bo", None, author("ada"))
    [entry] = await kit.told(kit.by("bo"), bo)
    assert (entry.tree_name, entry.title, entry.fields, entry.type) == ("", "", [], "")
    assert "Secret" not in entry.sentence
    assert "Secret" in (await kit.told(kit.by("bo"), kit.bench.identity("chef", admin=True)))[0].sentence
    assert await kit.told(Wanted(tenant="somebody-else", user="bo"), bo) == []
    assert (await kit.told(kit.of(writer.key)))[0].sentence == "Ada took the role of bo in the tree."
    await kit.bench.directory.trash_tree(writer.key, author("ada"))
    assert (await kit.told(kit.by("ada")))[0].sentence == "Ada did something in a tree that is gone (tree deleted)."


async def test_each_kind_has_its_sentence(kit: Kit) -> None:
    """[AC6]"""
    writer = await kit.bench.create()
    directory, by = kit.bench.directory, author("ada")
    writer.connect(Connection(id="k", source="left", target="right", label=""))
    writer.insert(node("deep", "left", title="Deep"))
    writer.delete("deep")
    writer.restore("deep")
    await kit.bench.land(writer)
    await kit.bench.pass_time(1.0)
    await directory.set_visibility(writer.key, "tenant_view", by)
    await kit.bench.pass_time(1.0)
    for role in ("viewer", "owner"):
        await directory.set_member(writer.key, "bo", role, by)
        await kit.bench.pass_time(1.0)
    left = node("left").title
    assert [one.sentence for one in await kit.told(kit.of(writer.key))] == [
        "Ada made bo an owner of the tree.",
        "Ada made bo a viewer of the tree.",
        "Ada let everyone of the company see the tree.",
        "Ada brought the opportunity “Deep” back from the trash.",
        "Ada deleted the opportunity “Deep”.",
        f"Ada added the opportunity “Deep” under “{left}”.",
        f"Ada connected “{left}” with “{node('right').title}”.",
        "Ada made the tree, with 3 nodes.",
    ]
    kinds = [one.kind for one in await kit.told(kit.of(writer.key, kinds=["member_added", "member_changed"]))]
    assert kinds == ["member_changed", "member_added"]


async def test_ops_of_one_request_are_one_entry(kit: Kit) -> None:
    """[AC7]"""
    writer = await kit.bench.create()
    for client, via, kind in (("restore:r1", "restore", "tree_restored"), ("revert:r2", "revert", "changes_reverted")):
        writer.by, writer.last_n = msgspec.structs.replace(author("ada", client), via=via), 0
        writer.update("left", title=client)
        writer.insert(node(f"of {via}", "root"))
        await kit.bench.land(writer)
        [entry, *_] = await kit.told(kit.of(writer.key))
        assert (entry.kind, entry.count, entry.via) == (kind, 2, via)
        assert entry.sentence.endswith(": 2 changes.")


async def test_a_cursor_that_no_page_gave_is_refused(kit: Kit) -> None:
    """[AC8]"""
    forged = [
        "",
        "1",
        "x|1",
        "2026-11-21T10:00:00Z|1",
        "2026-13-21T10:00:00.000000Z|1",
        "9999-12-31T23:59:59.999999Z|1",
    ]
    forged += [
        "0001-01-01T00:00:00.000000Z|1",
        "2026-11-21T10:00:00.000000Z|-1",
        "2026-11-21T10:00:00.000000Z|" + "9" * 30,
    ]
    for cursor in forged:
        asked = page(kit.feeds, kit.bench.identity(), kit.by("ada"), before=cursor, limit=5)
        assert await raised(asked) is Invalid, cursor
    early = await page(kit.feeds, kit.bench.identity(), kit.by("ada"), before="1970-01-01T00:00:00.000000Z|1", limit=5)
    assert (early.entries, early.next) == ([], None)


async def test_a_look_is_bounded_and_says_how_far_it_came(kit: Kit) -> None:
    """[AC8]"""
    writer = await kit.bench.create()
    await type_on(kit, writer, "left", 6)
    looked = await kit.feeds.rows(kit.of(writer.key, node="nowhere"), before=None, limit=4)
    assert looked.rows == []
    assert isinstance(looked.last, Place)
    rest = await kit.feeds.rows(kit.of(writer.key), before=looked.last, limit=50)
    assert ([row.seq for row in rest.rows if row.seq > 1], rest.last) == ([3, 2], None)
    since = await kit.feeds.rows(kit.of(writer.key, since=moment(rest.rows[0].at)), before=None, limit=50)
    assert [row.seq for row in since.rows] == [7, 6, 5, 4, 3]


# ---- a person in numbers


async def test_what_somebody_did_is_counted(kit: Kit) -> None:
    """[AC10]"""
    writer = await kit.bench.create()
    writer.insert(node("n1", "root"))
    writer.update("left", title="x")
    await kit.bench.land(writer)
    at = "2026-01-05T10:00:00Z"
    viewed = [ActivityEvent(id=f"e{n}", kind="node_viewed", node="left", duration_ms=700, at=at) for n in range(3)]
    await kit.bench.store.log_activity(writer.key, author("ada"), viewed)
    counted = await kit.metrics.metrics(
        kit.bench.tenant, "ada", [FIRST, moment(at), moment(at) + timedelta(days=1), LAST]
    )
    assert set(counted.series) == {1, 2}
    assert counted.series[1] == Counts(trees=1, sessions=1, events=3, time_spent_ms=2100)
    assert (counted.series[2].edits, counted.series[2].nodes_created, counted.series[2].trees) == (3, 4, 1)
    assert (counted.totals.edits, counted.totals.events, counted.totals.trees, counted.totals.sessions) == (3, 3, 1, 1)
    assert counted.kinds["node_viewed"] == 3
    assert counted.kinds["node_created"] == 1
    nothing = await kit.metrics.metrics(kit.bench.tenant, "nobody", [FIRST, LAST])
    assert (nothing.totals, nothing.kinds, nothing.series) == (Counts(), {}, {})
    assert (await kit.metrics.metrics("somebody-else", "ada", [FIRST, LAST])).totals == Counts()


async def test_time_spent_on_a_card_is_within_that_on_its_tree(kit: Kit) -> None:
    """[AC10]"""
    writer = await kit.bench.create()
    days = [FIRST + timedelta(days=day) for day in range(3)]
    said = [(0, "node_viewed", 30), (0, "tree_viewed", 30), (1, "node_viewed", 7), (1, "read", 2)]
    viewed = [ActivityEvent(id=f"{n}{kind}", kind=kind, duration_ms=ms, at=days[n].isoformat()) for n, kind, ms in said]
    await kit.bench.store.log_activity(writer.key, author("ada"), viewed)
    counted = await kit.metrics.metrics(kit.bench.tenant, "ada", days)
    assert [counted.series[day].time_spent_ms for day in range(2)] == [30, 9]
    assert counted.totals.time_spent_ms == 39


async def test_how_long_a_visit_lasted_is_counted_by_bucket(kit: Kit) -> None:
    """[AC10]"""
    writer = await kit.bench.create()
    day = datetime(2026, 1, 5, tzinfo=UTC)
    times = [day + timedelta(hours=hours) for hours in (1, 2, 25, 25.5)]
    said = [ActivityEvent(id=f"e{n}", kind="tree_viewed", at=at.isoformat()) for n, at in enumerate(times)]
    await kit.bench.store.log_activity(writer.key, author("ada"), said)
    edges = [day, day + timedelta(days=1), day + timedelta(days=2)]
    counted = await kit.metrics.metrics(kit.bench.tenant, "ada", edges)
    assert [counted.series[one].active_ms for one in (0, 1)] == [3_600_000, 1_800_000]
    assert (counted.totals.active_ms, counted.totals.sessions) == (5_400_000, 1)


async def test_a_time_that_cannot_be_is_refused_and_none_has_yet_to_come(kit: Kit) -> None:
    """[AC11]"""
    writer = await kit.bench.create()
    for at in ("yesterday", "2026-02-30T10:00:00Z", "2026-01-05T25:00:00Z", "0001-01-01T00:00:00+14:00", ""):
        event = ActivityEvent(id="e", kind="tree_viewed", at=at)
        assert await raised(kit.bench.store.log_activity(writer.key, author(), [event])) is Invalid, at
    ahead = ActivityEvent(id="e", kind="tree_viewed", at="2099-01-01T00:00:00Z")
    await kit.bench.store.log_activity(writer.key, author(), [ahead])
    [told, *_] = await kit.told(kit.by("ada"))
    assert told.kind == "tree_viewed"
    assert told.at < "2099"


async def test_a_batch_sent_many_times_at_once_counts_once(kit: Kit) -> None:
    """[AC2] Whatever the order in it."""
    writer = await kit.bench.create()
    said = [ActivityEvent(id=f"e{n}", kind="node_clicked", node="left") for n in range(20)]
    log = kit.bench.store.log_activity
    await asyncio.gather(*(log(writer.key, author(), said[turn:] + said[:turn]) for turn in range(0, 20, 5)))
    [told, *_] = await kit.told(kit.by("ada"))
    assert (told.kind, told.count) == ("node_clicked", 20)


# ---- what the kinds of entries are, and what is older than they


async def test_kinds_are_those_of_entries(kit: Kit) -> None:
    """[AC6, AC7] Ops of a restore are of many kinds, and their entry is of one."""
    writer = await kit.bench.create()
    writer.update("left", title="by hand")
    await kit.bench.land(writer)
    await kit.bench.pass_time(1.0)
    writer.by, writer.last_n = msgspec.structs.replace(author("ada", "restore:r1"), via="restore"), 0
    writer.update("left", title="as it was")
    writer.insert(node("again", "root"))
    await kit.bench.land(writer)

    async def told(*kinds: str) -> list[tuple[str, int]]:
        return [(one.kind, one.count) for one in await kit.told(kit.of(writer.key, kinds=kinds))]

    assert await told("tree_restored") == [("tree_restored", 2)]
    assert await told("node_edited") == [("node_edited", 1)]
    assert await told("node_edited", "tree_restored") == [("tree_restored", 2), ("node_edited", 1)]
    assert await told("node_created") == []


async def test_a_tree_that_was_taken_over_is_told_once(kit: Kit) -> None:
    """[AC7]"""
    identity = kit.bench.identity()
    await kit.bench.directory.admit(identity)
    by = author("ada", "import-legacy:x1")
    first = first_batch(kit.bench.tenant)
    for op in first.ops:
        op.author = by
    first.counters = []
    key = await kit.bench.directory.create(identity, first, "private", by)
    [entry] = await kit.told(kit.of(key))
    assert (entry.kind, entry.sentence) == ("tree_created", "Ada took the tree over from an old table, with 3 nodes.")


async def test_what_becomes_of_a_tree_is_nothing_that_was_reported(kit: Kit) -> None:
    """[AC10, PG10]"""
    writer = await kit.bench.create()
    await kit.bench.directory.set_member(writer.key, "bo", "viewer", author("ada"))
    await kit.bench.directory.set_visibility(writer.key, "tenant_view", author("ada"))
    progress = await kit.analytics.progress(kit.bench.tenant, "ada", days=366)
    [day] = progress.series
    assert (day.edits, day.events, day.nodes_created) == (1, 0, 3)
    assert (await kit.metrics.metrics(kit.bench.tenant, "ada", [FIRST, LAST])).totals.events == 0


async def test_the_stamp_of_a_person_moves_with_what_is_reported_late(kit: Kit) -> None:
    """[AC10] And with nothing that he only looked up."""
    writer = await kit.bench.create()
    seen = {await kit.analytics.stamp(kit.bench.tenant, "ada")}
    for number in range(2):
        at = f"2026-01-05T10:00:0{number}Z"
        await kit.bench.store.log_activity(writer.key, author(), [ActivityEvent(id=f"e{number}", kind="k", at=at)])
        seen.add(await kit.analytics.stamp(kit.bench.tenant, "ada"))
    assert len(seen) == 3
    await kit.bench.directory.admit(kit.bench.identity())
    assert await kit.analytics.stamp(kit.bench.tenant, "ada") in seen
