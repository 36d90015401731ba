"""`Store.exclusive`: a head that is held, what its holder may do, and what others meet."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from sync.errors import NotFound, Unavailable, Unstorable
from sync.identity import TreeKey
from tests.contract.conftest import Bench, raised


async def test_a_held_head_counts_as_lost_and_delays_no_other_tree(bench: Bench) -> None:
    held, free = await bench.create(), await bench.create()
    held.update("left", title="Held")
    free.update("left", title="Free")
    held_batch, free_batch = held.cut(), free.cut()
    async with bench.store.exclusive(held.key):
        receipts = await asyncio.wait_for(bench.store.commit([held_batch, free_batch]), 5)
        assert [receipt.committed for receipt in receipts] == [False, True]
    assert (await bench.commit(held_batch)).committed


async def test_the_holder_reads_what_is_missing_and_commits(bench: Bench) -> None:
    writer = await bench.create()
    other = await bench.writer(writer.key, "bo", "c2")
    other.update("left", title="First")
    await bench.land(other)
    async with bench.store.exclusive(writer.key) as turn:
        missing = await turn.missing(1)
        assert [op.seq for op in missing.ops] == [2]
        assert (await turn.recall("bo", "c2", [1, 2])).firsts.keys() == {1}
        assert await turn.log(0, 2) == await bench.store.log(writer.key, 0, 2)
        assert [op.seq for op in await turn.log(1, 9)] == [2]
        writer.head = missing.head
        writer.update("left", title="Second")
        batch = writer.cut()
        receipt = await turn.commit(batch)
        assert receipt.committed
    loaded = await bench.store.load(writer.key)
    assert (loaded.head.commit, loaded.head.seq, loaded.head.mark) == (3, 3, batch.mark)
    assert (await bench.store.log(writer.key, 2, 3))[0].at == receipt.at


async def test_a_rehearsal_leaves_nothing_and_the_turn_goes_on(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="Good")
    good = writer.cut()
    writer.last_n = 0
    writer.update("left", title="Bad \x00")
    bad = writer.cut()
    async with bench.store.exclusive(writer.key) as turn:
        await turn.rehearse(good)
        assert await raised(turn.rehearse(bad)) is Unstorable
        await turn.rehearse(good)
        assert (await turn.missing(1)).ops == []
        assert (await turn.recall("ada", "c1", [1])).last_n == 0
        assert (await turn.commit(good)).committed
    assert (await bench.store.load(writer.key)).head.seq == 2


async def test_an_op_from_the_middle_of_a_batch_is_rehearsed_alone(bench: Bench) -> None:
    """As the hub looks for the one op that cannot be stored (SEMANTICS 6)."""
    writer = await bench.create()
    for title in ("First", "Second", "Third"):
        writer.update("left", title=title)
    batch = writer.cut()
    async with bench.store.exclusive(writer.key) as turn:
        for op in batch.ops:
            alone = msgspec.structs.replace(batch, seq=op.seq - 1, ops=[op], counters=[], results=[], conflicts=[])
            await turn.rehearse(alone)
        assert (await turn.commit(batch)).committed


async def test_a_turn_without_a_commit_changes_nothing(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="Never")
    batch = writer.cut()

    async def fail() -> None:
        async with bench.store.exclusive(writer.key) as turn:
            await turn.rehearse(batch)
            raise RuntimeError("the holder died")

    with pytest.raises(RuntimeError, match="the holder died"):
        await fail()
    assert (await bench.store.load(writer.key)).head == writer.head
    assert (await bench.commit(batch)).committed


async def test_a_turn_whose_batch_stands_elsewhere_is_lost(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="Stale")
    async with bench.store.exclusive(writer.key) as turn:
        assert not (await turn.commit(msgspec.structs.replace(writer.cut(), commit=7))).committed


async def test_a_second_holder_waits_for_the_first(bench: Bench) -> None:
    writer = await bench.create()

    async def second() -> int:
        async with bench.store.exclusive(writer.key) as turn:
            return len((await turn.missing(1)).ops)

    async with bench.store.exclusive(writer.key) as turn:
        waiting = asyncio.create_task(second(), name="second holder")
        writer.update("left", title="Before the second")
        assert (await turn.commit(writer.cut())).committed
    assert await asyncio.wait_for(waiting, 5) == 1


async def test_nobody_waits_longer_than_a_second(bench: Bench) -> None:
    key = (await bench.create()).key

    async def second() -> None:
        async with bench.store.exclusive(key):
            pass

    async with bench.store.exclusive(key):
        waiting = asyncio.create_task(raised(second()), name="impatient holder")
        await bench.pass_time(0.9)
        await bench.pass_time(0.2)
        assert await asyncio.wait_for(waiting, 5) is Unavailable
    await second()


async def test_a_waiter_that_is_cancelled_leaves_the_head_free(bench: Bench) -> None:
    key = (await bench.create()).key

    async def second() -> None:
        async with bench.store.exclusive(key):
            pass

    async with bench.store.exclusive(key):
        waiting = asyncio.create_task(second(), name="cancelled holder")
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    await asyncio.wait_for(second(), 5)


async def test_a_tree_that_is_not_there_cannot_be_held(bench: Bench) -> None:
    key = (await bench.create()).key

    async def hold(other: TreeKey) -> None:
        async with bench.store.exclusive(other):
            pass

    assert await raised(hold(TreeKey("somebody-else", key.tree))) is NotFound
    await bench.directory.trash_tree(key)
    assert await raised(hold(key)) is NotFound
