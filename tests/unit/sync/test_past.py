"""Restores and reverts through a hub: exactly once, seen live, undone, refused whole."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from sync import past, unmaking
from sync.errors import Clash, Forbidden, Invalid, NotFound, TreesyncError
from sync.history import tree_of_state
from sync.housekeeping import COMPARE_SECONDS
from sync.identity import Author, TreeKey
from sync.moments import Moment, Moments
from sync.nodes import State
from sync.past import Restoring, Reverting, Rewritten
from sync.restoring import same_content
from sync.room import Room
from sync.tree import Tree
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root


async def restore(one: Deployment, key: TreeKey, user: str = "ada", hub: int = 0, **wanted: Any) -> Rewritten:
    author = Author(user=user, client="")
    asked = Restoring(**{"request": "r1", **wanted})
    return await one.hubs[hub].past.restore(author, identity(user), key.tree, asked)


async def revert(one: Deployment, key: TreeKey, by: str = "ada", **wanted: Any) -> Rewritten:
    author = Author(user=by, client="")
    asked = Reverting(**{"request": "v1", **wanted})
    return await one.hubs[0].past.revert(author, identity(by), key.tree, asked)


async def written(one: Deployment) -> tuple[TreeKey, Socket, Socket]:
    """A tree with two people in it: seq 2 to 6 are ada's, 7 to 9 bo's."""
    key = await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    await ada.open(key)
    await bo.open(key)
    for node in ("a", "b", "c"):
        await ada.ask(key, {"op": "insert", "node": node, "parent": "root", "type": "metric", "title": node.upper()})
    await ada.ask(key, {"op": "connect", "connection": "x", "from": "a", "to": "b"})
    await bo.ask(key, {"op": "update", "node": "a", "set": {"title": "Bo's"}})
    await bo.ask(key, {"op": "delete", "node": "b"})
    await bo.ask(key, {"op": "insert", "node": "d", "parent": "c", "type": "metric", "title": "D"})
    for socket in (ada, bo):
        socket.outbox.take()
    return key, ada, bo


def room_of(one: Deployment) -> Any:
    return one.hubs[0].places()[0].room


async def then(one: Deployment, key: TreeKey, seq: int) -> Tree:
    state, _, _ = await one.hubs[0].state(identity("ada"), key.tree, seq)
    return tree_of_state(state)


async def test_a_restore_is_an_edit_that_everyone_sees(one: Deployment) -> None:
    """[HI12] [HI20] In one commit, with the author and through what it came."""
    key, ada, bo = await written(one)
    before = room_of(one).seq
    done = await restore(one, key, to=Moment(seq=before - 3))
    assert (done.count, done.repeated, done.dry_run) == (3, False, False)
    assert same_content(room_of(one).tree, await then(one, key, before - 3))
    (frame,) = bo.outbox.take("ops")
    assert frame["authors"] == [{"user": "ada", "client": "restore:r1", "via": "restore"}]
    assert (frame["after"], frame["seq"]) == (before, done.seq)
    assert ada.outbox.take("ops") == [frame]


async def test_a_restore_undone_leaves_what_was_there(one: Deployment) -> None:
    """[HI16]"""
    key, _, _ = await written(one)
    before = room_of(one).seq
    done = await restore(one, key, to=Moment(seq=3))
    assert done.undo is not None
    undone = await revert(one, key, undo=done.undo.undo)
    assert undone.count
    assert same_content(room_of(one).tree, await then(one, key, before))
    again = await revert(one, key, request="v2", undo=f"revert:{undone.request}")
    assert again.count
    assert same_content(room_of(one).tree, await then(one, key, done.seq))


@pytest.mark.parametrize("hub", [0, 1])
async def test_a_request_is_carried_out_once(two: Deployment, hub: int) -> None:
    """[HI21] Also on another instance."""
    key, _, _ = await written(two)
    first = await restore(two, key, to=Moment(seq=3))
    again = await restore(two, key, hub=hub, to=Moment(seq=3))
    assert (again.repeated, again.count, again.seq, again.undo) == (True, first.count, first.seq, first.undo)
    assert two.database.trees[key].head.seq == first.seq


async def test_one_with_nothing_to_do_is_remembered_too(one: Deployment) -> None:
    """[HI21]"""
    key, ada, _ = await written(one)
    seq = room_of(one).seq
    done = await restore(one, key, to=Moment(seq=seq))
    assert (done.count, done.undo) == (0, None)
    await ada.ask(key, {"op": "update", "node": "a", "set": {"title": "Later"}})
    again = await restore(one, key, to=Moment(seq=seq))
    assert (again.count, again.repeated) == (0, True)
    assert room_of(one).seq == seq + 1


async def test_two_at_once_under_one_request_do_it_once(one: Deployment) -> None:
    """[HI21]"""
    key, _, _ = await written(one)
    seq = room_of(one).seq
    both = await asyncio.gather(*(restore(one, key, to=Moment(seq=3)) for _ in range(2)))
    assert sorted(done.repeated for done in both) == [False, True]
    assert room_of(one).seq == seq + max(done.count for done in both)


async def test_a_batch_has_one_of_them(one: Deployment) -> None:
    """Each compares whole trees, also where it finds nothing to do: what else waits goes between."""
    key, _, _ = await written(one)
    commit = one.database.trees[key].head.commit
    wanted = [restore(one, key, request=f"r{number}", to=Moment(seq=room_of(one).seq)) for number in range(5)]
    await asyncio.gather(*wanted)
    assert one.database.trees[key].head.commit == commit + 5


async def test_what_was_worked_out_of_a_lost_history_is_refused(
    one: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[HI14] A database that was restored has another history, in which those seqs are others."""
    key, ada, _ = await written(one)
    saved = copy.deepcopy(one.database.trees[key])
    await ada.ask(key, {"op": "update", "node": "c", "set": {"title": "Lost"}})
    state_at, go_on = Moments.state_at, asyncio.Event()

    async def slowly(moments: Moments, room: Room, seq: int) -> State:
        state = await state_at(moments, room, seq)
        await go_on.wait()
        return state

    monkeypatch.setattr(Moments, "state_at", slowly)
    restoring = asyncio.create_task(restore(one, key, to=Moment(seq=3)))
    await settle()
    one.database.trees[key] = saved
    await one.clock.advance(2 * COMPARE_SECONDS + 0.1)
    assert room_of(one).epoch != "e1"
    go_on.set()
    with pytest.raises(Clash) as refused:
        await restoring
    assert refused.value.code == "stale"
    assert room_of(one).tree.node("a").title == "Bo's"


async def test_an_undo_takes_back_what_its_asker_did(one: Deployment) -> None:
    """[HI16] Two people may have used the same request; another's is named with its user."""
    key, _, _ = await written(one)
    seq = room_of(one).seq
    await revert(one, key, by="ada", request="same", op=seq - 2)
    await revert(one, key, by="bo", request="same", op=seq)
    await revert(one, key, by="ada", request="v2", undo="revert:same")
    assert room_of(one).tree.node("a").title == "Bo's"
    assert room_of(one).tree.node("d") is None
    await revert(one, key, by="ada", request="v3", undo="revert:same", user="bo")
    assert room_of(one).tree.node("d") is not None


async def test_a_dry_run_changes_nothing_and_lists_all(one: Deployment) -> None:
    """[HI14]"""
    key, ada, _ = await written(one)
    seq = room_of(one).seq
    rehearsed = await restore(one, key, to=Moment(seq=seq - 3), dry_run=True)
    assert (rehearsed.count, rehearsed.seq, rehearsed.undo) == (3, seq, None)
    assert [type(op).__name__ for op in rehearsed.ops] == ["Delete", "Restore", "Update"]
    met = {(one.node, one.path, one.by) for one in rehearsed.collisions if one.by}
    assert met == {("a", "title", "bo"), ("b", "node", "bo"), ("d", "node", "bo")}
    assert room_of(one).seq == seq
    assert ada.outbox.messages == []
    done = await restore(one, key, to=Moment(seq=seq - 3), seq=seq)
    assert done.collisions == rehearsed.collisions


async def test_who_may_not_purge_brings_nothing_back_that_was(one: Deployment) -> None:
    """[HI12] An editor is told what stays gone; the owner makes it anew."""
    key, _, _ = await written(one)
    before = room_of(one).seq - 3
    await one.hubs[0].purge(identity("ada"), key.tree, ["b"], "1")
    rehearsed = await restore(one, key, "bo", to=Moment(seq=before), dry_run=True)
    done = await restore(one, key, "bo", to=Moment(seq=before))
    assert done.collisions == rehearsed.collisions
    assert [(met.node, met.connection) for met in done.collisions if met.kept] == [("b", ""), ("", "x")]
    assert room_of(one).tree.node("b") is None
    await restore(one, key, "ada", request="r2", to=Moment(seq=before))
    assert same_content(room_of(one).tree, await then(one, key, before))


async def test_a_revert_of_more_than_is_read_is_refused(one: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """[HI25]"""
    key, _, _ = await written(one)
    monkeypatch.setattr(past, "MOST_ROWS", 3)
    with pytest.raises(Invalid) as refused:
        await revert(one, key, since=Moment(seq=2))
    assert refused.value.code == "too_large"
    monkeypatch.undo()
    monkeypatch.setattr(unmaking, "MOST_STEPS", 0)
    await ada_types(one, key)
    with pytest.raises(Invalid) as refused:
        await revert(one, key, user="bo")
    assert refused.value.code == "too_large"


async def ada_types(one: Deployment, key: TreeKey) -> None:
    ada = one.socket("ada", "ada-2")
    await ada.open(key)
    base = room_of(one).seq
    await ada.ask(key, {"op": "text", "node": "a", "path": "title", "delta": ["x"], "base": base})


async def test_who_deleted_what_comes_back_is_named_and_oneself_is_not(one: Deployment) -> None:
    """[HI14]"""
    key, ada, _ = await written(one)
    seq = room_of(one).seq
    await ada.ask(key, {"op": "delete", "node": "c"})
    for dry_run in (True, False):
        told = await restore(one, key, to=Moment(seq=seq - 3), dry_run=dry_run)
        assert [(met.node, met.by) for met in told.collisions if met.why == "it was deleted since"] == [("b", "bo")]


async def test_it_is_done_only_where_the_dry_run_was_made_if_so_asked(one: Deployment) -> None:
    """[HI14]"""
    key, ada, _ = await written(one)
    seq = room_of(one).seq
    await ada.ask(key, {"op": "update", "node": "c", "set": {"title": "x"}})
    with pytest.raises(Clash) as refused:
        await restore(one, key, to=Moment(seq=3), seq=seq)
    assert refused.value.code == "stale"
    assert room_of(one).seq == seq + 1
    assert (await restore(one, key, to=Moment(seq=3), seq=seq + 1)).count


async def test_reverting_a_person_leaves_the_rest(one: Deployment) -> None:
    """[HI17]"""
    key, ada, _ = await written(one)
    await ada.ask(key, {"op": "update", "node": "c", "set": {"title": "Mine"}})
    assert (await revert(one, key, user="bo")).count == 3
    state = room_of(one).state()
    titles = {node.id: node.title for node in state.nodes if node.id != "root"}
    assert titles == {"a": "A", "b": "B", "c": "Mine"}
    assert [connection.id for connection in state.connections] == ["x"]


async def test_reverting_one_op_or_a_stretch(one: Deployment) -> None:
    """[HI17]"""
    key, _, _ = await written(one)
    seq = room_of(one).seq
    await revert(one, key, op=seq - 2)
    assert room_of(one).tree.node("a").title == "A"
    assert room_of(one).tree.node("b") is None
    await revert(one, key, request="v2", since=Moment(seq=seq - 2), until=Moment(seq=seq - 1))
    assert room_of(one).tree.node("b") is not None
    assert room_of(one).tree.node("d") is not None


async def test_edits_that_go_on_meanwhile_do_not_stop_a_revert(one: Deployment) -> None:
    """[HI18] What is touched again while it is planned is planned again."""
    key, ada, _ = await written(one)

    async def typing() -> None:
        for number in range(10):
            await ada.ask(key, {"op": "update", "node": "a", "set": {"description": f"{number}"}})

    _, done = await asyncio.gather(typing(), revert(one, key, user="bo"))
    assert done.count == 3
    await settle()
    assert room_of(one).tree.node("a").description == "9"
    assert room_of(one).tree.node("a").title == "A"


BAD: list[tuple[dict[str, Any], type[TreesyncError]]] = [
    ({"to": Moment(seq=99)}, NotFound),
    ({"to": Moment(version=1)}, NotFound),
    ({"to": Moment(at="2001-01-01T00:00:00Z")}, NotFound),
    ({"to": Moment(at="2999-01-01T00:00:00Z")}, NotFound),
    ({"to": Moment(at="2001-01-01T00:00:00")}, Invalid),
    ({"to": Moment(at="soon")}, Invalid),
    ({"to": Moment()}, Invalid),
    ({"to": Moment(seq=1, version=1)}, Invalid),
    ({"to": Moment(seq=5), "node": "nowhere"}, NotFound),
]


@pytest.mark.parametrize(("wanted", "error"), BAD, ids=str)
async def test_a_moment_that_is_none_is_refused(one: Deployment, wanted: dict[str, Any], error: type) -> None:
    """[HI15] And nothing is done."""
    key, _, _ = await written(one)
    commit = one.database.trees[key].head.commit
    with pytest.raises(TreesyncError) as refused:
        await restore(one, key, **wanted)
    assert type(refused.value) is error
    assert one.database.trees[key].head.commit == commit


async def test_a_subtree_whose_parent_is_gone_is_refused_whole(one: Deployment) -> None:
    """[HI15]"""
    key, ada, _ = await written(one)
    seq = room_of(one).seq
    await ada.ask(key, {"op": "delete", "node": "d"}, {"op": "delete", "node": "c"})
    commit = one.database.trees[key].head.commit
    for dry_run in (True, False):
        with pytest.raises(Clash) as refused:
            await restore(one, key, to=Moment(seq=seq), node="d", dry_run=dry_run)
        assert refused.value.code == "parent_missing"
    assert one.database.trees[key].head.commit == commit
    assert (await restore(one, key, to=Moment(seq=seq), node="d", parent="a")).count == 1


NOTHING: list[tuple[dict[str, Any], type[TreesyncError]]] = [
    ({"user": "nobody"}, NotFound),
    ({"undo": "restore:never"}, NotFound),
    ({"op": 99}, NotFound),
    ({"since": Moment(seq=5), "until": Moment(seq=5)}, NotFound),
    ({}, Invalid),
    ({"op": 3, "undo": "restore:r1"}, Invalid),
    ({"op": 3, "user": "bo"}, Invalid),
]


@pytest.mark.parametrize(("wanted", "error"), NOTHING, ids=str)
async def test_reverting_what_is_not_there_is_refused(one: Deployment, wanted: dict[str, Any], error: type) -> None:
    """[HI19]"""
    key, _, _ = await written(one)
    with pytest.raises(TreesyncError) as refused:
        await revert(one, key, **wanted)
    assert type(refused.value) is error


async def test_reading_is_not_enough_and_strangers_find_nothing(one: Deployment) -> None:
    """[HI22]"""
    key, _, _ = await written(one)
    await one.directory.set_visibility(key, "tenant_view")
    one.hubs[0].rights_changed(key)
    await settle()
    for dry_run in (True, False):
        with pytest.raises(Forbidden):
            await restore(one, key, "cy", to=Moment(seq=3), dry_run=dry_run)
        with pytest.raises(Forbidden):
            await revert(one, key, "cy", user="bo", dry_run=dry_run)
    asked = Restoring(request="r1", to=Moment(seq=3))
    with pytest.raises(NotFound):
        await one.hubs[0].past.restore(Author(user="eve", client=""), identity("eve", "other"), key.tree, asked)
