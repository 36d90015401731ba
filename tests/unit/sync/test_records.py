"""Conflict records in a room: opened, grown, joined, moot, undone with their batch."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from sync.conflict_records import ConflictRecord
from sync.ops import Op
from sync.protocol import Closing, Result
from sync.records import GROWING_SECONDS
from tests.rooms import Bench, Json, delete, insert, title, told
from tests.trees import image


def move(n: int, node: str, parent: str | None, **fields: Any) -> Json:
    return {"n": n, "op": "move", "node": node, "parent": parent, "position": {"x": n, "y": 0}, **fields}


def field(n: int, path: str, value: Any, node: str = "root", **fields: Any) -> Json:
    return {"n": n, "op": "update", "node": node, "set": {path: value}, **fields}


def opened(bench: Bench) -> list[ConflictRecord]:
    return [bench.room.records.open[number] for number in sorted(bench.room.records.open)]


def of(bench: Bench, user: str) -> ConflictRecord:
    """The one open record of what a user lost."""
    (record,) = (record for record in opened(bench) if record.user == user)
    return record


def lose(bench: Bench, n: int = 1) -> ConflictRecord:
    """Cy's title is overwritten by bo, who had not seen it."""
    base = bench.room.seq
    bench.do(title(n, f"Cy {n}", base=base), user="cy")
    bench.do(title(n, f"Bo {n}", base=base))
    return opened(bench)[-1]


# ---- overwritten


def test_an_overwritten_value_is_a_record_of_whoever_lost_it() -> None:
    """[CR1, CR2]"""
    bench = Bench()
    record = lose(bench)
    assert (record.id, record.kind, record.node, record.user, record.parties) == (
        1,
        "overwritten",
        "root",
        "cy",
        ["bo", "cy"],
    )
    assert record.paths == {"title": {"base": "Root", "mine": "Cy 1", "theirs": "Bo 1", "by": "bo", "seq": 3}}
    assert record.at
    assert bench.batches[-1].conflicts == [record]


def test_force_leaves_records_too() -> None:
    """[CR1]"""
    bench = Bench()
    bench.do(title(1, "Cy", base=1), user="cy")
    bench.do(title(1, "Bo", base=1), mode="force")
    assert [record.user for record in opened(bench)] == ["cy"]


def test_each_path_and_each_loser_has_a_record() -> None:
    """[CR1]"""
    bench = Bench()
    bench.do(title(1, "Cy", base=1), user="cy")
    bench.do(field(1, "metadata.color", "red", base=1), user="di")
    bench.do({"n": 1, "op": "update", "node": "root", "set": {"title": "Bo", "metadata.color": "blue"}, "base": 1})
    assert [(record.user, list(record.paths)) for record in opened(bench)] == [
        ("cy", ["title"]),
        ("di", ["metadata.color"]),
    ]
    assert opened(bench)[1].paths["metadata.color"]["base"] is None


def test_what_its_author_says_he_saw_is_the_base() -> None:
    """[CR2]"""
    bench = Bench()
    bench.do(title(1, "Cy", base=1), user="cy")
    bench.do({**title(1, "Bo", base=1), "was": {"title": "As I saw it"}})
    assert opened(bench)[0].paths["title"]["base"] == "As I saw it"


def test_view_state_reorders_and_drags_leave_none() -> None:
    """[CR1, CF7]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"))
    seen = bench.room.seq
    bench.do(field(1, "is_collapsed", True, base=seen), user="cy")
    bench.do(field(3, "is_collapsed", False, base=1))
    for n, user in ((2, "cy"), (4, "bo")):
        drag = {"n": n, "op": "move", "node": "a", "position": {"x": n, "y": n}, "base": seen}
        reorder = {"n": n + 1, "op": "move", "node": "a", "after": None if n == 4 else "b", "base": seen}
        bench.do(drag, reorder, user=user)
    assert opened(bench) == []


def test_a_lost_reparent_is_a_record_under_placement() -> None:
    """[CR1, CR3]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "c"))
    seen = bench.room.seq
    bench.do(move(1, "a", "b", base=seen), user="cy")
    bench.do(move(4, "a", "c", base=seen))
    (record,) = opened(bench)
    assert (record.user, record.node, list(record.paths)) == ("cy", "a", ["placement"])
    placement = record.paths["placement"]
    assert (placement["mine"]["parent"], placement["theirs"]["parent"], placement["by"]) == ("b", "c", "bo")
    assert placement["mine"]["position"] == {"x": 1, "y": 0}
    assert placement["base"]["parent"] == "root"


def test_a_delete_over_others_changes_is_one_record() -> None:
    """[CR1, CR4]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b", "a"), insert(3, "c", "a"))
    seen = bench.room.seq
    bench.do(title(1, "Cy", "b", base=seen), user="cy")
    bench.do(title(1, "Di", "c", base=seen), title(2, "Di too", "a", base=seen), user="di")
    (result,) = bench.do(delete(4, "a", base=seen))
    assert result.overwrote
    assert {node: lost.by for node, lost in result.overwrote.items()} == {"a": "di", "b": "cy", "c": "di"}
    (record,) = opened(bench)
    assert (record.node, record.code, record.user, record.parties) == ("a", "deleted", "di", ["bo", "cy", "di"])
    assert {node: shown["mine"] for node, shown in record.paths.items()} == {"a": "Di too", "b": "Cy", "c": "Di"}


def test_a_delete_of_what_its_author_has_seen_leaves_none() -> None:
    """[CR4]"""
    bench = Bench()
    bench.do(insert(1, "a"), user="cy")
    assert told(bench.do(delete(1, "a", base=bench.room.seq))) == ["applied"]
    assert opened(bench) == []


def test_labels_and_the_trees_own_fields_leave_records() -> None:
    """[CR1]"""
    bench = Bench()
    bench.do(insert(1, "a"), {"n": 2, "op": "connect", "connection": "c", "from": "root", "to": "a", "label": ""})
    seen = bench.room.seq
    for n, user in ((1, "cy"), (3, "bo")):
        label = {"n": n, "op": "update", "connection": "c", "set": {"label": user}, "base": seen}
        name = {"n": n + 1, "op": "configure", "set": {"name": user}, "base": seen}
        bench.do(label, name, user=user)
    shown = [(record.node, record.connection, list(record.paths), record.user) for record in opened(bench)]
    assert shown == [("", "c", ["label"], "cy"), ("", "", ["name"], "cy")]


# ---- growing


def test_a_further_loss_within_a_minute_grows_the_record() -> None:
    """[CR5] The first base and the newest lost value."""
    bench = Bench()
    lose(bench)
    bench.now += GROWING_SECONDS - 1
    bench.do(title(2, "Cy 2", base=2), user="cy")
    bench.do(title(2, "Bo 2", base=3))
    record = of(bench, "cy")
    assert record.paths["title"] == {"base": "Root", "mine": "Cy 2", "theirs": "Bo 2", "by": "bo", "seq": 5}
    assert (record.id, record.seqs) == (1, [5])


def test_a_later_loss_replaces_the_record() -> None:
    """[CR5]"""
    bench = Bench()
    lose(bench)
    bench.now += GROWING_SECONDS
    bench.do(title(2, "Cy 2", base=2), user="cy")
    bench.do(title(2, "Bo 2", base=3))
    record = of(bench, "cy")
    assert (record.id, record.paths["title"]["base"]) == (3, "Bo 1")
    assert bench.record(1).closed == Closing(choice="replaced", by="bo", seq=5)


def test_rapid_typing_of_two_over_one_field_makes_a_record_for_each() -> None:
    """[CR5] Whether each has seen the other's newest value or not; and nothing is left over that nobody lost."""
    bench = Bench()
    for n in range(1, 500):
        bench.now += 0.1
        bench.do(title(n, f"Cy {n}", base=max(1, bench.room.seq - n % 4)), user="cy")
        bench.do(title(n, f"Bo {n}", base=max(1, bench.room.seq - n % 3)))
    assert bench.room.records.number <= 2
    assert {record.user for record in opened(bench)} <= {"bo", "cy"}


def test_what_was_moot_for_less_than_a_minute_opens_again() -> None:
    """[CR5, CR7]"""
    bench = Bench()
    lose(bench)
    bench.do(title(2, "Cy again", base=3), user="cy")
    assert opened(bench) == []
    bench.do(title(2, "Bo 2", base=3))
    (record,) = opened(bench)
    assert (record.id, record.closed, record.paths["title"]["mine"]) == (1, None, "Cy again")
    bench.do(title(3, "Cy once more", base=5), user="cy")
    bench.now += GROWING_SECONDS
    bench.do(title(3, "Bo 3", base=5))
    assert [record.id for record in opened(bench)] == [2]


# ---- set aside, and joined


def aside(bench: Bench, *ops: Json, client: str = "") -> list[Result]:
    return bench.do(*ops, mode="replay", client=client)


def test_ops_on_what_a_waiting_insert_would_make_join_its_record() -> None:
    """[CR6] In their order, also what stands below it."""
    bench = Bench()
    (result,) = aside(bench, insert(1, "a", "nowhere"))
    assert told([result]) == ["conflict"]
    ops = (
        title(2, "Better", "a"),
        insert(3, "b", "a"),
        {"n": 4, "op": "connect", "connection": "c", "from": "root", "to": "b"},
        {"n": 5, "op": "update", "connection": "c", "set": {"label": "x"}},
        title(6, "Clean", base=1),
    )
    results = aside(bench, *ops)
    assert told(results) == ["conflict"] * 4 + ["applied"]
    assert [one.conflict.id for one in results if one.conflict] == [1, 1, 1, 1]
    (record,) = opened(bench)
    assert [op["n"] for op in record.ops] == [1, 2, 3, 4, 5]
    assert [(one.n, one.conflict) for one in bench.batches[-1].results] == [(n, 1) for n in range(2, 6)]


def test_ops_on_the_same_field_or_placement_join() -> None:
    """[CR6]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "d"))
    seen = bench.room.seq
    bench.do(title(1, "Theirs", "a", base=seen), move(2, "a", "d", base=seen), user="cy")
    first = aside(bench, title(1, "Mine", "a", base=seen), move(2, "a", "b", base=seen), client="bo-2")
    later = aside(
        bench,
        title(3, "Mine too", "a", base=seen),
        move(4, "a", None, base=seen),
        field(5, "metadata.x", 1, "a", base=seen),
        client="bo-2",
    )
    assert [one.conflict.id for one in first if one.conflict] == [1, 2]
    assert [one.conflict.id for one in later if one.conflict] == [1, 2]
    assert told(later) == ["conflict", "conflict", "applied"]
    assert later[0].conflict
    assert later[0].conflict.paths["title"].mine == "Mine too"
    assert opened(bench)[1].paths["placement"]["mine"]["parent"] is None


def test_ten_thousand_ops_join_one_record_in_no_time_and_are_taken_back() -> None:
    """[CR6, CR8] What joins is shared by all versions of the record."""
    bench = Bench()
    aside(bench, insert(1, "a", "nowhere"), insert(2, "b", "nowhere"))
    before = msgspec.to_builtins(opened(bench))
    ops = [field(n, f"metadata.k{n % 50}", n, "ab"[n % 2], base=0) for n in range(3, 10_003)]
    bench.offer(*ops, mode="replay")
    began = time.process_time()
    bench.cut()
    spent = time.process_time() - began
    assert [len(record.ops) for record in opened(bench)] == [5_001, 5_001]
    assert spent < 5.0, "a copy per op would take minutes"
    bench.room.roll_back()
    assert msgspec.to_builtins(opened(bench)) == before
    assert bench.room.records.awaited_by(update_of("a"), ("bo", "bo-1")) == opened(bench)[0]
    assert bench.room.records.awaited_by(update_of("c"), ("bo", "bo-1")) is None


def update_of(node: str) -> Op:
    op: Op = msgspec.convert(title(1, "x", node, base=0), Op)
    return op


def test_others_and_other_clients_join_nothing() -> None:
    """[CR6]"""
    bench = Bench()
    aside(bench, insert(1, "a", "nowhere"))
    again = insert(1, "a")
    assert told(bench.do(again, mode="replay", client="bo-2")) == ["applied"]
    assert told(bench.do(title(2, "Live", "a", base=2), client="bo-1")) == ["applied"]


def test_who_has_seen_what_stands_there_joins_nothing() -> None:
    """[CR6, CR7]"""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), user="cy")
    aside(bench, title(1, "Mine", base=1))
    assert told(aside(bench, title(2, "Decided", base=2))) == ["applied"]
    assert opened(bench) == []


def test_what_could_never_be_applied_joins_nothing() -> None:
    """[CR6, ED13]"""
    bench = Bench()
    aside(bench, insert(1, "a", "nowhere"))
    bad = (
        field(2, "nope", 1, "a"),
        {"n": 3, "op": "text", "node": "a", "path": "title", "delta": [0]},
        title(4, "x" * 501, "a"),
        title(5, "fine", "a", was={"title": "\x00"}),
    )
    assert told(aside(bench, *bad)) == ["invalid"] * 4
    assert len(opened(bench)[0].ops) == 1


def test_a_delta_that_joins_changes_what_is_shown() -> None:
    """[CR6]"""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), user="cy")
    typed = {"n": 2, "op": "text", "node": "root", "path": "title", "delta": [4, "!"], "base": 1}
    results = aside(bench, title(1, "Mine", base=1), typed)
    assert told(results) == ["conflict", "conflict"]
    assert opened(bench)[0].paths["title"]["mine"] == "Mine!"


# ---- undone with the batch


def test_a_batch_that_is_rolled_back_leaves_no_record() -> None:
    """[CR8]"""
    bench = Bench()
    lose(bench)
    before, newest = msgspec.to_builtins(opened(bench)), bench.room.records.number
    bench.offer(title(2, "Cy 2", base=2), user="cy")
    bench.offer(title(2, "Bo 2", base=3))
    bench.offer(field(3, "description", "x", base=3), insert(4, "a", "nowhere"), mode="replay")
    bench.cut()
    assert [record.user for record in opened(bench)] == ["cy", "bo", "bo"]
    assert (of(bench, "cy").seqs, bench.room.records.count("bo")) == ([5], 1)
    bench.room.roll_back()
    assert (msgspec.to_builtins(opened(bench)), bench.room.records.number) == (before, newest)
    bench.settle()
    assert [record.id for record in opened(bench)] == [1, 2, 3]


def test_an_edit_that_must_land_whole_takes_its_records_back() -> None:
    """[CF12]"""
    bench = Bench()
    lose(bench)
    before = image(bench.room.tree)
    ops = (title(2, "Bo again", base=3), insert(3, "a", "nowhere"))
    outcome = bench.outcome(*ops, mode="replay", policy="all_or_nothing")
    assert (outcome.landed, told(outcome.results)) == (False, ["conflict"])
    assert image(bench.room.tree) == before
    assert bench.room.records.number == 1
    assert len(bench.batches) == 2


def test_a_room_begins_with_the_records_of_its_tree() -> None:
    """[CR6, CR5]"""
    bench = Bench()
    aside(bench, insert(1, "a", "nowhere"))
    lose(bench, 2)
    loaded = Bench()
    loaded.room.records.take(2, opened(bench))
    assert told(loaded.do(title(1, "gap"), mode="replay")) != []
    assert loaded.room.records.count("bo") == 2
    assert loaded.room.records.count("eve") == 0


def test_a_cut_without_records_keeps_none_at_hand() -> None:
    """[CR8]"""
    bench = Bench()
    bench.do(insert(1, "a"), title(2, "x", "a", base=2))
    assert bench.batches[-1].conflicts == []
    assert bench.room.records.changed() == []
