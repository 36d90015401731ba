"""What the contract suite cannot see of the in-memory database: determinism, sharing, faults put before it."""

from __future__ import annotations

import asyncio

from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from sync.errors import Unavailable
from sync.identity import Identity, TreeKey
from tests.batches import Writer, author, first_batch
from tests.clocks import ManualClock, settle
from tests.contract.conftest import raised
from tests.faults import Fault, FaultyStore, LossyExchange

ADA = Identity(tenant="acme", user="ada", expires_at=4e9)


async def tree_of(database: MemoryDatabase) -> Writer:
    key = await MemoryDirectory(database).create(ADA, first_batch(), "private", author())
    head = (await MemoryStore(database).heads([key]))[key]
    return Writer(key, head)


async def test_two_stores_share_one_database() -> None:
    database = MemoryDatabase(ManualClock())
    writer = await tree_of(database)
    one, other = MemoryStore(database), MemoryStore(database)
    writer.update("left", title="Seen by both")
    await one.commit([writer.cut()])
    assert (await other.heads([writer.key]))[writer.key].seq == 2
    async with one.exclusive(writer.key):
        writer.update("left", title="Not now")
        assert not (await other.commit([writer.cut()]))[0].committed


async def test_the_same_calls_leave_the_same_bytes() -> None:
    async def run() -> tuple[list[bytes], dict[str, bytes]]:
        database = MemoryDatabase(ManualClock())
        writer = await tree_of(database)
        for turn in range(3):
            writer.update("left", title=f"Turn {turn}")
            batch = writer.cut()
            writer.settle(batch, (await MemoryStore(database).commit([batch]))[0])
        rows = database.trees[writer.key]
        return rows.log, rows.nodes

    assert await run() == await run()


async def test_a_call_that_fails_before_did_not_happen_and_one_that_fails_after_did() -> None:
    database = MemoryDatabase(ManualClock())
    writer = await tree_of(database)
    faults: list[Fault] = ["before", "after", "none"]
    store = FaultyStore(MemoryStore(database), lambda _name: faults.pop(0))
    writer.update("left", title="Once")
    batch = writer.cut()
    assert await raised(store.commit([batch])) is Unavailable
    assert database.trees[writer.key].head.seq == 1
    assert await raised(store.commit([batch])) is Unavailable
    assert database.trees[writer.key].head.seq == 2
    assert not (await store.commit([batch]))[0].committed


async def test_a_pause_lets_others_come_between() -> None:
    database = MemoryDatabase(ManualClock())
    writer = await tree_of(database)
    gate = asyncio.Event()

    async def pause(_name: str) -> None:
        await gate.wait()

    slow = FaultyStore(MemoryStore(database), lambda _name: "none", pause)
    writer.update("left", title="Slow")
    late = asyncio.create_task(slow.commit([writer.cut()]), name="slow commit")
    await settle()
    writer.last_n = 10
    writer.update("left", title="Quick")
    assert (await MemoryStore(database).commit([writer.cut()]))[0].committed
    gate.set()
    assert [receipt.committed for receipt in await late] == [False]


async def test_messages_can_be_lost_doubled_and_reordered() -> None:
    exchange = LossyExchange()
    sender, receiver = exchange.bus(), exchange.bus()
    received: list[bytes] = []
    tree = TreeKey("acme", 1)
    await sender.start(lambda _key, _payload: None)
    await receiver.start(lambda _key, payload: received.append(payload))
    await receiver.subscribe(tree)
    for payload in (b"lost", b"second", b"first"):
        sender.publish(tree, payload)
    exchange.lose(0)
    exchange.hand_over(1, keep=True)
    exchange.hand_over(0)
    exchange.hand_over(0)
    await settle()
    assert received == [b"first", b"second", b"first"]
