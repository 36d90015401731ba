"""What a room remembers of its newest changes: filling, forgetting, loading, asking."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from sync import backlog as module
from sync.backlog import Backlog, Thing, before, changed, delta_of
from sync.effects import Configure, Effect, Insert, Move, Text, Update
from sync.identity import Author
from sync.ports import LoggedOp


def put(seq: int, value: Any, was: Any = None, path: str = "description", node: str = "a") -> LoggedOp:
    inverse: dict[str, Any] = {"set": {}, "unset": [path]} if was is None else {"set": {path: was}, "unset": []}
    return op(seq, Update(node=node, set={path: value}), inverse)


def typed(seq: int, delta: list[int | str], back: list[int | str], node: str = "a") -> LoggedOp:
    return op(seq, Text(node=node, path="description", delta=delta), {"delta": back})


def moved(seq: int, parent: str, was: str, order: str = "a0") -> LoggedOp:
    return op(seq, Move(node="a", parent=parent, order=order), {"parent": was, "order": "a0", "position": {}})


def op(seq: int, effect: Effect, inverse: dict[str, Any] | None = None) -> LoggedOp:
    return LoggedOp(seq=seq, n=seq, author=Author(user="ada", client="a1"), effect=effect, inverse=inverse or {})


def filled(*ops: LoggedOp, floor: int = 0) -> Backlog:
    backlog = Backlog(floor)
    for one in ops:
        backlog.confirm(one.seq, [one])
    return backlog


def seqs(backlog: Backlog, after: int = 0, thing: Thing = "a", path: str = "description") -> list[int]:
    return [one.seq for one in backlog.changes(thing, path, after)]


# ---- asking


def test_changes_of_a_path_are_found_by_what_they_changed() -> None:
    other = op(2, Update(node="a", set={"title": "T"}, unset=["metadata.k"]), {"set": {"title": ""}, "unset": []})
    backlog = filled(put(1, "x"), other, typed(3, ["y"], [-1]), put(4, "z", node="b"), moved(5, "p", "q"))
    assert seqs(backlog) == [1, 3]
    assert seqs(backlog, after=1) == [3]
    assert seqs(backlog, path="title") == seqs(backlog, path="metadata.k") == [2]
    assert seqs(backlog, thing="b") == [4]
    assert seqs(backlog, thing="none") == []


def test_connections_and_the_tree_itself_are_things_too() -> None:
    backlog = filled(
        op(1, Update(connection="a", set={"label": "new"}), {"set": {"label": "old"}}),
        op(2, Configure(set={"name": "N"}), {"set": {"name": "M"}, "unset": []}),
        op(3, Insert(node="a", parent=None, order="a0", type="metric", title="T")),
    )
    assert seqs(backlog, thing=("a",), path="label") == [1]
    assert seqs(backlog, thing=None, path="name") == [2]
    assert seqs(backlog, thing="a", path="title") == []
    assert backlog.value_at(("a",), "label", 0, "new") == "old"
    assert backlog.value_at(None, "name", 1, "N") == "M"


def test_the_value_at_a_seq() -> None:
    """Through deltas and sets, from what it is now."""
    backlog = filled(
        put(1, "ab"), typed(2, [2, "c"], [2, -1]), typed(3, [1, -1], [1, "b"]), put(4, 5, was="ac"), put(5, "x", was=5)
    )
    assert [backlog.value_at("a", "description", seq, "x") for seq in range(6)] == [None, "ab", "abc", "ac", 5, "x"]
    assert backlog.value_at("a", "title", 0, "T") == "T"
    only_deltas = filled(typed(3, ["b"], [-1]), typed(4, [1, "c"], [1, -1]), floor=2)
    assert [only_deltas.value_at("a", "description", seq, "bca") for seq in (2, 3, 4)] == ["a", "ba", "bca"]
    assert only_deltas.value_at("a", "description", 1, "bca") is UNSET


def test_the_placement_at_a_seq() -> None:
    """A drag changes no placement."""
    backlog = filled(moved(2, "q", "p"), moved(3, "q", "q"), moved(4, "q", "q", "a1"), floor=1)
    assert backlog.placement_at("a", 1) == {"parent": "p", "order": "a0"}
    assert backlog.placement_at("a", 2) == {"parent": "q", "order": "a0"}
    assert backlog.placement_at("a", 4) is UNSET
    assert backlog.placement_at("a", 0) is UNSET
    assert backlog.placement_at("b", 1) is UNSET


@pytest.mark.parametrize(
    ("effect", "inverse", "expected"),
    [
        (Text(node="a", path="description", delta=[1, "x"]), {"delta": [1, -1]}, [1, "x"]),
        (Update(node="a", set={"description": "abXc"}), {"set": {"description": "abc"}}, [2, "X"]),
        (Update(node="a", unset=["description"]), {"set": {"description": "abc"}}, [-3]),
        (Update(node="a", set={"description": "abc"}), {"set": {}, "unset": ["description"]}, ["abc"]),
        (Update(node="a", set={"description": None}), {"set": {"description": 7}}, []),
    ],
)
def test_every_change_of_a_text_is_a_delta(effect: Effect, inverse: dict[str, Any], expected: list[Any]) -> None:
    """[TX10]"""
    one = op(1, effect, inverse)
    assert delta_of(one, "description") == expected
    assert changed(effect, "description")
    assert not changed(effect, "title")


def test_before_a_delta_null_is_the_empty_text() -> None:
    assert before(typed(1, ["x"], [-1]), "description", "x") == ""
    assert before(put(1, "x"), "description", "x") is None


# ---- what is in flight


def test_what_is_in_flight_is_known_and_can_be_taken_back() -> None:
    backlog = filled(put(1, "x"))
    flight = [put(2, "y", "x"), moved(3, "p", "q"), put(4, "z", "y")]
    backlog.watch(flight)
    assert seqs(backlog) == [1, 2, 4]
    backlog.truncate(2)
    del flight[1:]
    assert seqs(backlog) == [1, 2]
    flight.append(put(3, "w", "y"))
    assert seqs(backlog) == [1, 2, 3]
    backlog.truncate(1)
    backlog.watch([])
    assert seqs(backlog) == [1]
    backlog.confirm(2, [put(2, "v", "x")])
    assert seqs(backlog) == [1, 2]


def test_what_was_asked_of_in_flight_is_not_counted_twice_when_it_lands() -> None:
    backlog = Backlog(0)
    flight = [put(1, "x"), put(2, "y", "x")]
    backlog.watch(flight)
    assert seqs(backlog) == [1, 2]
    backlog.confirm(2, flight, 100)
    assert seqs(backlog) == [1, 2]


# ---- bounds


def test_it_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX16] Whether or not it was ever asked, and keeps more while an edit waits for it."""
    monkeypatch.setattr(module, "KEPT_OPS", 3)
    monkeypatch.setattr(module, "KEPT_OPS_WAITED_FOR", 5)
    for ask in (False, True):
        backlog = Backlog(0)
        for seq in range(1, 9):
            backlog.confirm(seq, [put(seq, "x")])
            if ask:
                backlog.changes("a", "description", 0)
            backlog.trim(waited_for=True)
        assert (backlog.floor, seqs(backlog)) == (3, [4, 5, 6, 7, 8])
        backlog.trim()
        assert (backlog.floor, seqs(backlog)) == (5, [6, 7, 8])
        assert backlog.reaches("a", "description", 5)
        assert not backlog.reaches("a", "description", 4)


def test_large_values_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX16] By the size of their messages, or where they came from the log by their own."""
    monkeypatch.setattr(module, "KEPT_BYTES", 1000)
    backlog = Backlog(0)
    for seq in range(1, 5):
        backlog.confirm(seq, [put(seq, "x")], 400)
        backlog.trim()
    assert seqs(backlog) == [3, 4]
    backlog = Backlog(0)
    spread = {"k": ["x" * 100, {"deep": "y" * 100}], "n": 5}
    for seq in range(1, 5):
        one = (put(seq, spread, "z" * 200, "metadata.k"), typed(seq, ["x" * 400], ["y" * 10]))[seq % 2]
        backlog.confirm(seq, [one, moved(seq, "p", "q")])
        backlog.trim()
    assert backlog.floor == 2


def test_one_batch_is_kept_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_OPS", 3)
    backlog = Backlog(0)
    backlog.confirm(9, [put(seq, "x") for seq in range(1, 10)])
    backlog.trim()
    assert len(seqs(backlog)) == 9


# ---- the log below


def test_what_is_loaded_goes_before_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX16] And is forgotten first."""
    backlog = filled(put(11, "k", "j"), floor=10)
    assert seqs(backlog) == [11]
    backlog.load(5, [put(seq, "x") for seq in range(6, 11)])
    assert (backlog.floor, seqs(backlog), seqs(backlog, after=8)) == (5, [6, 7, 8, 9, 10, 11], [9, 10, 11])
    backlog.load(3, [moved(4, "p", "q"), put(5, "x")])
    assert (backlog.floor, seqs(backlog)) == (3, [5, 6, 7, 8, 9, 10, 11])
    assert backlog.placement_at("a", 3) == {"parent": "q", "order": "a0"}
    monkeypatch.setattr(module, "KEPT_OPS", 1)
    backlog.trim()
    assert (backlog.floor, seqs(backlog)) == (10, [11])


def test_a_path_that_was_not_changed_below_needs_no_loading() -> None:
    """Its mark says so; until the floor rises."""
    backlog = filled(put(11, "k", "j"), floor=10)
    assert not backlog.reaches("a", "description", 4)
    backlog.unchanged("a", "description", 6)
    backlog.unchanged("a", "description", 4)
    backlog.unchanged("a", "description", 5)
    assert backlog.reaches("a", "description", 4)
    assert not backlog.reaches("a", "description", 3)
    assert not backlog.reaches("a", "title", 4)
    assert backlog.value_at("a", "description", 4, "k") == "j"


def test_it_says_when_nothing_more_may_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX16]"""
    monkeypatch.setattr(module, "KEPT_OPS_WAITED_FOR", 3)
    backlog = Backlog(10)
    backlog.load(7, [put(8, "x"), put(9, "x"), put(10, "x")])
    assert not backlog.full
    backlog.load(6, [put(7, "x")])
    assert backlog.full
