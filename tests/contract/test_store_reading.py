"""The guarantees of `sync.ports.Store`, over every implementation: exactly once, and reading what one lacks."""

from __future__ import annotations

from sync.errors import Unstorable
from sync.identity import TreeKey
from sync.nodes import Connection
from tests.batches import author, node
from tests.contract.conftest import NOWHERE, Bench, raised

# ---- exactly once


async def test_the_same_number_of_a_client_is_stored_once(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="Once")
    await bench.land(writer)
    writer.last_n = 0
    writer.update("left", title="Twice")
    assert await raised(bench.store.commit([writer.cut()])) is Unstorable
    writer.last_n = 1
    writer.answer("unchanged")
    await bench.land(writer)
    writer.last_n = 1
    writer.answer("rejected", code="cycle")
    assert await raised(bench.store.commit([writer.cut()])) is Unstorable
    assert (await bench.store.load(writer.key)).head == writer.head


async def test_a_number_is_one_of_a_user_and_a_client(bench: Bench) -> None:
    writer = await bench.create()
    for user, client in (("ada", "c1"), ("ada", "c2"), ("bo", "c1")):
        writer.by, writer.last_n = author(user, client), 0
        writer.update("left", title=f"{user} {client}")
        await bench.land(writer)
    assert [op.n for op in await bench.store.log(writer.key, 1, 9)] == [1, 1, 1]
    for user, client in (("ada", "c1"), ("ada", "c2"), ("bo", "c1")):
        assert (await bench.store.recall(writer.key, user, client, [1])).last_n == 1


async def test_recall_answers_from_the_log_and_from_results(bench: Bench) -> None:
    writer = await bench.create()
    writer.insert(node("n1", "root"))
    writer.answer("rejected", "n7", code="cycle")
    writer.set_aside(3, "Mine")
    writer.connect(Connection(id="c9", source="n1", target="left"))
    writer.rename("New name")
    writer.answer("unchanged", "n1")
    await bench.land(writer)
    recalled = await bench.store.recall(writer.key, "ada", "c1", [1, 2, 3, 4, 5, 6, 7, 8])
    assert recalled.last_n == 6
    assert {n: (first.target, first.result) for n, first in recalled.firsts.items()} == {
        1: ("n1", {"n": 1, "status": "applied", "seq": 2}),
        2: ("n7", {"n": 2, "status": "rejected", "code": "cycle"}),
        3: ("root", {"n": 3, "status": "conflict", "conflict": {"id": 3}}),
        4: ("c9", {"n": 4, "status": "applied", "seq": 3}),
        5: ("", {"n": 5, "status": "applied", "seq": 4}),
        6: ("n1", {"n": 6, "status": "unchanged"}),
    }
    assert (await bench.store.recall(writer.key, "ada", "c1", [2])).firsts.keys() == {2}


async def test_recall_of_a_client_never_seen(bench: Bench) -> None:
    key = (await bench.create()).key
    for user, client in (("ada", "c1"), ("nobody", "create:1")):
        recalled = await bench.store.recall(key, user, client, [1])
        assert (recalled.last_n, recalled.firsts) == (0, {})


async def test_recall_of_an_import_names_its_first_node(bench: Bench) -> None:
    key = (await bench.create()).key
    recalled = await bench.store.recall(key, "ada", "create:1", [1])
    assert (recalled.last_n, recalled.firsts[1].target) == (1, "root")


# ---- catching up


async def test_missing_is_every_op_and_counter_after_a_commit(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="2")
    await bench.land(writer)
    other = await bench.writer(writer.key, "bo", "c2")
    other.update("left", title="3")
    other.update("right", title="4")
    await bench.land(other)
    other.answer("unchanged")
    await bench.land(other)
    missing = await bench.store.missing(writer.key, 2)
    assert missing.head == (await bench.store.load(writer.key)).head
    assert [(op.seq, op.commit, op.n) for op in missing.ops] == [(3, 3, 1), (4, 3, 2)]
    assert [(kept.user, kept.client, kept.last_n) for kept in missing.counters] == [("bo", "c2", 3)]
    whole = await bench.store.missing(writer.key, 0)
    assert [op.seq for op in whole.ops] == [1, 2, 3, 4]
    assert {(kept.user, kept.client) for kept in whole.counters} == {("ada", "create:1"), ("ada", "c1"), ("bo", "c2")}
    only_counter = await bench.store.missing(writer.key, 3)
    assert (only_counter.ops, len(only_counter.counters)) == ([], 1)
    for beyond in (4, 99):
        nothing = await bench.store.missing(writer.key, beyond)
        assert (nothing.head, nothing.ops, nothing.counters) == (missing.head, [], [])


async def test_log_is_after_and_through(bench: Bench) -> None:
    writer = await bench.create()
    for turn in range(2, 7):
        writer.update("left", title=str(turn))
        await bench.land(writer)
    for after, through, expected in [(0, 99, [1, 2, 3, 4, 5, 6]), (2, 4, [3, 4]), (4, 4, []), (6, 9, []), (5, 2, [])]:
        assert [op.seq for op in await bench.store.log(writer.key, after, through)] == expected


async def test_mark_at_tells_one_history_from_another(bench: Bench) -> None:
    writer = await bench.create()
    writer.update("left", title="2")
    writer.update("left", title="3")
    batch = await bench.land(writer)
    first = (await bench.store.log(writer.key, 0, 1))[0].mark
    marks = [await bench.store.mark_at(writer.key, seq) for seq in (0, 1, 2, 3, 4)]
    assert marks == ["", first, batch.mark, batch.mark, None]


async def test_heads_of_many_trees_of_many_tenants(bench: Bench) -> None:
    one, other = await bench.create(), await bench.create(tenant=f"{bench.tenant}-b")
    one.update("left", title="2")
    await bench.land(one)
    unknown = TreeKey(bench.tenant, NOWHERE)
    swapped = TreeKey(bench.tenant, other.key.tree)
    heads = await bench.store.heads([one.key, unknown, other.key, swapped])
    assert heads == {one.key: one.head, other.key: other.head}
    assert await bench.store.heads([]) == {}


async def test_a_head_shows_a_change_of_rights(bench: Bench) -> None:
    key = (await bench.create()).key
    before = (await bench.store.heads([key]))[key]
    rights = await bench.directory.set_member(key, "bo", "editor")
    after = (await bench.store.heads([key]))[key]
    assert before.rights < after.rights == rights.version
    assert (before.commit, before.seq) == (after.commit, after.seq)
    await bench.directory.trash_tree(key)
    gone = (await bench.store.heads([key])).get(key)
    assert gone is None or gone.rights > after.rights


async def test_an_epoch_is_renewed_once(bench: Bench) -> None:
    writer = await bench.create()
    renewed = await bench.store.renew_epoch(writer.key, "e1", "e2")
    assert renewed.epoch == "e2"
    assert (await bench.store.renew_epoch(writer.key, "e1", "e3")).epoch == "e2"
    head = (await bench.store.load(writer.key)).head
    assert (head.epoch, head.seq) == ("e2", 1)
    writer.update("left", title="From before")
    assert not (await bench.commit(writer.cut())).committed


async def test_conflicts_are_counted_in_the_head(bench: Bench) -> None:
    writer = await bench.create()
    for number in (1, 2):
        writer.set_aside(number, f"Mine {number}")
        await bench.land(writer)
    writer.update("left", title="After")
    await bench.land(writer)
    assert (await bench.store.load(writer.key)).head.conflicts == 2
