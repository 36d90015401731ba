"""Deltas that meet others': one message and several, sent twice, after sets, too old, too many."""

from __future__ import annotations

from typing import Any

import pytest

from sync import cut, ladders
from sync.limits import Limits
from sync.marks import mark_of
from sync.protocol import Outcome
from sync.room import Room
from tests.rooms import Bench, Json, insert, loaded, title, told
from tests.texts import log_of, put, read, started, text

# ---- one delta


def test_both_keep_every_character() -> None:
    """[TX8, TX9] Concurrent in one batch and in two; a transformed delta is `merged`."""
    bench = started("Hello world")
    bench.offer(text(1, [5, ","], base=2), user="ada")
    bench.offer(text(1, [11, "!"], base=2), user="bo")
    ada, bo = (outcome for _, outcome in bench.settle().outcomes)
    assert isinstance(ada, Outcome)
    assert isinstance(bo, Outcome)
    assert told([*ada.results, *bo.results]) == ["applied", "merged"]
    assert bo.results[0].effective == log_of(bench)[-1].effect
    assert bench.do(text(2, [6, " dear"], base=3), user="ada")[0].status == "applied"  # bo's lies behind it
    assert read(bench.room) == "Hello, dear world!"


def test_at_one_place_the_lower_seq_stands_left() -> None:
    """[TX8]"""
    bench = started("()")
    for user in ("ada", "bo", "cy"):
        bench.do(text(2 if user == "cy" else 1, [1, user], base=2), user=user)
    assert read(bench.room) == "(adabocy)"


def test_a_delta_that_was_left_as_it_is_is_applied() -> None:
    """[TX9] Concurrent, but nothing had to be moved."""
    bench = started("one two")
    bench.do(text(1, [7, "!"], base=2), user="ada")
    assert told(bench.do(text(1, ["> "], base=2))) == ["applied"]
    assert read(bench.room) == "> one two!"


def test_what_both_delete_is_deleted_once() -> None:
    """[TX8, TX4] And who comes second has nothing left to do."""
    bench = started("abc")
    bench.do(text(1, [1, -1], base=2), user="ada")
    assert told(bench.do(text(1, [1, -1], base=2))) == ["unchanged"]
    assert read(bench.room) == "ac"


@pytest.mark.parametrize("mode", ["live", "replay", "force"])
def test_every_mode_transforms(mode: Any) -> None:
    """[TX8]"""
    bench = started("ab")
    bench.do(text(1, ["x"], base=2), user="ada")
    assert told(bench.do(text(1, [2, "y"], base=2), mode=mode)) == ["merged"]
    assert read(bench.room) == "xaby"


def test_a_set_is_the_delta_of_its_common_beginning_and_end() -> None:
    """[TX10]"""
    bench = started("one three")
    bench.do(put(1, "one two three", base=2), user="ada")
    bench.do(text(1, [9, "!"], base=2))
    assert read(bench.room) == "one two three!"


@pytest.mark.parametrize(
    ("theirs", "result"),
    [
        ({"unset": ["template_data.k"]}, "!"),
        ({"set": {"template_data.k": None}}, "!"),
        ({"set": {"template_data.k": ""}}, "!"),
    ],
)
def test_null_and_absent_are_the_empty_text(theirs: Json, result: str) -> None:
    """[TX2, TX10]"""
    bench = started("gone", "template_data.k")
    bench.do({"n": 1, "op": "update", "node": "root", "base": 2, **theirs}, user="ada")
    assert told(bench.do(text(1, [4, "!"], path="template_data.k", base=2))) == ["merged"]
    assert read(bench.room, "template_data.k") == result


def test_a_field_that_held_a_number_meanwhile() -> None:
    """[TX10] It was no text then: all of it is new."""
    bench = started("old", "metadata.k")
    bench.do(put(1, 5, path="metadata.k", base=2), put(2, "new", path="metadata.k", base=2), user="ada")
    bench.do(text(1, [3, "!"], path="metadata.k", base=2))
    assert read(bench.room, "metadata.k") == "new!"


def test_longer_than_the_text_at_its_base_is_invalid() -> None:
    """[TX4] Though the text is longer by now, and valid though it is shorter by now."""
    bench = started("abc")
    bench.do(text(1, ["long "], base=2), user="ada")
    assert told(bench.do(text(1, [4, "!"], base=2))) == ["invalid"]
    bench.do(put(2, "a", base=3), user="ada")
    assert told(bench.do(text(2, [3, "!"], base=2))) == ["merged"]
    assert read(bench.room) == "a!"


def test_other_fields_and_nodes_do_not_meet() -> None:
    bench = started("abc")
    bench.do(insert(1, "a", base=2), text(2, ["x"], path="title", base=2), text(3, ["y"], node="a", base=2), user="ada")
    assert told(bench.do(text(1, [3, "!"], base=2))) == ["applied"]


# ---- several in one message


def test_each_stands_on_those_before_it() -> None:
    """[TX11] Also where others wrote between, in the batch and before it."""
    bench = started("base")
    bench.do(text(1, [4, "|"], base=2), user="ada")
    bench.offer(text(2, ["<"], base=3), user="ada")
    bench.offer(text(1, [4, "1"], base=2), text(2, [5, "2"], base=2), text(3, [2, -2], base=2), user="bo")
    bench.settle()
    assert read(bench.room) == "<ba|12"


def test_a_set_before_it_in_the_message_is_what_it_stands_on() -> None:
    """[TX11]"""
    bench = started("old")
    bench.do(text(1, ["x"], base=2), user="ada")
    results = bench.do(put(1, "mine", base=2), text(2, [4, "!"], base=2))
    assert told(results) == ["applied", "applied"]
    assert read(bench.room) == "mine!"


def test_a_set_that_was_merged_before_it_in_the_message() -> None:
    """[TX11, MG1] In `replay`, three-way: the delta stands on what its author had, not on what came of it."""
    bench = started("one two three four")
    bench.do(text(1, ["zero "], base=2), user="ada")
    results = bench.do(put(1, "one two three FOUR", base=2), text(2, [18, "!"], base=2), mode="replay")
    assert told(results) == ["merged", "merged"]
    assert read(bench.room) == "zero one two three FOUR!"


def test_a_set_that_changed_nothing_before_it_in_the_message() -> None:
    """[TX11] The text is there already; also as a duplicate, when others have written since."""
    bench = started("old")
    bench.do(put(1, "same", base=2), user="ada")
    assert told(bench.do(put(1, "same", base=2))) == ["unchanged"]
    bench.do(text(2, ["> "], base=3), user="ada")
    results = bench.do(put(1, "same", base=2), text(2, [4, "!"], base=2))
    assert told(results) == ["duplicate", "merged"]
    assert read(bench.room) == "> same!"


def test_what_builds_on_an_op_that_is_not_there_waits_with_its_content() -> None:
    """[TX12]"""
    bench = started("one")
    bench.do(put(1, "two", base=2), user="ada")
    results = bench.do(put(1, "three", base=2), text(2, [5, "!"], base=2), mode="replay")
    assert told(results) == ["conflict", "conflict"]
    assert [op["op"] for record in bench.batches[-1].conflicts for op in record.ops] == ["update", "text"]
    refused = bench.do(text(3, ["x" * 500], path="title", base=2), text(4, [500, "y"], path="title", base=2))
    assert told(refused) == ["invalid", "conflict"]
    assert read(bench.room, "title") == "Root"


def test_an_insert_before_it_in_the_message() -> None:
    """[TX11]"""
    bench = Bench()
    results = bench.do(insert(1, "a", base=1, description="abc"), text(2, [3, "d"], node="a", base=1))
    assert told(results) == ["applied", "applied"]
    assert read(bench.room, node="a") == "abcd"


def test_a_node_made_since_its_base() -> None:
    """[TX11] The text it was made with counts as that at the base: its author cannot have seen another."""
    bench = Bench()
    bench.do(insert(1, "a", base=1, description="abc"))
    bench.do(text(1, ["> "], node="a", base=2), user="ada")
    assert told(bench.do(text(2, [3, "d"], node="a", base=1))) == ["merged"]
    assert read(bench.room, node="a") == "> abcd"


# ---- again


def test_a_message_that_was_stored_is_answered_again_and_continued() -> None:
    """[TX11, ED3] Its ops walk the ladder at their place in the log, so that what follows them stands right."""
    bench = started("base")
    bench.do(text(1, ["A"], base=2), user="ada")
    first = bench.do(text(1, [4, "1"], base=2), text(2, [5, "2"], base=2))
    assert told(first) == ["merged", "merged"]
    bench.do(text(2, ["B"], base=3), user="ada")
    ops = (text(1, [4, "1"], base=2), text(2, [5, "2"], base=2), text(3, [6, "3"], base=2))
    again = bench.do(*ops)
    assert told(again) == ["duplicate", "duplicate", "merged"]
    assert read(bench.room) == "BAbase123"


def test_one_op_twice_in_a_message() -> None:
    """[TX11]"""
    bench = started("ab")
    bench.do(text(1, ["x"], base=2), user="ada")
    one = text(1, [2, "c"], base=2)
    assert told(bench.do(one, one, text(2, [3, "d"], base=2), one)) == ["merged", "duplicate", "merged", "duplicate"]
    assert read(bench.room) == "xabcd"


def test_a_stored_op_that_came_to_nothing_is_walked_over_too() -> None:
    """[TX11] Both had deleted the same."""
    bench = started("abcd")
    bench.do(text(1, [1, -1], base=2), user="ada")
    assert told(bench.do(text(1, [1, -1], base=2))) == ["unchanged"]
    assert told(bench.do(text(1, [1, -1], base=2), text(2, [3, "!"], base=2))) == ["duplicate", "applied"]
    assert read(bench.room) == "acd!"


def test_a_number_that_comes_again_with_something_else() -> None:
    """[TX12, ED3] It is answered as the first time; what stands on it stands on something that is not there."""
    bench = started("base")
    bench.do(text(1, ["A"], base=2), text(2, [], base=2))
    assert told(bench.do(text(1, ["B"], base=2), text(3, [5, "!"], base=2))) == ["duplicate", "conflict"]
    assert told(bench.do(text(2, ["B"], base=3), text(4, [5, "!"], base=3))) == ["duplicate", "conflict"]
    assert told(bench.do(text(1, ["A"], base=3), text(5, [5, "!"], base=3))) == ["duplicate", "applied"]
    assert read(bench.room) == "Abase!"


def test_a_later_base_in_the_same_message() -> None:
    """[TX11] After a reconnect: what was sent before, and what was written since on the newest text."""
    bench = started("base")
    bench.do(text(1, ["A"], base=2), user="ada")
    results = bench.do(text(1, [4, "1"], base=2), text(2, [6, "2"], base=3))
    assert told(results) == ["merged", "applied"]
    assert read(bench.room) == "Abase12"


def test_an_own_op_that_its_author_had_not_seen_makes_it_stale() -> None:
    """[TX13] It keeps its n, and what is behind it waits."""
    bench = started("base")
    bench.do(text(1, ["A"], base=2))
    results = bench.do(text(2, [4, "!"], base=2), title(3, "T"))
    assert told(results) == ["stale", "gap"]
    assert bench.room.last_n(("bo", "bo-1")) == 1
    assert told(bench.do(text(2, [5, "!"], base=3))) == ["applied"]
    assert told(bench.do(put(3, "set", base=4), text(4, [3, "!"], base=4), title(5, "T", base=4))) == ["applied"] * 3
    assert told(bench.do(text(6, ["x"], path="title", base=4))) == ["stale"]


# ---- marks (SEMANTICS 13)


def test_a_merged_change_counts_as_anothers_for_its_author() -> None:
    """[TX14] Until his base has reached it; and it is nobody's own for the ladder."""
    bench = started("base")
    bench.do(text(1, ["A"], base=2), user="ada")
    bench.do(text(1, [4, "!"], base=2))  # seq 4, merged
    mark = mark_of(bench.room.tree.nodes["root"].marks, "description")
    assert mark.by_others("bo", "bo-1") == (4, "bo")
    conflict = bench.do(put(2, "Abase?", base=3), mode="replay")[0].conflict
    assert conflict
    assert (conflict.paths["description"].by, conflict.paths["description"].seq) == ("bo", 4)
    assert told(bench.do(put(3, "mine", base=4), mode="replay")) == ["applied"]


def test_every_replica_of_the_tree_has_the_same_marks() -> None:
    """[TX14] Who committed, who followed by frames, and who loads the rows."""
    bench = started("base")
    follower = Room(loaded(), Limits())
    bench.do(text(1, ["A"], base=2), user="ada")
    bench.do(text(1, [4, "!"], base=2))
    for commit in bench.room.recent.after(1):
        follower.follow(commit.ops, {}, {}, 0)
    assert follower.tree.nodes == bench.room.tree.nodes
    assert follower.tree.digest == bench.room.tree.digest
    (row,) = bench.batches[-1].nodes
    assert row.marks == bench.room.tree.nodes["root"].marks
    # and it goes on from there
    assert [(op.seq, op.inverse) for op in follower.backlog.changes("root", "description", 2)] == [
        (op.seq, op.inverse) for op in log_of(bench)[1:]
    ]


# ---- bounds


def test_older_than_what_is_kept_it_waits_with_its_content() -> None:
    """[TX15] Where the field was changed since; else its base does not matter."""
    bench = Bench(Limits(resume_ops=3))
    bench.do(put(1, "old", base=1), user="cy")
    for n in range(2, 7):
        bench.do(title(n, f"T{n}"), user="cy")
    assert told(bench.do(text(1, [3, "!"], base=2))) == ["applied"]
    assert told(bench.do(text(1, [3, "?"], base=2), user="ada")) == ["conflict"]
    assert read(bench.room) == "old!"


def test_one_edit_cannot_hold_up_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX15]"""
    monkeypatch.setattr(ladders, "MOST_WORK", 100)  # a step takes 11, a delta 2
    bench = started("abc")
    bench.do(*(text(n, ["x"], base=2) for n in range(1, 5)), user="ada")
    results = bench.do(*(text(n, [n + 2, "y"], base=2) for n in range(1, 5)))
    assert told(results) == ["merged", "merged", "stale", "gap"]
    assert told(bench.do(text(3, ["z"], base=2 + 4 + 2))) == ["applied"]


def test_one_delta_cannot_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX15] Its parts count, and those that it falls into on the way."""
    monkeypatch.setattr(ladders, "MOST_WORK", 140)
    bench = started("a" * 40)
    bench.do(*(text(n, [2 * n, "x"], base=2) for n in range(1, 9)), user="ada")
    assert told(bench.do(text(1, [1, "y"], base=2))) == ["applied"]
    assert told(bench.do(text(2, [1, "y"] * 15, base=2), user="cy")) == ["conflict"]
    assert told(bench.do(text(1, [-40], base=2), user="di")) == ["conflict"]


def test_nor_can_the_size_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX15] What is copied for each delta counts."""
    monkeypatch.setattr(ladders, "MOST_WORK", 100)
    bench = started("a" * 2_600)
    results = bench.do(*(text(n, [n, "y"], base=2) for n in range(1, 5)))
    assert told(results) == ["applied", "applied", "stale", "gap"]


def test_a_batch_ends_where_its_texts_have_taken_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX15] The next edit is not refused for it: it waits for the batch behind this one."""
    monkeypatch.setattr(ladders, "MOST_WORK", 100)
    monkeypatch.setattr(cut, "MOST_WORK", 100)
    bench = started("a" * 6_000)
    for user in ("ada", "bo", "cy"):
        bench.offer(text(1, ["y"], base=2), user=user)
    assert [len(bench.settle().outcomes) for _ in range(2)] == [2, 1]


def test_all_or_nothing_takes_the_texts_back_too() -> None:
    """[CF12] And the next edit stands on what is there."""
    bench = started("base")
    ops = (text(1, ["A"], base=2), text(2, [1, "B"], base=2))
    failed = bench.outcome(*ops, text(3, [99], base=2), mode="replay", policy="all_or_nothing")
    assert failed.landed is False
    assert read(bench.room) == "base"
    landed = bench.outcome(*ops, mode="replay", policy="all_or_nothing")
    assert (landed.landed, read(bench.room)) == (True, "ABbase")


def test_a_batch_that_was_lost_is_judged_again_without_its_own_traces() -> None:
    """[TX8]"""
    bench = started("base")
    bench.offer(text(1, ["A"], base=2), user="ada")
    bench.offer(text(1, [4, "!"], base=2))
    bench.cut()
    bench.room.roll_back()
    assert read(bench.room) == "base"
    bench.settle()
    assert read(bench.room) == "Abase!"
    assert [op.seq for op in bench.room.backlog.changes("root", "description", 0)] == [2, 3, 4]
