"""The guarantees of `sync.ports.Store`, over every implementation: loading, commits, compare-and-set."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from sync.errors import NotFound, Unstorable
from sync.identity import Author, TreeKey
from sync.marks import CREATED, Mark
from sync.nodes import Connection
from sync.ports import LoggedOp
from tests.batches import Writer, author, node
from tests.contract.conftest import NOWHERE, Bench, raised


def plain(op: LoggedOp) -> LoggedOp:
    """An op without what the commit stamps on it, and without what only its activity row keeps."""
    by = Author(user=op.author.user, client=op.author.client, via=op.author.via)
    return msgspec.structs.replace(op, author=by, activity="", commit=0, mark="", at="")


# ---- loading


async def test_load_gives_what_was_created(bench: Bench) -> None:
    writer = await bench.create()
    loaded = await bench.store.load(writer.key)
    assert loaded.key == writer.key
    assert (loaded.head.epoch, loaded.head.commit, loaded.head.seq) == ("e1", 1, 1)
    assert loaded.head.mark
    assert loaded.head.rights == loaded.rights.version
    assert (loaded.rights.owner, loaded.rights.visibility, loaded.rights.members) == ("ada", "private", {})
    assert not loaded.rights.frozen
    assert not loaded.rights.deleted
    assert loaded.details.name == "Strategy"
    assert loaded.details.canvas_state == {"zoom": 1, "pan": {"x": 0, "y": 0}, "orientation": "vertical"}
    assert loaded.detail_marks == {CREATED: Mark(0, "ada", "create:1")}
    rows = {row.node.id: row for row in loaded.nodes}
    assert rows.keys() == {"root", "left", "right"}
    assert rows["left"].node == msgspec.structs.replace(node("left", "root"), seq=1)
    assert rows["left"].marks == {CREATED: Mark(1, "ada", "create:1")}
    assert (rows["left"].deleted, rows["left"].by) == (None, "ada")
    assert [row.connection for row in loaded.connections] == [
        Connection(id="link", source="left", target="right", label="helps")
    ]


async def test_a_tree_of_another_tenant_is_not_there(bench: Bench) -> None:
    key = (await bench.create()).key
    foreign = TreeKey("somebody-else", key.tree)
    for store_call in (
        bench.store.load(foreign),
        bench.store.rights(foreign),
        bench.store.missing(foreign, 0),
        bench.store.renew_epoch(foreign, "e1", "e2"),
        bench.store.load(TreeKey(key.tenant, NOWHERE)),
        bench.store.rights(TreeKey(key.tenant, NOWHERE)),
    ):
        assert await raised(store_call) is NotFound
    assert await bench.store.heads([foreign]) == {}
    assert (await bench.store.load(key)).head.epoch == "e1"


async def test_a_deleted_tree_cannot_be_loaded_but_says_that_it_is_deleted(bench: Bench) -> None:
    key = (await bench.create()).key
    await bench.directory.trash_tree(key)
    assert await raised(bench.store.load(key)) is NotFound
    assert (await bench.store.rights(key)).deleted


async def test_trash_is_loaded_with_the_seq_of_its_delete(bench: Bench) -> None:
    writer = await bench.create()
    writer.delete("left")
    await bench.land(writer)
    rows = {row.node.id: row for row in (await bench.store.load(writer.key)).nodes}
    assert (rows["left"].deleted, rows["right"].deleted) == (2, None)
    writer.restore("left")
    await bench.land(writer)
    rows = {row.node.id: row for row in (await bench.store.load(writer.key)).nodes}
    assert rows["left"].deleted is None


async def test_values_come_back_as_they_were(bench: Bench) -> None:
    writer = await bench.create()
    odd = {
        "int": 2**53 - 1,
        "negative": -5,
        "float": 0.1,
        "tiny": 5e-324,
        "true": True,
        "null": None,
        "empty": "",
        "list": [[], {}, [{"a": [1.5]}]],
        "text": 'quotes " and \\ and \u2028 and 🌳\t\n',
    }
    made = msgspec.structs.replace(node("odd", "root", title="x" * 500), template_data=odd, metadata={}, description="")
    writer.insert(made)
    batch = await bench.land(writer)
    loaded = await bench.store.load(writer.key)
    kept = next(row.node for row in loaded.nodes if row.node.id == "odd")
    assert kept == msgspec.structs.replace(made, seq=2)
    assert [plain(op) for op in await bench.store.log(writer.key, 1, 2)] == [plain(op) for op in batch.ops]


async def test_details_change_only_where_a_batch_carries_them(bench: Bench) -> None:
    writer = await bench.create()
    writer.rename("Renamed")
    await bench.land(writer)
    writer.update("left", title="something else")
    await bench.land(writer)
    loaded = await bench.store.load(writer.key)
    assert loaded.details.name == "Renamed"
    assert loaded.detail_marks["name"] == Mark(2, "ada", "c1")


async def test_nothing_a_caller_holds_can_change_what_is_stored(bench: Bench) -> None:
    writer = await bench.create()
    writer.insert(node("mine", "root"))
    batch = await bench.land(writer)
    loaded = await bench.store.load(writer.key)
    for row in [*batch.nodes, *loaded.nodes]:
        row.node.template_data["spoilt"] = True
        row.marks.clear()
    batch.ops[0].inverse["spoilt"] = True
    batch.ops[0].seq = 77
    loaded.details.canvas_state.clear()
    again = await bench.store.load(writer.key)
    assert all("spoilt" not in row.node.template_data and row.marks for row in again.nodes)
    assert again.details.canvas_state["zoom"] == 1
    [op] = await bench.store.log(writer.key, 1, 9)
    assert (op.seq, op.inverse) == (2, {})


# ---- committing


async def test_a_commit_moves_the_head_and_stamps_its_ops(bench: Bench) -> None:
    writer = await bench.create()
    writer.insert(node("n1", "root"))
    writer.update("n1", title="Better")
    writer.connect(Connection(id="c9", source="n1", target="left"))
    batch = writer.cut()
    receipt = await bench.commit(batch)
    assert receipt.committed
    loaded = await bench.store.load(writer.key)
    assert (loaded.head.commit, loaded.head.seq, loaded.head.mark) == (2, 4, batch.mark)
    assert receipt.rights == loaded.rights.version
    ops = await bench.store.log(writer.key, 1, 4)
    assert [plain(op) for op in ops] == [plain(op) for op in batch.ops]
    assert {(op.commit, op.mark, op.at) for op in ops} == {(2, batch.mark, receipt.at)}
    assert {(op.author.address, op.author.user_agent, op.activity) for op in ops} == {("", "", "")}
    assert datetime.fromisoformat(receipt.at).tzinfo is not None


async def test_time_never_goes_back_along_the_log(bench: Bench) -> None:
    writer = await bench.create()
    for turn in range(4):
        await bench.pass_time(-3600 if turn == 2 else 0.01)
        writer.update("left", title=f"Turn {turn}")
        await bench.land(writer)
    times = [datetime.fromisoformat(op.at) for op in await bench.store.log(writer.key, 0, 9)]
    assert len(times) == 5
    assert times == sorted(times)


async def test_a_commit_that_only_consumes_n_raises_commit_and_not_seq(bench: Bench) -> None:
    writer = await bench.create()
    before = writer.head
    writer.answer("rejected", code="cycle")
    await bench.land(writer)
    head = (await bench.store.load(writer.key)).head
    assert (head.commit, head.seq, head.mark) == (before.commit + 1, before.seq, before.mark)
    assert (await bench.store.recall(writer.key, "ada", "c1", [1])).last_n == 1


@pytest.mark.parametrize("stale", [{"commit": 0}, {"commit": 2}, {"epoch": "other"}])
async def test_a_batch_on_another_head_is_lost_and_writes_nothing(bench: Bench, stale: dict[str, object]) -> None:
    writer = await bench.create()
    before = await bench.store.load(writer.key)
    writer.insert(node("n1", "root"))
    writer.answer("unchanged")
    writer.set_aside(1, "Mine")
    writer.rename("Lost")
    receipt = await bench.commit(msgspec.structs.replace(writer.cut(), **stale))
    assert not receipt.committed
    after = await bench.store.load(writer.key)
    assert after.head == before.head
    assert after.details == before.details
    assert {row.node.id for row in after.nodes} == {"root", "left", "right"}
    assert (await bench.store.recall(writer.key, "ada", "c1", [1, 2, 3])).last_n == 0
    assert len(await bench.store.log(writer.key, 0, 99)) == 1


async def test_of_two_batches_on_one_head_the_first_lands(bench: Bench) -> None:
    one = await bench.create()
    other = await bench.writer(one.key, "bo", "c2")
    one.update("left", title="One")
    other.update("left", title="Other")
    assert (await bench.commit(one.cut())).committed
    assert not (await bench.commit(other.cut())).committed
    rows = {row.node.id: row for row in (await bench.store.load(one.key)).nodes}
    assert rows["left"].node.title == "One"


async def test_each_tree_of_a_commit_succeeds_or_fails_alone(bench: Bench) -> None:
    writers = [await bench.create(tenant=tenant) for tenant in (bench.tenant, f"{bench.tenant}-b", bench.tenant)]
    batches = []
    for writer in writers:
        writer.update("left", title=f"In {writer.key.tree}")
        batches.append(writer.cut())
    batches[0] = msgspec.structs.replace(batches[0], commit=77)
    gone = msgspec.structs.replace(batches[2], key=TreeKey(bench.tenant, NOWHERE))
    receipts = await bench.store.commit([batches[2], gone, batches[0], batches[1]])
    assert [receipt.committed for receipt in receipts] == [True, False, False, True]
    titles = [
        next(row.node.title for row in (await bench.store.load(writer.key)).nodes if row.node.id == "left")
        for writer in writers
    ]
    assert titles == [node("left").title, f"In {writers[1].key.tree}", f"In {writers[2].key.tree}"]


async def test_an_empty_commit_is_nothing(bench: Bench) -> None:
    assert await bench.store.commit([]) == []


def spoilt_by(text: str, place: str, writer: Writer) -> None:
    match place:
        case "title":
            writer.update("left", title=text)
        case "template_data":
            writer.insert(msgspec.structs.replace(node("n1", "root"), template_data={"a": [{"b": text}]}))
        case "key":
            writer.insert(msgspec.structs.replace(node("n1", "root"), metadata={text: 1}))
        case "client":
            writer.by = author("ada", text)
            writer.answer("unchanged")
        case _:
            writer.set_aside(1, text)


@pytest.mark.parametrize("place", ["title", "template_data", "key", "conflict"])
@pytest.mark.parametrize("text", ["nul \x00 inside", "lone \ud800 surrogate"])
async def test_what_cannot_be_stored_fails_every_tree_of_the_commit(bench: Bench, text: str, place: str) -> None:
    good, bad = await bench.create(), await bench.create()
    good.update("left", title="Good")
    spoilt_by(text, place, bad)
    good_batch = good.cut()
    assert await raised(bench.store.commit([good_batch, bad.cut()])) is Unstorable
    for writer in (good, bad):
        assert (await bench.store.load(writer.key)).head == writer.head
    assert (await bench.commit(good_batch)).committed
