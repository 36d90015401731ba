"""What stands beside the log: activity rows and versions."""

from __future__ import annotations

from sync.errors import Unstorable
from sync.identity import TreeKey
from sync.protocol import ActivityEvent
from sync.versions import TreeVersion
from tests.batches import author, node
from tests.contract.conftest import Bench, raised


def version(seq: int, *, epoch: str = "e1", name: str = "") -> TreeVersion:
    return TreeVersion(number=0, seq=seq, epoch=epoch, state=b'{"name":"at %d"}' % seq, user="ada", name=name)


# ---- activity


async def test_every_accepted_op_is_an_activity_row(bench: Bench) -> None:
    writer = await bench.create()
    writer.insert(node("n1", "root"))
    writer.update("n1", title="Better")
    writer.answer("unchanged")
    await bench.land(writer)
    rows = await bench.activities(writer.key)
    assert ("tree_created", "") in rows
    assert rows[-2:] == [("node_created", "n1"), ("node_edited", "n1")]


async def test_a_lost_batch_leaves_no_activity(bench: Bench) -> None:
    writer = await bench.create()
    before = await bench.activities(writer.key)
    writer.insert(node("n1", "root"))
    batch = writer.cut()
    batch.commit = 9
    assert not (await bench.commit(batch)).committed
    assert await bench.activities(writer.key) == before


async def test_an_event_is_logged_once_per_user(bench: Bench) -> None:
    key = (await bench.create()).key
    before = len(await bench.activities(key))
    viewed = ActivityEvent(id="ev-1", kind="node_viewed", node="left", duration_ms=5300, at="2026-11-21T10:00:00Z")
    clicked = ActivityEvent(id="ev-2", kind="node_clicked", data={"x": 1})
    await bench.store.log_activity(key, author("ada"), [viewed, viewed])
    await bench.store.log_activity(key, author("ada", "another device"), [clicked, viewed])
    await bench.store.log_activity(key, author("ada"), [])
    await bench.store.log_activity(key, author("bo"), [viewed])
    assert (await bench.activities(key))[before:] == [
        ("node_viewed", "left"),
        ("node_clicked", ""),
        ("node_viewed", "left"),
    ]


async def test_events_that_cannot_be_stored_are_refused_together(bench: Bench) -> None:
    key = (await bench.create()).key
    before = await bench.activities(key)
    good = ActivityEvent(id="ev-1", kind="node_viewed")
    bad = ActivityEvent(id="ev-2", kind="node_viewed", data={"text": "\x00"})
    assert await raised(bench.store.log_activity(key, author(), [good, bad])) is Unstorable
    assert await bench.activities(key) == before


# ---- versions


async def test_version_numbers_have_no_gap_and_repeat_no_moment(bench: Bench) -> None:
    key, other = (await bench.create()).key, (await bench.create()).key
    first = await bench.store.keep_version(key, version(1, name="Start"))
    assert first is not None
    assert (first.number, first.seq, first.name, first.state) == (1, 1, "Start", b'{"name":"at 1"}')
    assert first.at
    assert await bench.store.keep_version(key, version(1)) is None
    second = await bench.store.keep_version(key, version(5))
    assert second is not None
    assert second.number == 2
    assert await bench.store.keep_version(key, version(4)) is None
    third = await bench.store.keep_version(key, version(2, epoch="e2"))
    assert third is not None
    assert third.number == 3
    elsewhere = await bench.store.keep_version(other, version(9))
    assert elsewhere is not None
    assert elsewhere.number == 1


async def test_version_before_is_the_newest_at_or_below(bench: Bench) -> None:
    key = (await bench.create()).key
    for seq in (10, 20, 30):
        await bench.store.keep_version(key, version(seq))
    await bench.store.keep_version(key, version(12, epoch="e2"))
    found = {seq: await bench.store.version_before(key, "e1", seq) for seq in (9, 10, 19, 20, 99)}
    assert {seq: kept.seq if kept else None for seq, kept in found.items()} == {9: None, 10: 10, 19: 10, 20: 20, 99: 30}
    newest = found[99]
    assert newest is not None
    assert (newest.number, newest.state, newest.user) == (3, b'{"name":"at 30"}', "ada")
    assert await bench.store.version_before(key, "e3", 99) is None


async def test_version_before_keeps_to_its_tenant(bench: Bench) -> None:
    key = (await bench.create()).key
    await bench.store.keep_version(key, version(1))
    foreign = TreeKey("somebody-else", key.tree)
    leaked: TreeVersion | None = None
    if await raised(bench.store.version_before(foreign, "e1", 99)) is None:
        leaked = await bench.store.version_before(foreign, "e1", 99)
    assert leaked is None
