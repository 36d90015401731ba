"""Deciding conflict records: by `mine`, `theirs` or a value, once, by whom it concerns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.conflict_records import ConflictRecord
from sync.pending import Refusal
from sync.protocol import Choice, Closing, Error, Resolved
from sync.values import read
from tests.rooms import Bench, Json, delete, insert, title, told
from tests.trees import image

DELTA = {"op": "text", "node": "root", "path": "title"}


def move(n: int, node: str, parent: str | None, **fields: Any) -> Json:
    return {"n": n, "op": "move", "node": node, "parent": parent, "position": {"x": n, "y": 0}, **fields}


def value(bench: Bench, path: str, node: str = "root") -> Any:
    return read(bench.room.tree.nodes[node].node, path)


def done(answer: Resolved | Error) -> tuple[str, str, int]:
    assert isinstance(answer, Resolved), answer
    assert (answer.ref, answer.tree) == (9, 7)
    return answer.closed.choice, answer.closed.by, answer.closed.seq


def refused(answer: Resolved | Error) -> str:
    assert isinstance(answer, Error), answer
    assert (answer.ref, answer.tree) == (9, 7)
    return answer.code


def overwritten(path: str = "title", mine: Any = "Cy", theirs: Any = "Bo") -> Bench:
    """Record 1: what cy wrote is not in the tree, for bo has overwritten it."""
    bench = Bench()
    for user, wrote in (("cy", mine), ("bo", theirs)):
        bench.do({"n": 1, "op": "update", "node": "root", "set": {path: wrote}, "base": 1}, user=user)
    assert list(bench.room.records.open) == [1]
    return bench


def aside(*ops: Json, before: tuple[Json, ...] = (title(1, "Theirs", base=1),)) -> Bench:
    """Record 1: ops of bo's that wait, for cy has done something before."""
    bench = Bench()
    bench.do(*before, user="cy")
    assert told(bench.do(*ops, mode="replay")) == ["conflict"] * len(ops)
    assert list(bench.room.records.open) == [1]
    return bench


# ---- the three choices


def test_theirs_closes_and_changes_nothing() -> None:
    """[CR10]"""
    bench = overwritten()
    before = image(bench.room.tree)
    assert done(bench.resolve(1, "theirs", user="cy")) == ("theirs", "cy", 0)
    assert image(bench.room.tree) == before
    assert bench.room.records.open == {}
    assert bench.record(1).closed == Closing(choice="theirs", by="cy", seq=0)
    assert (bench.batches[-1].ops, bench.batches[-1].counters, bench.batches[-1].results) == ([], [], [])


def test_mine_sets_an_overwritten_value_back() -> None:
    """[CR12, CR19] As an edit of whoever decided."""
    bench = overwritten()
    assert done(bench.resolve(1, "mine", user="cy")) == ("mine", "cy", 4)
    assert value(bench, "title") == "Cy"
    (op,) = bench.batches[-1].ops
    assert (op.author.user, op.author.client, op.author.via, op.n, op.mode) == ("cy", "resolve:1", "resolve", 1, "live")
    assert bench.batches[-1].conflicts == [bench.record(1)]


def test_a_value_is_set_instead() -> None:
    """[CR13]"""
    bench = overwritten()
    assert done(bench.resolve(1, "value", value="Both", user="bo")) == ("value", "bo", 4)
    assert value(bench, "title") == "Both"


def test_a_value_that_was_absent_goes_again() -> None:
    """[CR12]"""
    bench = Bench()
    bench.do({"n": 1, "op": "update", "node": "root", "set": {"metadata.x": 1}, "base": 1}, user="cy")
    bench.do({"n": 2, "op": "update", "node": "root", "unset": ["metadata.x"], "base": 2}, user="cy")
    bench.do({"n": 1, "op": "update", "node": "root", "set": {"metadata.x": 2}, "base": 2})
    assert done(bench.resolve(1, "mine"))[0] == "mine"
    assert bench.room.tree.nodes["root"].node.metadata == {}


def test_a_lost_label_and_a_trees_own_field_are_set_back() -> None:
    """[CR12]"""
    bench = Bench()
    bench.do(insert(1, "a"), {"n": 2, "op": "connect", "connection": "c", "from": "root", "to": "a", "label": ""})
    seen = bench.room.seq
    for n, user in ((1, "cy"), (3, "bo")):
        label = {"n": n, "op": "update", "connection": "c", "set": {"label": user}, "base": seen}
        bench.do(label, {"n": n + 1, "op": "configure", "set": {"name": user}, "base": seen}, user=user)
    assert [done(bench.resolve(number, "mine"))[0] for number in (1, 2)] == ["mine", "mine"]
    assert bench.room.tree.connections["c"].connection.label == "cy"
    assert bench.room.tree.details.details.name == "cy"


def test_a_lost_reparent_is_moved_back_to_its_place() -> None:
    """[CR12, CR3]"""
    bench = Bench()
    bench.do(*(insert(n, node) for n, node in enumerate("abcdef", 1)))
    bench.do(move(7, "b", "f", base=7), move(8, "d", "f", base=7))
    seen = bench.room.seq
    bench.do({**move(1, "a", "f", base=seen), "after": "b"}, user="cy")
    bench.do(move(9, "a", "c", base=seen))
    assert done(bench.resolve(1, "mine"))[0] == "mine"
    assert bench.room.tree.children("f") == ["b", "a", "d"]
    assert bench.room.tree.nodes["a"].node.position.x == 1


def test_what_a_delete_took_is_restored() -> None:
    """[CR12, CR4]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b", "a"))
    bench.do(title(1, "Cy", "b", base=3), user="cy")
    bench.do(delete(3, "a", base=3))
    assert done(bench.resolve(1, "mine", user="cy"))[0] == "mine"
    assert bench.room.tree.children("a") == ["b"]


def test_mine_applies_all_that_waits_as_one_forced_edit() -> None:
    """[CR11] In order, with the base of the decision."""
    both = {"n": 1, "op": "update", "node": "root", "set": {"title": "Mine", "description": "Mine"}, "base": 1}
    bench = aside(both, title(2, "Mine too", base=1))
    assert done(bench.resolve(1, "mine")) == ("mine", "bo", 4)
    assert (value(bench, "title"), value(bench, "description")) == ("Mine too", "Mine")
    assert [(op.n, op.mode) for op in bench.batches[-1].ops] == [(1, "force"), (2, "force")]
    assert bench.room.records.open == {}, "whoever decided has seen what stood there"


def test_a_decision_that_had_not_seen_the_newest_leaves_a_record() -> None:
    """[CR12]"""
    bench = overwritten()
    bench.do(title(1, "Di", base=3), user="di")
    assert done(bench.resolve(1, "mine", base=3, user="cy"))[0] == "mine"
    assert [(record.user, record.paths["title"]["mine"]) for record in bench.room.records.open.values()] == [
        ("di", "Di")
    ]


def test_what_waits_on_a_waiting_insert_comes_with_it() -> None:
    """[CR11, CR6]"""
    bench = Bench()
    bench.do(insert(1, "p"), user="cy")
    bench.do(delete(2, "p", base=2), user="cy")
    ops = (
        insert(1, "p", title="Taken"),
        insert(2, "b", "p"),
        title(3, "Better", "b"),
        {"n": 4, "op": "text", "node": "b", "path": "title", "delta": [6, "!"]},
        {"n": 5, "op": "text", "node": "b", "path": "description", "delta": ["Typed"]},
    )
    results = bench.do(*ops, mode="replay")
    assert told(results) == ["conflict"] * 5
    bench.do({"n": 3, "op": "restore", "node": "p", "base": 3}, user="cy")
    assert refused(bench.resolve(1, "mine")) == "exists"
    assert 1 in bench.room.records.open
    assert "b" not in bench.room.tree.nodes


def test_deltas_on_a_text_that_waits_become_part_of_it() -> None:
    """[CR11]"""
    made = insert(1, "a", "p", description="abc", template_data={"why": "x"})
    bench = Bench()
    assert told(bench.do(made, mode="replay")) == ["conflict"]
    typed = [
        {"n": 2, "op": "text", "node": "a", "path": "description", "delta": [3, "d"]},
        {"n": 3, "op": "text", "node": "a", "path": "template_data.why", "delta": [-1, "y"]},
        {"n": 4, "op": "text", "node": "a", "path": "description", "delta": ["_"]},
        title(5, "New", "a"),
        {"n": 6, "op": "text", "node": "a", "path": "title", "delta": ["Brand ", 3]},
    ]
    assert told(bench.do(*typed, mode="replay")) == ["conflict"] * 5
    bench.do(insert(1, "p"), user="cy")
    assert done(bench.resolve(1, "mine"))[0] == "mine"
    node = bench.room.tree.nodes["a"].node
    assert (node.description, node.template_data, node.title) == ("_abcd", {"why": "y"}, "Brand New")
    assert len(bench.batches[-1].ops) == 2


def test_a_delta_that_waits_alone_is_brought_to_the_text_as_it_is() -> None:
    """[CR11] It keeps its own base."""
    bench = Bench()
    bench.do(insert(1, "a", title="abc"), user="cy")
    bench.do(delete(2, "a", base=2), user="cy")
    typed = {"n": 1, "op": "text", "node": "a", "path": "title", "delta": [3, "!"], "base": 2}
    assert told(bench.do(typed, mode="replay")) == ["conflict"]
    bench.do({"n": 3, "op": "restore", "node": "a", "base": 3}, title(4, "_abc", "a", base=4), user="cy")
    assert done(bench.resolve(1, "mine"))[0] == "mine"
    assert value(bench, "title", "a") == "_abc!"


def test_a_delta_whose_field_is_no_text_is_decided_by_a_value() -> None:
    """[CR11, CR13]"""
    bench = Bench()
    bench.do({"n": 1, "op": "update", "node": "root", "set": {"metadata.x": 5}, "base": 1}, user="cy")
    typed = {"n": 1, "op": "text", "node": "root", "path": "metadata.x", "delta": ["typed"], "base": 1}
    assert told(bench.do(typed)) == ["conflict"]
    assert refused(bench.resolve(1, "mine")) == "invalid"
    assert done(bench.resolve(1, "value", value="typed"))[0] == "value"
    assert value(bench, "metadata.x") == "typed"


def test_a_value_for_one_path_lets_the_rest_of_the_edit_land() -> None:
    """[CR13]"""
    both = {"n": 1, "op": "update", "node": "root", "set": {"title": "Mine", "description": "Mine"}, "base": 1}
    bench = aside(both)
    assert done(bench.resolve(1, "value", value="Both"))[0] == "value"
    assert (value(bench, "title"), value(bench, "description")) == ("Both", "Mine")


def test_several_paths_take_a_map_of_values() -> None:
    """[CR13]"""
    theirs = {"n": 1, "op": "update", "node": "root", "set": {"title": "Theirs", "metadata.x": 1}, "base": 1}
    mine = {"n": 1, "op": "update", "node": "root", "set": {"title": "Mine"}, "unset": ["metadata.x"], "base": 1}
    bench = aside(mine, before=(theirs,))
    for wrong in ("Both", {"title": "Both"}, {"title": "Both", "metadata.x": 2, "more": 3}):
        assert refused(bench.resolve(1, "value", value=wrong)) == "invalid"
    assert done(bench.resolve(1, "value", value={"title": "Both", "metadata.x": 2}))[0] == "value"
    assert (value(bench, "title"), value(bench, "metadata.x")) == ("Both", 2)


# ---- refused: nothing is done


@pytest.mark.parametrize("wrong", [5, None, "", "x" * 501, ["a"], {"a": 1}, "nul \x00"])
def test_a_value_of_a_wrong_type_is_refused_and_the_record_stays(wrong: Any) -> None:
    """[CR13]"""
    bench = overwritten()
    before = image(bench.room.tree)
    assert refused(bench.resolve(1, "value", value=wrong)) == "invalid"
    assert image(bench.room.tree) == before
    assert (bench.record(1).closed, list(bench.room.records.open)) == (None, [1])
    assert len(bench.batches) == 2


@pytest.mark.parametrize("choice", ["mine", "value"])
def test_a_choice_that_does_not_fit_the_record_is_refused(choice: Choice) -> None:
    """[CR13] No value for a placement, nor for what a delete took, nor without one."""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "c"))
    bench.do(move(1, "a", "b", base=4), title(2, "Cy", "c", base=4), user="cy")
    bench.do(move(4, "a", "c", base=4), delete(5, "c", base=4))
    for number in (1, 2):
        assert refused(bench.resolve(number, "value", value={"parent": None})) == "invalid"
    assert refused(overwritten().resolve(1, "value")) == "invalid"


def test_what_cannot_be_applied_now_is_refused_whole() -> None:
    """[CR11] Also what had been applied before it."""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), insert(2, "a"), user="cy")
    seen = bench.room.seq
    bench.do(title(3, "Theirs", "a", base=seen), user="cy")
    assert told(bench.do(insert(1, "n", "gone"), insert(2, "m", "n"), mode="replay")) == ["conflict", "conflict"]
    before = image(bench.room.tree)
    assert refused(bench.resolve(1, "mine")) == "parent_missing"
    assert image(bench.room.tree) == before
    assert done(bench.resolve(1, "theirs")) == ("theirs", "bo", 0)


def test_a_cycle_or_a_trashed_parent_is_refused_by_its_code() -> None:
    """[CR11, CR12]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b", "a"))
    bench.do(title(1, "Cy", "b", base=3), user="cy")
    bench.do(delete(3, "b", base=3), delete(4, "a", base=3))
    assert refused(bench.resolve(1, "mine")) == "parent_missing"


def test_a_base_ahead_of_the_tree_is_refused() -> None:
    """[CR10]"""
    assert refused(overwritten().resolve(1, "mine", base=99)) == "invalid"


# ---- whose it is


def test_whom_it_does_not_concern_learns_nothing() -> None:
    """[CR9] Not there and not yours look the same."""
    bench = overwritten()
    stranger, nobody = (bench.resolve(number, "theirs", user="eve") for number in (1, 99))
    assert isinstance(stranger, Error)
    assert isinstance(nobody, Error)
    assert (stranger.code, stranger.why) == (nobody.code, nobody.why) == ("not_found", "no such conflict")
    assert 1 in bench.room.records.open


def test_owners_may_decide_any() -> None:
    """[CR9]"""
    assert done(overwritten().resolve(1, "theirs", user="ada")) == ("theirs", "ada", 0)


def test_deciding_needs_the_right_to_edit() -> None:
    """[CR15] Who may not even see the record is told that there is none."""
    bench = overwritten()
    bench.room.rights = msgspec.structs.replace(bench.room.rights, visibility="tenant_view")
    assert refused(bench.resolve(1, "theirs", user="cy")) == "forbidden"
    assert refused(bench.resolve(1, "theirs", user="eve")) == "not_found"
    bench.room.rights = msgspec.structs.replace(bench.room.rights, visibility="tenant_edit", frozen=True)
    assert refused(bench.resolve(1, "theirs", user="cy")) == "unavailable"


# ---- once


def test_a_closed_record_answers_what_was_done() -> None:
    """[CR14] In the same batch, later, and with another choice."""
    bench = overwritten()
    bench.decision(1, "mine", user="cy")
    bench.decision(1, "theirs", user="bo")
    answers = [answer for _, answer in bench.settle().decided]
    assert [done(answer) for answer in answers] == [("mine", "cy", 4), ("mine", "cy", 4)]
    assert len(bench.batches[-1].ops) == 1
    bench.now += 3600
    bench.do(title(2, "Later", base=4))
    assert done(bench.resolve(1, "value", value="Other", user="cy")) == ("mine", "cy", 4)
    assert value(bench, "title") == "Later"
    assert len(bench.batches) == 4


def test_a_decision_that_is_rolled_back_is_made_again() -> None:
    """[CR14, CR8]"""
    bench = overwritten()
    bench.decision(1, "mine", user="cy")
    bench.cut()
    assert bench.room.records.open == {}
    bench.room.roll_back()
    assert list(bench.room.records.open) == [1]
    (answer,) = (answer for _, answer in bench.settle().decided)
    assert done(answer) == ("mine", "cy", 4)


def test_a_decision_that_is_turned_away_leaves_what_is_in_flight() -> None:
    """[CR10, TX8] What has been judged and is not confirmed yet is known to what is judged behind it."""
    bench = overwritten()
    bench.do({"n": 2, "op": "update", "node": "root", "set": {"description": "abc"}, "base": 3}, user="cy")
    typed = {"op": "text", "node": "root", "path": "description", "base": 4}
    bench.offer({**typed, "n": 3, "delta": ["_"]}, user="cy")
    bench.cut()
    bench.decision(1, "theirs", user="cy")
    ((_, answer),) = bench.room.refuse_waiting(Refusal("unavailable", "away"))
    assert isinstance(answer, Error)
    assert answer.code == "unavailable"
    bench.settle()
    assert told(bench.do({**typed, "n": 2, "delta": [3, "!"]})) == ["merged"]
    assert value(bench, "description") == "_abc!"


def test_a_value_that_stands_there_already_closes_the_record() -> None:
    """[CR12] Nothing is logged, and seq is 0."""
    bench = overwritten()
    assert done(bench.resolve(1, "value", value="Bo")) == ("value", "bo", 0)
    assert bench.batches[-1].ops == []


def test_ops_of_another_release_can_be_closed() -> None:
    """[CR11]"""
    bench = Bench()
    known = ConflictRecord(id=1, node="root", user="bo", client="c", ops=[{"op": "unheard of"}], parties=["bo"])
    bench.room.records.take(1, [known])
    assert told(bench.do(title(1, "x", base=1), mode="replay", client="c")) == ["applied"]
    assert refused(bench.resolve(1, "mine")) == "invalid"
    assert done(bench.resolve(1, "theirs"))[0] == "theirs"
