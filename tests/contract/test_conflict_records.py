"""Conflict records: opened, grown and closed by commits; read with the tree, after a commit, one by one, in pages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.conflict_records import ConflictRecord
from sync.errors import Invalid, NotFound
from sync.identity import Identity, TreeKey
from sync.protocol import Closing
from tests.batches import Writer, author
from tests.contract.conftest import NOWHERE, Bench, raised

OVERWRITTEN: dict[str, Any] = {"title": {"base": "A", "mine": "B", "theirs": "C", "by": "bo", "seq": 7}}


def overwritten(number: int, **fields: Any) -> ConflictRecord:
    known: dict[str, Any] = {
        "id": number,
        "kind": "overwritten",
        "node": "root",
        "user": "ada",
        "paths": OVERWRITTEN,
        "parties": ["ada", "bo"],
    }
    return ConflictRecord(**{**known, **fields})


async def keep(bench: Bench, writer: Writer, *records: ConflictRecord) -> None:
    for record in records:
        writer.record(record)
    await bench.land(writer)


async def test_conflict_records_are_listed_to_their_two_authors_newest_first(bench: Bench) -> None:
    writer = await bench.create()
    for number, user in ((1, "ada"), (2, "cy"), (3, "ada")):
        writer.by, writer.last_n = author(user, f"c{number}"), 0
        writer.set_aside(number, f"Mine {number}")
        await bench.land(writer)

    async def listed(user: str | None, *, limit: int = 10, before: int | None = None) -> list[int]:
        records = await bench.directory.conflicts(writer.key, user=user, limit=limit, before=before)
        return [record.id for record in records]

    assert await listed(None) == [3, 2, 1]
    assert await listed("ada") == [3, 1]
    assert await listed("bo") == [3, 2, 1]  # whose value won each time
    assert await listed("eve") == []
    assert await listed("bo", limit=2) == [3, 2]
    assert await listed("bo", limit=2, before=2) == [1]
    [newest] = await bench.directory.conflicts(writer.key, user="ada", limit=1)
    assert (newest.node, newest.client, newest.n, newest.base) == ("root", "c3", 1, 1)
    assert newest.ops[0]["set"] == {"title": "Mine 3"}
    assert newest.paths["title"]["theirs"] == "C"


async def test_conflict_records_of_a_foreign_tree_are_not_there(bench: Bench) -> None:
    writer = await bench.create()
    writer.set_aside(1, "Mine")
    await bench.land(writer)
    foreign = TreeKey("somebody-else", writer.key.tree)
    leaked = []
    if await raised(bench.directory.conflicts(foreign, user=None, limit=9)) is None:
        leaked = await bench.directory.conflicts(foreign, user=None, limit=9)
    assert leaked == []


async def test_a_further_loss_rewrites_its_record(bench: Bench) -> None:
    writer = await bench.create()
    writer.set_aside(1, "First")
    await bench.land(writer)
    writer.set_aside(1, "Second")
    await bench.land(writer)
    [record] = await bench.directory.conflicts(writer.key, user=None, limit=9)
    assert record.ops[0]["set"] == {"title": "Second"}


# ---- opened, grown, closed


def told(record: ConflictRecord | None) -> dict[str, Any]:
    """A record as a map, without its time."""
    assert record is not None
    assert record.at
    return {**msgspec.to_builtins(record), "at": ""}


async def test_a_record_comes_back_as_it_was_kept(bench: Bench) -> None:
    writer = await bench.create()
    ops = [{"op": "text", "n": 3, "base": 1, "node": "root", "path": "description", "delta": [5, "ünï🌳", -3]}]
    paths = {"metadata.x": {"mine": {"deep": [1e22, 2**53 - 1, None]}, "theirs": None, "by": "bo", "seq": 4}}
    aside = ConflictRecord(
        id=1, node="root", user="ada", client="c1", n=3, base=1, code="node_missing", ops=ops, paths=paths,
        parties=["ada", "bo"], seqs=[5, 6],
    )  # fmt: skip
    other = overwritten(2, node="", connection="link")
    await keep(bench, writer, aside, other)
    assert told(await bench.store.conflict(writer.key, 1)) == msgspec.to_builtins(aside)
    assert told(await bench.store.conflict(writer.key, 2)) == msgspec.to_builtins(other)
    assert [told(record) for record in (await bench.store.load(writer.key)).conflicts] == [
        msgspec.to_builtins(aside),
        msgspec.to_builtins(other),
    ]


async def test_a_record_grows_and_keeps_the_time_it_was_opened(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1))
    opened = await bench.store.conflict(writer.key, 1)
    await bench.pass_time(30)
    await keep(bench, writer, overwritten(1, paths={"title": {**OVERWRITTEN["title"], "mine": "B2"}}, seqs=[9]))
    grown = await bench.store.conflict(writer.key, 1)
    assert opened is not None
    assert grown is not None
    assert (grown.at, grown.seqs, grown.paths["title"]["mine"]) == (opened.at, [9], "B2")
    assert (await bench.store.load(writer.key)).head.conflicts == 1


async def test_a_closed_record_is_kept_and_no_longer_open(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1), overwritten(2))
    await keep(bench, writer, overwritten(1, closed=Closing(choice="mine", by="bo", seq=12)))
    closed = await bench.store.conflict(writer.key, 1)
    assert closed is not None
    assert closed.closed == Closing(choice="mine", by="bo", seq=12)
    assert [record.id for record in (await bench.store.load(writer.key)).conflicts] == [2]
    assert [record.id for record in await bench.directory.conflicts(writer.key, user=None, limit=9)] == [2]
    assert [record.id for record in await bench.directory.conflicts(writer.key, user="bo", limit=9)] == [2]
    assert [one.record.id for one in await bench.directory.own_conflicts(bench.identity(), limit=9)] == [2]


async def test_a_record_that_is_opened_again_is_listed_again(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1))
    await keep(bench, writer, overwritten(1, closed=Closing(choice="moot", by="ada", seq=8)))
    await keep(bench, writer, overwritten(1))
    again = await bench.store.conflict(writer.key, 1)
    assert again is not None
    assert again.closed is None
    assert [one.record.id for one in await bench.directory.own_conflicts(bench.identity(), limit=9)] == [1]


async def test_what_changed_since_a_commit_is_missing_closed_ones_too(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1), overwritten(2))
    await keep(bench, writer, overwritten(3))
    known = writer.head.commit
    await keep(bench, writer, overwritten(2, closed=Closing(choice="theirs", by="ada")), overwritten(4))
    missing = await bench.store.missing(writer.key, known)
    assert [(record.id, record.closed is not None) for record in missing.conflicts] == [(2, True), (4, False)]
    async with bench.store.exclusive(writer.key) as turn:
        assert [record.id for record in (await turn.missing(known - 1)).conflicts] == [2, 3, 4]
        assert told(await turn.conflict(2))["closed"] == {"choice": "theirs", "by": "ada", "seq": 0}
        assert await turn.conflict(9) is None
    assert (await bench.store.missing(writer.key, writer.head.commit)).conflicts == []


async def test_a_lost_batch_leaves_no_record(bench: Bench) -> None:
    writer = await bench.create()
    writer.record(overwritten(1))
    batch = writer.cut()
    batch.commit = 9
    assert not (await bench.commit(batch)).committed
    assert await bench.store.conflict(writer.key, 1) is None


async def test_a_record_of_another_tree_or_tenant_is_not_there(bench: Bench) -> None:
    writer, other = await bench.create(), await bench.create()
    await keep(bench, writer, overwritten(1))
    assert await bench.store.conflict(other.key, 1) is None
    assert await bench.store.conflict(writer.key, 2) is None
    for foreign in (TreeKey("somebody-else", writer.key.tree), TreeKey(bench.tenant, NOWHERE)):
        leaked = None
        if await raised(bench.store.conflict(foreign, 1)) is None:
            leaked = await bench.store.conflict(foreign, 1)
        assert leaked is None


# ---- one person's own, over all trees


async def own(bench: Bench, identity: Identity, limit: int = 9, before: str | None = None) -> list[tuple[str, int]]:
    listed = await bench.directory.own_conflicts(identity, limit=limit, before=before)
    names = {line.id: line.name for line in await bench.directory.trees(identity, limit=99)}
    return [(names[one.tree], one.record.id) for one in listed]


async def test_ones_own_records_are_found_over_all_trees_newest_first_in_pages(bench: Bench) -> None:
    first = await bench.create(name="first")
    second = await bench.create(name="second")
    await keep(bench, first, overwritten(1), overwritten(2, parties=["bo", "cy"]))
    await bench.pass_time(1)
    await keep(bench, second, overwritten(1))
    await bench.pass_time(1)
    await keep(bench, first, overwritten(3))
    assert await own(bench, bench.identity()) == [("first", 3), ("second", 1), ("first", 1)]
    seen: list[tuple[str, int]] = []
    before: str | None = None
    while page := await bench.directory.own_conflicts(bench.identity(), limit=1, before=before):
        last = page[-1]
        seen.append((last.record.at, last.record.id))
        before = f"{last.record.at}|{last.tree}|{last.record.id}"
    assert [number for _, number in seen] == [3, 1, 1]
    assert seen == sorted(seen, reverse=True)


async def test_ones_own_records_are_of_trees_one_may_see(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1))
    bo = bench.identity("bo")
    assert await own(bench, bo) == []
    await bench.directory.set_member(writer.key, "bo", "viewer")
    assert await own(bench, bo) == [("Strategy", 1)]
    await bench.directory.set_member(writer.key, "bo", None)
    assert await own(bench, bo) == []
    await bench.directory.set_visibility(writer.key, "tenant_view")
    assert await own(bench, bo) == [("Strategy", 1)]
    assert await own(bench, bench.identity("bo", tenant=f"{bench.tenant}-b")) == []
    await bench.directory.set_visibility(writer.key, "private")
    assert await own(bench, bench.identity("bo", admin=True)) == [("Strategy", 1)]
    await bench.directory.trash_tree(writer.key)
    assert await own(bench, bench.identity()) == []


@pytest.mark.parametrize("before", ["", "x", "2026-11-21T10:00:00Z|1", "|1|2", "2026-11-21T10:00:00Z|1|x"])
async def test_a_cursor_that_is_none_is_refused(bench: Bench, before: str) -> None:
    await bench.create()
    assert await raised(bench.directory.own_conflicts(bench.identity(), limit=9, before=before)) is Invalid


async def test_records_of_a_deleted_tree_are_not_there(bench: Bench) -> None:
    writer = await bench.create()
    await keep(bench, writer, overwritten(1))
    await bench.directory.trash_tree(writer.key)
    assert await raised(bench.directory.conflicts(writer.key, user=None, limit=9)) is NotFound
