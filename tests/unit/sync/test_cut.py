"""Judging a batch: numbers, duplicates, policies, and what its commit writes."""

from __future__ import annotations

import msgspec
import pytest

from sync import effects
from sync.codec import Malformed
from sync.limits import ORDER_KEY_CHARACTERS
from sync.ports import ClientCounter
from sync.protocol import UNCONSUMED, Result
from sync.session import Participant, Session
from tests.hubs import ListOutbox, identity
from tests.rooms import Bench, delete, insert, title, told
from tests.trees import image


def reader(user: str = "bo", *, live: bool = False) -> Participant:
    session = Session(identity(user), f"{user}-1", ListOutbox(), since=0, visit="", address="", user_agent="")
    participant = Participant("p1", session, "editor")
    participant.live = live
    return participant


# ---- numbers


def test_numbers_are_counted_per_client() -> None:
    """[ED2, RS1] From 1, without gaps."""
    bench = Bench()
    results = bench.do(insert(1, "a"), insert(2, "b"))
    assert [(one.n, one.status, one.seq) for one in results] == [(1, "applied", 2), (2, "applied", 3)]
    assert told(bench.do(insert(1, "c"), user="cy")) == ["applied"]
    assert told(bench.do(insert(1, "d"), client="bo-2")) == ["applied"]
    assert bench.batches[0].counters == [ClientCounter(user="bo", client="bo-1", last_n=2)]


def test_a_gap_names_what_comes_next_and_holds_back_what_follows() -> None:
    """[ED2, ED6]"""
    bench = Bench()
    results = bench.do(insert(1, "a"), insert(3, "c"), insert(4, "d"), insert(2, "b"), insert(3, "c"))
    assert told(results) == ["applied", "gap", "gap", "applied", "applied"]
    assert [one.expected for one in results[1:3]] == [2, 2]
    assert all(one.why for one in results[1:3])


def test_a_duplicate_in_the_same_batch_gets_the_first_result() -> None:
    """[ED3] Whole, also for what is only in this batch."""
    bench = Bench()
    assert bench.offer(insert(1, "a"), title(2, "Root")) is None
    assert bench.offer(insert(1, "a"), title(2, "Root"), delete(3, "a")) is None
    first, second = (outcome.results for _, outcome in bench.settle().outcomes)
    assert told(second) == ["duplicate", "duplicate", "applied"]
    assert [one.first for one in second[:2]] == [msgspec.to_builtins(one) for one in first]


def test_a_duplicate_in_a_later_batch_is_looked_up() -> None:
    """[ED3, ED4] Where it is no longer kept, the first result is unknown."""
    bench = Bench()
    bench.do(insert(1, "a"), delete(2, "nobody"))
    again = bench.do(insert(1, "a"), delete(2, "nobody"), mode="replay")
    assert [one.first for one in again] == [
        {"n": 1, "status": "applied", "seq": 2},
        {"n": 2, "status": "rejected", "code": "node_missing"},
    ]
    bench._firsts.clear()
    assert bench.do(insert(1, "a"))[0].first == {"n": 1, "status": "unknown"}


def test_a_reused_number_names_another_target() -> None:
    """[ED5]"""
    bench = Bench()
    bench.do(insert(1, "a"))
    assert told(bench.do(delete(1, "b"), delete(1, "a"))) == ["reused", "duplicate"]


def test_what_consumes_a_number_and_what_does_not() -> None:
    """[ED6, RS6]"""
    bench = Bench()
    results = bench.do(
        delete(1, "nobody"), title(2, ""), title(3, "Root"), Malformed(3, 4, "unreadable"), insert(5, "root", None)
    )
    assert told(results) == ["node_missing", "invalid", "unchanged", "invalid", "exists"]
    assert bench.room.last_n(("bo", "bo-1")) == 5
    assert all(one.why for one in results if one.status == "rejected")
    assert not UNCONSUMED & set(told(results))


def test_a_malformed_op_stands_beside_good_ones() -> None:
    """[ED7, ED12]"""
    bench = Bench()
    results = bench.do(insert(1, "a"), Malformed(1, 2, "no such op"), insert(3, "b", "a"))
    assert told(results) == ["applied", "invalid", "applied"]
    assert results[1].why == "no such op"
    assert told(bench.do(Malformed(0, 2, "no such op"))) == ["duplicate"]
    (stored,) = bench.batches[0].results
    assert (stored.n, stored.target, stored.code) == (2, "", "invalid")


def test_a_base_beyond_the_tree_is_invalid() -> None:
    """[ED18]"""
    bench = Bench()
    assert told(bench.do(title(1, "x", base=2), title(2, "y", base=1))) == ["invalid", "applied"]


# ---- who is still catching up


def test_deletes_and_moves_wait_until_the_socket_has_caught_up() -> None:
    """[ED17, ED6]"""
    bench = Bench()
    behind = reader()
    move = {"n": 2, "op": "move", "node": "root", "position": {"x": 1, "y": 1}}
    results = bench.do(insert(1, "a"), move, title(3, "x"), participant=behind)
    assert told(results) == ["applied", "stale", "gap"]
    behind.live = True
    assert told(bench.do(move, delete(3, "a"), participant=behind)) == ["applied", "applied"]


# ---- all or nothing


def test_all_or_nothing_lands_whole() -> None:
    """[CF12] Nothing to do, and yielding, is no conflict."""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "c", "a"), user="ada")
    move = {"op": "move", "node": "c", "base": 4}
    bench.do({**move, "n": 4, "parent": "b", "position": {"x": 1, "y": 1}}, user="ada")
    ops = (title(1, "Root"), {**move, "n": 2, "position": {"x": 2, "y": 2}}, insert(3, "d"))
    outcome = bench.outcome(*ops, mode="replay", policy="all_or_nothing")
    assert told(outcome.results) == ["unchanged", "superseded", "applied"]
    assert outcome.landed is True


def test_all_or_nothing_takes_back_everything_for_one_conflict() -> None:
    """[CF12] Nothing is stored and no number consumed; conflicts have no id."""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), user="ada")
    before = image(bench.room.tree)
    ops = (insert(1, "a"), title(2, "Mine", base=1), insert(3, "b", "a"), delete(4, "nobody"))
    outcome = bench.outcome(*ops, mode="replay", policy="all_or_nothing")
    assert outcome.landed is False
    assert told(outcome.results) == ["conflict", "conflict"]
    assert [one.n for one in outcome.results] == [2, 4]
    assert all(not one.conflict.id for one in outcome.results if one.conflict)
    assert image(bench.room.tree) == before
    assert len(bench.batches) == 1
    assert bench.room.last_n(("bo", "bo-1")) == 0
    again = bench.outcome(*ops, mode="replay")
    assert told(again.results) == ["applied", "conflict", "applied", "conflict"]
    assert [one.conflict.id for one in again.results if one.conflict] == [1, 2]
    assert again.landed is msgspec.UNSET


def test_all_or_nothing_takes_back_only_its_own() -> None:
    """[CF12, ED3] What the same client sent before it in the batch stays, and stays answered."""
    bench = Bench()
    assert bench.offer(insert(1, "a")) is None
    whole = {"mode": "replay", "policy": "all_or_nothing"}
    assert bench.offer(insert(1, "a"), insert(2, "b"), delete(3, "nobody"), **whole) is None
    assert bench.offer(insert(1, "a"), insert(2, "c")) is None
    _, failed, last = (outcome for _, outcome in bench.settle().outcomes)
    assert told(failed.results) == ["conflict"]
    assert told(last.results) == ["duplicate", "applied"]
    assert last.results[0].first["status"] == "applied"  # type: ignore[index]
    assert bench.room.tree.node("b") is None
    assert bench.room.tree.node("c") is not None


# ---- what is written


def test_a_batch_holds_each_changed_thing_once_as_it_stands() -> None:
    bench = Bench()
    connect = {"n": 4, "op": "connect", "connection": "c", "from": "root", "to": "a"}
    bench.do(insert(1, "a"), title(2, "One", "a"), title(3, "Two", "a"), connect, delete(5, "a"))
    (batch,) = bench.batches
    assert [op.seq for op in batch.ops] == [2, 3, 4, 5, 6]
    (row,) = batch.nodes
    assert (row.node.title, row.deleted, row.by) == ("Two", 6, "bo")
    (connection,) = batch.connections
    assert connection.deleted == 6
    assert (batch.details, batch.node_count) == (None, 1)
    assert [op.activity for op in batch.ops] == [
        "node_created",
        "node_edited",
        "node_edited",
        "connection_created",
        "node_deleted",
    ]
    assert batch.ops[1].inverse == {"set": {"title": "T"}, "unset": []}


def test_activities_name_what_was_done() -> None:
    """[AC3]"""
    bench = Bench()
    bench.do(
        insert(1, "a"),
        {"n": 2, "op": "update", "node": "a", "set": {"template_data.why": "x"}},
        {"n": 3, "op": "connect", "connection": "c", "from": "root", "to": "a"},
        {"n": 4, "op": "update", "connection": "c", "set": {"label": "l"}},
        {"n": 5, "op": "disconnect", "connection": "c"},
        {"n": 6, "op": "move", "node": "a", "position": {"x": 1, "y": 1}},
        delete(7, "a"),
        {"n": 8, "op": "restore", "node": "a"},
        {"n": 9, "op": "configure", "set": {"name": "New"}},
        {"n": 10, "op": "import", "nodes": [{"id": "m", "type": "metric", "title": "M"}]},
        {"n": 11, "op": "configure", "unset": ["canvas_state.pan"]},
    )
    (batch,) = bench.batches
    assert [op.activity for op in batch.ops] == [
        "node_created",
        "template_filled",
        "connection_created",
        "connection_edited",
        "connection_deleted",
        "node_moved",
        "node_deleted",
        "node_restored",
        "tree_renamed",
        "nodes_imported",
        "tree_edited",
    ]
    assert batch.details is not None
    assert batch.details.name == "New"


def test_a_set_aside_op_is_kept_as_it_was_sent() -> None:
    """[CF14, CF11]"""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), user="ada")
    op = {**title(1, "Mine", base=1), "was": {"title": "Root"}}
    (result, landed) = bench.do(op, insert(2, "a"), mode="replay")
    assert told([result, landed]) == ["conflict", "applied"]
    (record,) = bench.batches[-1].conflicts
    assert record.ops == [op]
    assert (record.id, record.node, record.user, record.n, record.base, record.code) == (1, "root", "bo", 1, 1, "")
    shown = {"base": "Root", "mine": "Mine", "theirs": "Theirs", "by": "ada", "seq": 2}
    assert record.paths == {"title": shown}
    assert msgspec.to_builtins(result)["conflict"] == {"id": 1, "node": "root", "paths": {"title": shown}}
    (stored,) = bench.batches[-1].results
    assert (stored.status, stored.conflict) == ("conflict", 1)
    label = {"n": 3, "op": "update", "connection": "c9", "set": {"label": "x"}}
    (other,) = bench.do(label, mode="replay")
    assert other.conflict
    assert (other.conflict.connection, other.conflict.code) == ("c9", "connection_missing")


def test_a_record_holds_nothing_that_cannot_be_stored() -> None:
    """[ED13] What msgpack can carry and no column hold is refused, whatever the mode."""
    bench = Bench()
    bench.do(title(1, "Theirs"), user="ada")
    bad = delete(1, "a\x00")
    worse = {"n": 2, "op": "restore", "node": "root", "parent": "b\x00", "base": 1}
    assert told(bench.do(bad, worse, mode="replay")) == ["invalid", "invalid"]
    assert [one.target for one in bench.batches[-1].results] == ["", "root"]
    assert bench.batches[-1].conflicts == []


@pytest.mark.parametrize("code", ["node_missing", "parent_missing", "exists", "cycle", "connection_missing"])
def test_in_replay_what_others_may_have_caused_is_set_aside_with_its_code(code: str) -> None:
    """[CF10]"""
    bench = Bench()
    bench.do(insert(1, "a"), user="ada")
    here = {"x": 1, "y": 1}
    op = {
        "node_missing": delete(1, "nobody"),
        "parent_missing": insert(1, "x", "nobody"),
        "exists": insert(1, "a"),
        "cycle": {"n": 1, "op": "move", "node": "root", "parent": "a", "position": here},
        "connection_missing": {"n": 1, "op": "disconnect", "connection": "none"},
    }[code]
    assert told(bench.do(op)) == [code]
    (aside,) = bench.do({**op, "n": 2}, mode="replay")
    assert aside.status == "conflict"
    assert aside.conflict
    assert (aside.conflict.id, aside.conflict.code) == (1, code)
    assert told(bench.do({**op, "n": 3}, mode="force")) == [code]


def test_the_servers_own_moves_have_an_author_of_their_own() -> None:
    """[TR15, BR4] They come before the op that made them necessary, in its commit, and are no activity."""
    bench = Bench()
    bench.do(insert(1, "a", None), user="ada")
    long = "a0" + "0" * (ORDER_KEY_CHARACTERS - 3) + "1"
    bench.room.tree.put_node(
        "a",
        msgspec.structs.replace(
            held := bench.room.tree.nodes["a"], node=msgspec.structs.replace(held.node, order=long)
        ),
    )
    (result,) = bench.do(insert(1, "b", None, after="root"))
    batch = bench.batches[-1]
    assert result.seq == 5
    assert [(op.author.client, op.author.via, op.n, op.activity) for op in batch.ops] == [
        ("respace:r", "server", 1, ""),
        ("respace:r", "server", 2, ""),
        ("bo-1", "", 1, "node_created"),
    ]
    assert all(isinstance(op.effect, effects.Move) for op in batch.ops[:2])
    assert batch.counters == [ClientCounter(user="bo", client="bo-1", last_n=1)]
    assert bench.room.tree.children(None) == ["root", "b", "a"]


def test_undo_and_redo_leave_the_tree_as_it_was() -> None:
    bench = Bench()
    assert bench.offer(insert(1, "a"), insert(2, "b", "a"), delete(3, "a")) is None
    before = image(bench.room.tree)
    bench.cut()
    after = image(bench.room.tree)
    assert bench.room.flight is not None
    cut = bench.room.flight.cut
    cut.undo()
    assert image(bench.room.tree) == before
    cut.redo()
    assert image(bench.room.tree) == after


def test_results_say_what_differs() -> None:
    """[RS2, RS3, RS4]"""
    bench = Bench()
    bench.do(insert(1, "a"), title(2, "Theirs", "a"), user="ada")
    results = bench.do(
        {"n": 1, "base": 2, "op": "update", "node": "a", "set": {"title": "Mine", "description": ""}},
        delete(2, "a"),
        title(3, "Trashed", "a", base=3),
    )
    assert results[0].effective == effects.Update(node="a", set={"title": "Mine"})
    assert msgspec.to_builtins(results[0])["overwrote"] == {"title": {"value": "Theirs", "by": "ada", "seq": 3}}
    assert results[2].in_trash
    assert msgspec.to_builtins(results[2]) == {"n": 3, "status": "applied", "seq": 6, "in_trash": True}
    assert isinstance(results[1], Result)


def test_a_replayed_reorder_of_a_trashed_node_is_kept_with_its_wish() -> None:
    """[CF10, CF14]"""
    bench = Bench()
    bench.do(insert(1, "a"), delete(2, "a"), user="ada")
    (result,) = bench.do({"n": 1, "op": "move", "node": "a", "after": "root"}, mode="replay")
    assert result.conflict
    assert result.conflict.code == "node_missing"
    assert result.conflict.paths["placement"].mine == {"parent": "root", "after": "root"}
    bench.do({**delete(2, "root"), "base": 1}, mode="replay", user="bo", policy="all_or_nothing")


def test_all_or_nothing_lists_what_was_refused_too() -> None:
    """[CF12]"""
    bench = Bench()
    outcome = bench.outcome(insert(1, "a"), title(2, ""), mode="replay", policy="all_or_nothing")
    assert outcome.landed is False
    assert [(one.n, one.code) for one in outcome.results] == [(2, "invalid")]
